/** Folders and names in them that no link leads out of, and files that get their name only once they are whole. */
import { randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, link, lstat, mkdir, open, realpath, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { Failure } from './errors.ts'
import { isFull } from './files.ts'
import { numbered } from './names.ts'
import { safe } from './safe.ts'

// a link is never followed where a file or a folder is meant, and a FIFO is not waited for
const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL, O_NOFOLLOW = 0, O_DIRECTORY = 0, O_NONBLOCK = 0 } = constants
export const TO_READ = O_RDONLY | O_NOFOLLOW | O_NONBLOCK
const TO_GO_ON = O_RDWR | O_NOFOLLOW | O_NONBLOCK
const TO_MAKE = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW

const MAX_NUMBER = 999

/** Something in the way that this side will not touch. */
export class InTheWay extends Error {
  override name = 'InTheWay'
}

/** The folder as it is called without links, once it has been seen to take files. */
export async function usable(dir: string): Promise<string> {
  try {
    const root = await realpath(dir)
    const probe = join(root, `.p2pctl-${randomBytes(12).toString('hex')}.part`)
    await (await open(probe, TO_MAKE, 0o600)).close()
    await unlink(probe)
    return root
  } catch (cause) {
    const full = isFull(cause)
    throw new Failure(
      full ? 'no_space' : 'file_unwritable',
      `cannot store files in ${safe(dir)}: ${reasonFor(cause)}`,
      {
        phase: 'listen',
        ...(!full && { hint: 'name a folder that exists and that you may write to' }),
        cause
      }
    )
  }
}

function reasonFor(cause: unknown): string {
  const words: Record<string, string> = {
    ENOENT: 'there is no such folder',
    ENOTDIR: 'it is not a folder',
    EACCES: 'permission denied',
    EROFS: 'it is read-only',
    ENOSPC: 'no space left'
  }
  return words[(cause as NodeJS.ErrnoException).code ?? ''] ?? safe((cause as Error).message)
}

const NO_FOLDER = 'a part of the name is not a folder here'

export interface Folder {
  /** For people. */
  path: string
  /** A path that leads to a name in this folder also when the folder was moved, or swapped for a link. */
  at(name: string): string
  sync(): Promise<void>
  close(): Promise<void>
}

/** Goes down folder by folder, makes those that are missing, and follows no link. */
export async function enter(root: string, parts: string[]): Promise<Folder> {
  let folder = await openFolder(root, root)
  for (const part of parts) {
    const above = folder
    try {
      await mkdir(above.at(part), { mode: 0o700 }).catch(ignore('EEXIST'))
      // only where there are no descriptors for folders is there a moment between this look and the next step
      if (!(await lstat(above.at(part))).isDirectory()) throw new InTheWay(NO_FOLDER)
      folder = await openFolder(above.at(part), join(above.path, part))
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code
      throw code === 'ELOOP' || code === 'ENOTDIR' ? new InTheWay(NO_FOLDER) : error
    } finally {
      await above.close()
    }
  }
  return folder
}

async function openFolder(from: string, path: string): Promise<Folder> {
  if (process.platform === 'win32') {
    return { path, at: name => join(path, name), sync: async () => {}, close: async () => {} }
  }
  const handle = await open(from, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)
  // Node has no openat(2): on Linux the path of a descriptor does the same
  const own = process.platform === 'linux' ? `/proc/self/fd/${handle.fd}` : path
  return { path, at: name => `${own}/${name}`, sync: () => handle.sync(), close: () => handle.close() }
}

/** One that was kept may go on, if nobody else could have written it. */
export async function openPart(path: string, resumable: boolean): Promise<FileHandle> {
  if (resumable) {
    const kept = await open(path, TO_GO_ON).catch(ignore('ENOENT'))
    if (kept != null) {
      const { nlink, uid } = await kept.stat()
      const isFile = (await kept.stat()).isFile()
      if (isFile && nlink === 1 && (process.getuid == null || uid === process.getuid())) return kept
      await kept.close()
      throw new InTheWay('what was kept of it is not to be trusted')
    }
  }
  return await open(path, TO_MAKE, 0o600)
}

/** Gives a whole file its name, or one with a number; the name that it got, or null where it is taken. */
export async function giveName(
  folder: Folder,
  part: string,
  name: string,
  { overwrite, rename: renumber }: { overwrite?: boolean | undefined; rename?: boolean | undefined }
): Promise<string | null> {
  if (overwrite === true) {
    try {
      await rename(folder.at(part), folder.at(name))
      return name
    } catch (error) {
      if (['EISDIR', 'ENOTEMPTY', 'EEXIST', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? ''))
        return null
      throw error
    }
  }
  for (let number = 0; number <= (renumber === true ? MAX_NUMBER : 0); number++) {
    const own = number === 0 ? name : numbered(name, number)
    if (await moveTo(folder, part, own)) return own
  }
  return null
}

/** Whether the name was free. rename(2) would replace what has it, link(2) does not. */
async function moveTo(folder: Folder, part: string, name: string): Promise<boolean> {
  try {
    await link(folder.at(part), folder.at(name))
    // it is whole and has its name: one too many of those is no harm
    await unlink(folder.at(part)).catch(() => {})
    return true
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    if (code === 'EEXIST') return false
    // file systems without links (FAT): an empty file of that name first, which is ours to replace
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK'].includes(code)) throw error
    const own = await open(folder.at(name), TO_MAKE, 0o600).catch(ignore('EEXIST'))
    if (own == null) return false
    try {
      await own.close()
      await rename(folder.at(part), folder.at(name))
    } catch (error) {
      await unlink(folder.at(name)).catch(() => {})
      throw error
    }
    return true
  }
}

function ignore(code: string): (error: NodeJS.ErrnoException) => undefined {
  return error => {
    if (error.code !== code) throw error
  }
}
