import { open } from 'node:fs/promises'
import { getSystemErrorName } from 'node:util'
import { type Code, Failure } from './errors.ts'
import { safe } from './safe.ts'

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
  ENXIO: 'it is not a regular file',
  EIO: 'an input/output error',
  EMFILE: 'too many open files',
  ENFILE: 'too many open files',
  EFBIG: 'it would be larger than a file may be'
}

/** Why a file could not be used, in words and without its path, which is somebody else's text. */
export function wordsFor(error: unknown): string {
  const code = codeOf(error)
  return words[code] ?? code
}

const failures: Record<string, Code> = {
  EMFILE: 'no_descriptors',
  ENFILE: 'no_descriptors',
  ENOSPC: 'no_space',
  EDQUOT: 'no_space',
  EIO: 'system_error',
  ENOMEM: 'system_error',
  ENOBUFS: 'system_error',
  EROFS: 'system_error'
}

const CHUNK_BYTES = 1 << 16

/** The text of a file; null where it has more bytes than that, of which no more are read. */
export async function readUpTo(path: string, mostBytes: number): Promise<string | null> {
  await using file = await open(path)
  const chunks: Buffer[] = []
  let bytes = 0
  // not a stream, which reads ahead: of a pipe that says no more that would never end
  for (;;) {
    const { bytesRead, buffer } = await file.read({ buffer: Buffer.allocUnsafe(CHUNK_BYTES) })
    if (bytesRead === 0) return Buffer.concat(chunks).toString('utf8')
    bytes += bytesRead
    if (bytes > mostBytes) return null
    chunks.push(buffer.subarray(0, bytesRead))
  }
}

/** What the operating system refused, where nobody expected it to: no bug, and exit 3. Null for any other error. */
export function systemFailure(cause: unknown): Failure | null {
  const code = cause instanceof Error && 'syscall' in cause ? failures[codeOf(cause)] : undefined
  if (code == null) return null
  return new Failure(code, `the operating system said ${safe((cause as Error).message)}`, { cause })
}

/** Whether a disk, or what somebody may have of it, is full. */
export function isFull(error: unknown): boolean {
  return ['ENOSPC', 'EDQUOT'].includes(codeOf(error))
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error) || !('code' in error)) return 'unknown error'
  // libuv has no name for it: `Unknown system error -122` on Linux, -69 on macOS (Node 24)
  if (/^Unknown system error -(122|69)$/.test(String(error.code))) return 'EDQUOT'
  // that of os.networkInterfaces() is positive, and Node finds no name for it (libuv 1.51)
  if (error.code === 'ERR_SYSTEM_ERROR' && 'errno' in error) return getSystemErrorName(-Number(error.errno))
  return String(error.code)
}
