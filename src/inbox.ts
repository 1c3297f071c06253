/** A folder that takes files from other peers, and nothing outside of it, whatever they call them. */
import { createHash, randomBytes } from 'node:crypto'
import { type FileHandle, lstat, open as openFile, statfs, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Event } from './events.ts'
import { isFull, wordsFor } from './files.ts'
import { enter, type Folder, giveName, InTheWay, openPart, TO_READ, usable } from './folder.ts'
import { checkName } from './names.ts'
import { Refusal, type Sink } from './protocols/receive.ts'
import { type Offer, STATUS } from './protocols/send-frames.ts'

export interface InboxOptions {
  /** The folder; it has to exist. */
  dir: string
  /** Bytes of one file, and of all of this run. */
  maxFile: number
  maxTotal: number
  /** Percent of the disk that stays free. */
  keepFree: number
  /** What to do with a name that is taken; without either the file is refused. */
  overwrite?: boolean | undefined
  rename?: boolean | undefined
  /** Resolves when it has been said. */
  said(event: Event<'file.received' | 'file.refused'>): Promise<void>
}

/** What a file costs at least, so that empty ones are not without end. */
const LEAST_BYTES = 4096
/** How much may be written between two looks at the disk. */
const LOOK_EVERY_BYTES = 1 << 22
/** How long what is unfinished at the end may take to be put away. */
const CLOSE_MS = 500

export interface Inbox extends AsyncDisposable {
  /** For `receiveItems({ onFile })`. */
  onFile(offer: Offer, peerId: string): Promise<Sink>
}

/** With the path that the file has got; null where it was there before. */
type PlacedSink = Sink & { path(): string | null }

