/** Files that peers send, in memory, as downloads. */
import { toString as encode } from 'uint8arrays'
import type { Event } from '../events.ts'
import { checkName } from '../names.ts'
import { Refusal, type Sink } from '../protocols/receive.ts'
import { type Offer, STATUS } from '../protocols/send-frames.ts'

export interface InboxOptions {
  /** Bytes of one file, and of all that are kept. */
  maxFile: number
  maxTotal: number
  say(event: Event<'file.received' | 'file.refused'>): void
}

export interface Inbox {
  /** For `receiveItems({ onFile })`. */
  onFile(offer: Offer, peerId: string): Promise<Sink>
  /** Frees what a file took; its blob: URL leads nowhere from then on. */
  discard(path: string): void
}

/** What a file costs at least, so that empty ones are not without end. */
const LEAST_BYTES = 1 << 16
/** So much is collected before it is handed to the browser, which may keep it on disk. */
const PART_BYTES = 1 << 20

export function openInbox({ maxFile, maxTotal, say }: InboxOptions): Inbox {
  const kept = new Map<string, number>()
  let total = 0

  const onFile = async (offer: Offer, peerId: string): Promise<Sink> => {
    const about = { peer_id: peerId, name: offer.name }
    const refuse = (receipt: Refusal['receipt'], reason: string): Refusal => {
      told = true
      say({ type: 'file.refused', ...about, reason })
      return new Refusal(receipt)
    }
    const full = 'the page keeps no more files'
    let told = false
    const { wrong } = checkName(offer.name)
    if (wrong != null) throw refuse({ status: STATUS.REFUSED, detail: wrong }, wrong)
    if (offer.size != null && offer.size > maxFile) {
      throw refuse({ status: STATUS.TOO_LARGE, max_size: maxFile }, 'too large')
    }
    let counted = Math.max(LEAST_BYTES, offer.size ?? 0)
    if (total + counted > maxTotal) throw refuse({ status: STATUS.NO_SPACE, detail: full }, full)
    total += counted
    let bytes = 0
    let parts: BlobPart[] = []
    let part = new Uint8Array(0)
    let filled = 0
    const endPart = (): void => {
      if (filled > 0) parts.push(new Blob([part.subarray(0, filled)]))
      filled = 0
    }
    return {
      offset: 0,
      maxBytes: maxFile,
      write: async data => {
        const more = Math.max(0, bytes + data.byteLength - counted)
        if (total + more > maxTotal) throw refuse({ status: STATUS.NO_SPACE, detail: full }, full)
        total += more
        counted += more
        bytes += data.byteLength
        if (part.byteLength === 0) part = new Uint8Array(PART_BYTES)
        for (let at = 0; at < data.byteLength; ) {
          const taken = Math.min(data.byteLength - at, PART_BYTES - filled)
          part.set(data.subarray(at, at + taken), filled)
          filled += taken
          at += taken
          if (filled === PART_BYTES) endPart()
        }
      },
      keep: async sha256 => {
        endPart()
        // never shown as a page of ours, whatever the sender calls it
        const path = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }))
        parts = []
        part = new Uint8Array(0)
        kept.set(path, counted)
        say({ type: 'file.received', ...about, path, bytes, sha256: encode(sha256, 'hex') })
      },
      drop: async cut => {
        total -= counted
        parts = []
        part = new Uint8Array(0)
        const reason = cut ? 'it did not come whole' : 'it was larger or other than what was offered'
        if (!told) say({ type: 'file.refused', ...about, reason })
      }
    }
  }
  return {
    onFile,
    discard(path) {
      URL.revokeObjectURL(path)
      total -= kept.get(path) ?? 0
      kept.delete(path)
    }
  }
}
