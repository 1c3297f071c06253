const words: Record<string, string> = {
  EEXIST: 'it exists already',
  ENOSPC: 'no space left',
  EDQUOT: 'no space left in the quota',
  ENOENT: 'no such file or folder',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EISDIR: 'it is a directory',
  ENOTDIR: 'a part of the path is no folder',
  ELOOP: 'too many symbolic links',
  ENAMETOOLONG: 'the name is too long',
  ENXIO: 'it is not a regular file'
}

/** Why a file could not be used, in words and without its path, which is somebody else's text. */
export function wordsFor(error: unknown): string {
  const code = codeOf(error)
  return words[code] ?? code
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