/** Throws a Failure, exit 3, where the folder is not there or not to be written. */
export async function openInbox(options: InboxOptions): Promise<Inbox> {
  const root = await usable(options.dir)
  const open = new Set<Promise<void>>()
  const busy = new Set<string>()
  /** What is there of files to go on with, in bytes as they were counted. */
  const kept = new Map<string, number>()
  let total = 0

  const room = async (bytes: number): Promise<void> => {
    if (total + bytes > options.maxTotal) throw full('the limit for all files together is reached')
    const { bavail, blocks, bsize } = await statfs(root)
    if (bavail * bsize - bytes < (blocks * bsize * options.keepFree) / 100) throw full('the disk is too full')
  }

  const begin = async (offer: Offer): Promise<PlacedSink> => {
    const { parts, wrong } = checkName(offer.name)
    if (parts === undefined) throw refused(wrong)
    const size = offer.size ?? null
    const tooLarge = size !== null && size > options.maxFile
    if (tooLarge) throw new Refusal({ status: STATUS.TOO_LARGE, max_size: options.maxFile })
    const sha256 = offer.resumable && size !== null && offer.sha256 !== undefined ? hexOf(offer.sha256) : null
    const part = `.p2pctl-${sha256 === null ? randomBytes(12).toString('hex') : `${sha256}-${size}`}.part`
    const name = parts.pop()!
    await room(Math.max(size ?? 0, LEAST_BYTES) - (kept.get(join(root, ...parts, part)) ?? 0))
    const folder = await enter(root, parts)
    try {
      const there = await lstat(folder.at(name)).catch(() => null)
      const alike = sha256 !== null && there?.isFile() === true && there.size === size
      if (alike && (await hashOf(folder.at(name))) === sha256) return await same(folder, name, size)
      const free = there == null || options.rename === true || (options.overwrite === true && !there.isDirectory())
      if (!free) throw exists()
      return await partial(folder, name, part, sha256 !== null)
    } catch (error) {
      await folder.close()
      throw error
    }
  }

  /** A file that is there and is the one that is offered: nothing needs to be sent. */
  const same = async (folder: Folder, name: string, size: number): Promise<PlacedSink> => {
    const handle = await openFile(folder.at(name), TO_READ)
    return {
      offset: size,
      maxBytes: options.maxFile,
      before: () => handle.createReadStream({ autoClose: false, start: 0, end: Math.max(0, size - 1) }),
      write: () => Promise.reject(exists()),
      keep: () => close(handle, folder),
      drop: () => close(handle, folder),
      path: () => null
    }
  }

  const partial = async (folder: Folder, name: string, part: string, resumable: boolean): Promise<PlacedSink> => {
    const partPath = folder.at(part)
    const place = join(folder.path, part)
    if (busy.has(place)) throw new Refusal({ status: STATUS.BUSY, detail: 'the same file is on its way already' })
    busy.add(place)
    const { handle, offset } = await sized(partPath, resumable).catch(error => {
      busy.delete(place)
      throw error
    })
    let at = offset
    let counted = Math.max(offset, LEAST_BYTES)
    let lookAt = offset
    let final = name
    total += counted - (kept.get(place) ?? 0)
    kept.delete(place)
    const leave = async (): Promise<void> => {
      busy.delete(place)
      await close(handle, folder)
    }
    return {
      offset,
      maxBytes: options.maxFile,
      before: () => handle.createReadStream({ autoClose: false, start: 0, end: Math.max(0, offset - 1) }),
      write: async (data: Uint8Array) => {
        if (at >= lookAt) {
          await room(0)
          lookAt = at + LOOK_EVERY_BYTES
        }
        const more = Math.max(0, at + data.byteLength - counted)
        if (total + more > options.maxTotal) throw full('the limit for all files together is reached')
        total += more
        counted += more
        await writeAll(handle, data, at)
        at += data.byteLength
      },
      keep: async () => {
        await handle.sync()
        const given = await giveName(folder, part, name, options)
        if (given === null) throw exists()
        final = given
        await folder.sync()
        await leave()
      },
      drop: async (cut: boolean) => {
        // what is kept to go on with is still on the disk, and still counts
        if (cut && resumable && at > 0) kept.set(place, counted)
        else {
          total -= counted
          await unlink(partPath).catch(() => {})
        }
        await leave()
      },
      path: () => join(folder.path, final)
    }
  }

  const onFile = async (offer: Offer, peerId: string): Promise<Sink> => {
    const about = { peer_id: peerId, name: offer.name }
    let told = false
    const tell = async (error: unknown): Promise<never> => {
      told = true
      const refusal = toRefusal(error)
      // the sender is not told what else is wrong with this machine
      const why = refusal === error ? '' : `: ${wordsFor(error)}`
      const reason =
        refusal.receipt.status === STATUS.INTERNAL ? `it could not be stored${why}` : reasonOf(refusal.receipt)
      await options.said({ type: 'file.refused', ...about, reason })
      throw refusal
    }
    const sink = await begin(offer).catch(tell)
    const { promise, resolve: ended } = Promise.withResolvers<void>()
    open.add(promise)
    let bytes = sink.offset
    return {
      ...sink,
      write: async data => {
        await sink.write(data).catch(tell)
        bytes += data.byteLength
      },
      keep: async sha256 => {
        await sink.keep(sha256).catch(tell)
        open.delete(promise)
        ended()
        const path = sink.path()
        if (path !== null) await options.said({ type: 'file.received', ...about, path, bytes, sha256: hexOf(sha256) })
      },
      drop: async cut => {
        await sink.drop(cut)
        open.delete(promise)
        ended()
        const reason = cut ? 'it did not come whole' : 'it was larger or other than what was offered'
        if (!told) await options.said({ type: 'file.refused', ...about, reason })
      }
    }
  }
  return {
    onFile,
    [Symbol.asyncDispose]: async () => {
      await Promise.race([Promise.all(open), pause(CLOSE_MS, undefined, { ref: false })])
    }
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await using handle = await openFile(path, TO_READ)
  for await (const chunk of handle.createReadStream({ autoClose: false })) hash.update(chunk)
  return hash.digest('hex')
}

/** What is there of a file, open to go on with, and how much of it. */
async function sized(path: string, resumable: boolean): Promise<{ handle: FileHandle; offset: number }> {
  const handle = await openPart(path, resumable)
  try {
    return { handle, offset: (await handle.stat()).size }
  } catch (error) {
    await handle.close()
    if (!resumable) await unlink(path).catch(() => {})
    throw error
  }
}

async function writeAll(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < data.byteLength; ) {
    done += (await handle.write(data, done, data.byteLength - done, position + done)).bytesWritten
  }
}

async function close(handle: FileHandle, folder: Folder): Promise<void> {
  await handle.close()
  await folder.close()
}

/** The sender hears of a full disk, and of nothing else that is wrong here. */
function toRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (isFull(error) || code === 'EFBIG') return full('the disk is full')
  if (error instanceof InTheWay) return refused(error.message)
  if (code === 'ENAMETOOLONG') return refused('the name is too long')
  return new Refusal({ status: STATUS.INTERNAL })
}

function reasonOf({ status, detail }: Refusal['receipt']): string {
  if (detail != null && detail !== '') return detail
  return status === STATUS.TOO_LARGE ? 'too large' : 'it could not be stored'
}

function refused(detail: string): Refusal {
  return new Refusal({ status: STATUS.REFUSED, detail })
}

function full(detail: string): Refusal {
  return new Refusal({ status: STATUS.NO_SPACE, detail })
}

function exists(): Refusal {
  return new Refusal({ status: STATUS.EXISTS, detail: 'the name is taken' })
}
