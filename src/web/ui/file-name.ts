/** A name that means the same to every file system, and leads nowhere else. */
export function fileName(name: string): string {
  const plain = name.replace(/[\\/:*?"<>|\p{Cc}\p{Cf}]+/gu, '_').replace(/^[.\s_]+|[.\s]+$/g, '')
  return plain.slice(0, 120) || 'file'
}
