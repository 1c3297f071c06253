/** What `send -f` names -> the files that are sent, each with the name that the receiver is given. */
import { createHash } from 'node:crypto'
import { type FileHandle, lstat, open, readdir, stat } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { addAbortSignal } from 'node:stream'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import type { Item } from './protocols/send.ts'
import { safe } from './safe.ts'

export interface Outgoing {
  /** Relative, with `/` between its parts. */
  name: string
  /** Null for stdin. */
  path: string | null
}

const MAX_NAME_BYTES = 1024
const READ_BYTES = 1 << 18

/** The files, folders walked in the order of their names, and what was left out of those. Throws a Failure. */
export async function outgoing(
  paths: string[],
  { name, resume }: { name?: string | undefined; resume?: boolean | undefined }
): Promise<{ files: Outgoing[]; skipped: Event<'send.skip'>[] }> {
  const files: Outgoing[] = []
  const skipped: Event<'send.skip'>[] = []
  for (const path of paths) {
    if (path === '-') {
      if (resume === true) throw wrong('stdin cannot be resumed', 'send a file, or leave --resume out')
      files.push({ name: name ?? 'stdin', path: null })
      continue
    }
    const about = await stat(path).catch(cause => {
      throw unreadable(path, cause)
    })
    const own = name ?? basename(resolve(path))
    if (about.isDirectory()) {
      if (name != null) throw wrong('--name is for one file, not for a folder')
      await walk(path, own, files, skipped)
    } else {
      if (resume === true && !about.isFile()) throw wrong(`${safe(path)} is no file, and cannot be resumed`)
      files.push({ name: own, path })
    }
  }
  checkNames(files)
  return { files, skipped }
}

async function walk(folder: string, name: string, files: Outgoing[], skipped: Event<'send.skip'>[]): Promise<void> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(cause => {
    throw unreadable(folder, cause)
  })
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const path = join(folder, entry.name)
    const own = name === '' ? entry.name : `${name}/${entry.name}`
    // some file systems do not say what a name is
    const kind = entry.isFile() || entry.isDirectory() || entry.isSymbolicLink() ? entry : await lstat(path)
    if (kind.isDirectory()) await walk(path, own, files, skipped)
    else if (kind.isFile()) files.push({ name: own, path })
    else skipped.push({ type: 'send.skip', path, reason: kind.isSymbolicLink() ? 'link' : 'special' })
  }
}

function checkNames(files: Outgoing[]): void {
  if (files.length === 0) throw wrong('there is no file in what is to be sent')
  const known = new Map<string, Outgoing>()
  for (const file of files) {
    const { name, path } = file
    if (name === '') throw wrong(`${safe(path ?? '-')} has no name to send it by`, 'give one with --name')
    if (Buffer.byteLength(name) > MAX_NAME_BYTES) throw wrong(`the name of ${safe(path ?? '-')} is too long`)
    const other = known.get(name)
    if (other != null) {
      const both = `${safe(other.path ?? '-')} and ${safe(path ?? '-')}`
      throw wrong(`${both} would both be sent as ${safe(name)}`, 'send them in two runs')
    }
    known.set(name, file)
  }
}

/** A file as an item to send, and its end. With `resume` it is read once before, for its hash. Throws a Failure. */
export async function openItem(
  { name, path }: Outgoing,
  resume: boolean,
  signal: AbortSignal
): Promise<{ item: Item } & AsyncDisposable> {
  if (path === null) {
    const item: Item = { kind: 'file', name, size: null, source: addAbortSignal(signal, process.stdin) }
    return { item, [Symbol.asyncDispose]: async () => {} }
  }
  try {
    const handle = await open(path)
    try {
      const about = await handle.stat()
      const size = about.isFile() ? about.size : null
      const sha256 = resume ? await hashOf(handle, signal) : undefined
      const source = chunksOf(handle, path, size !== null)
      return { item: { kind: 'file', name, size, sha256, source }, [Symbol.asyncDispose]: () => handle.close() }
    } catch (error) {
      await handle.close()
      throw error
    }
  } catch (cause) {
    signal.throwIfAborted()
    throw unreadable(path, cause)
  }
}

/**
 * A chunk is good until the next one is asked for. Of a file that one is read meanwhile, into the other of two buffers; of
 * a pipe, where it may take forever, not before.
 */
async function* chunksOf(handle: FileHandle, path: string, seekable: boolean): AsyncGenerator<Uint8Array> {
  const read = async (into: Uint8Array, at: number): Promise<Uint8Array> => {
    const { bytesRead } = await handle.read(into, 0, READ_BYTES, seekable ? at : null).catch(cause => {
      throw unreadable(path, cause)
    })
    return into.subarray(0, bytesRead)
  }
  let [free, taken] = [new Uint8Array(READ_BYTES), new Uint8Array(READ_BYTES)]
  let ahead: Promise<Uint8Array> | undefined
  try {
    for (let at = 0; ; ) {
      const chunk = await (ahead ?? read(free, at))
      if (chunk.byteLength === 0) return
      at += chunk.byteLength
      ;[free, taken] = [taken, free]
      if (seekable) ahead = read(free, at)
      // whoever asks for it next hears of it
      ahead?.catch(() => {})
      yield chunk
    }
  } finally {
    // the file is closed behind it
    await ahead?.catch(() => {})
  }
}

async function hashOf(handle: FileHandle, signal: AbortSignal): Promise<Uint8Array> {
  const hash = createHash('sha256')
  const buffer = new Uint8Array(READ_BYTES)
  for (let at = 0; ; ) {
    signal.throwIfAborted()
    const { bytesRead } = await handle.read(buffer, 0, READ_BYTES, at)
    if (bytesRead === 0) return hash.digest()
    at += bytesRead
    hash.update(buffer.subarray(0, bytesRead))
  }
}

function unreadable(path: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause
  const { code, message } = cause as NodeJS.ErrnoException
  const words: Record<string, string> = { ENOENT: 'there is no such file', EACCES: 'permission denied' }
  return new Failure('file_unreadable', `cannot send ${safe(path)}: ${words[code ?? ''] ?? safe(message)}`, { cause })
}

function wrong(message: string, hint?: string): Failure {
  return new Failure('invalid_option', message, { hint })
}
