/** The receiving half of /p2pctl/send/1.0.0: docs/send-protocol.md. It takes messages, no files. */
import { createHash } from 'node:crypto'
import type { Stream, StreamHandler } from '@libp2p/interface'
import {
  decodeSenderFrame,
  encodeReceiverFrame,
  KIND,
  MAX_SENDER_FRAME,
  type Receipt,
  SEND_IDLE_MS,
  type SenderFrame,
  STATUS
} from './send-frames.ts'
import { finish, post, StreamError, type StreamReader, streamReader } from './stream.ts'

const WINDOW_BYTES = 1 << 21
const ACK_EVERY_BYTES = 1 << 18
// a frame of one byte of data is four bytes long, so this much may come of a sender that keeps to its window
const MAX_BUFFERED_BYTES = 4 * WINDOW_BYTES
// while a person or a disk is slow, the sender hears this often that we are still there
const REPEAT_ACK_MS = 10_000
const LINGER_MS = 5000

export interface Message {
  peerId: string
  bytes: Uint8Array
  protocol: string
}

export interface ReceiveOptions {
  /** A message above it is TOO_LARGE. `maxItems` of them may be in memory at once. */
  maxMessageBytes: number
  /** The receipt is sent once this has resolved. If it rejects, the sender is told INTERNAL, and nobody the reason. */
  onMessage(message: Message): Promise<void>
  /** How many items may be on their way at once, and of those from one peer. One more is BUSY. */
  maxItems?: number
  maxItemsOfPeer?: number
  idleMs?: number
}

/**
 * A handler for `node.handle(SEND_PROTOCOL, ..., sendHandlerOptions)`. It never rejects for what a peer does: a sender
 * that breaks the protocol gets a receipt that says so, one that stops is reset after `idleMs`.
 */
export function receiveItems(options: ReceiveOptions): StreamHandler {
  const { maxItems = 16, maxItemsOfPeer = 4, idleMs = SEND_IDLE_MS } = options
  const itemsOf = new Map<string, number>()
  let items = 0
  return async (stream, connection) => {
    const peerId = connection.remotePeer.toString()
    const own = itemsOf.get(peerId) ?? 0
    const busy = items >= maxItems || own >= maxItemsOfPeer
    if (!busy) {
      items++
      itemsOf.set(peerId, own + 1)
    }
    try {
      const receipt = busy ? { status: STATUS.BUSY } : await receive(stream, peerId, options, idleMs)
      post(stream, encodeReceiverFrame({ receipt }))
    } catch (error) {
      // a stream that is gone already does not mind
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    } finally {
      if (!busy) {
        items--
        const left = itemsOf.get(peerId)! - 1
        if (left === 0) itemsOf.delete(peerId)
        else itemsOf.set(peerId, left)
      }
    }
    await finish(stream, MAX_BUFFERED_BYTES, LINGER_MS)
  }
}

/** What to answer; throws where there is nobody to answer. */
async function receive(stream: Stream, peerId: string, options: ReceiveOptions, idleMs: number): Promise<Receipt> {
  const reader = streamReader(stream, { maxFrameBytes: MAX_SENDER_FRAME, maxBufferedBytes: MAX_BUFFERED_BYTES, idleMs })
  try {
    const taken = await take(stream, reader, options.maxMessageBytes)
    if (!('bytes' in taken)) return taken
    const { bytes, sha256 } = taken
    const ack = encodeReceiverFrame({ ack: { received: bytes.byteLength } })
    const repeat = setInterval(() => stream.status === 'open' && post(stream, ack), REPEAT_ACK_MS)
    try {
      await options.onMessage({ peerId, bytes, protocol: stream.protocol })
    } catch {
      return { status: STATUS.INTERNAL }
    } finally {
      clearInterval(repeat)
    }
    return { status: STATUS.OK, size: bytes.byteLength, sha256 }
  } catch (error) {
    const answers = error instanceof StreamError && (error.reason === 'malformed' || error.reason === 'truncated')
    if (!answers) throw error
    return { status: STATUS.MALFORMED, detail: error.message }
  } finally {
    reader.detach()
  }
}

/** The whole item, or why not. */
async function take(
  stream: Stream,
  reader: StreamReader,
  maxBytes: number
): Promise<Receipt | { bytes: Uint8Array; sha256: Uint8Array }> {
  const tooLarge = { status: STATUS.TOO_LARGE, max_size: maxBytes }
  const { offer } = await nextFrame(reader)
  if (offer === undefined) throw malformed('the first frame is not an offer')
  if (offer.kind !== KIND.MESSAGE) return { status: STATUS.REFUSED, detail: 'only messages are taken here, no files' }
  if (offer.size !== undefined && offer.size > maxBytes) return tooLarge
  post(stream, encodeReceiverFrame({ accept: { window: WINDOW_BYTES } }))
  const hash = createHash('sha256')
  // grows with what has come, and not to the size that somebody says
  let bytes = new Uint8Array(0)
  let received = 0
  let acked = 0
  for (;;) {
    const { data, end } = await nextFrame(reader)
    if (end !== undefined) {
      const sha256 = new Uint8Array(hash.digest())
      const size = offer.size ?? received
      if (end.size !== received || size !== received) {
        throw malformed(`${received} bytes came, of ${size} offered and ${end.size} at the end`)
      }
      if (!same(sha256, end.sha256) || (offer.sha256 !== undefined && !same(sha256, offer.sha256))) {
        return { status: STATUS.HASH_MISMATCH, size: received, sha256 }
      }
      return { bytes: bytes.subarray(0, received), sha256 }
    }
    if (data === undefined) throw malformed('a second offer')
    const total = received + data.byteLength
    if (offer.size !== undefined && total > offer.size) throw malformed(`more than the ${offer.size} bytes offered`)
    if (total > maxBytes) return tooLarge
    if (total > bytes.byteLength) {
      const larger = new Uint8Array(Math.min(maxBytes, 2 * total))
      larger.set(bytes.subarray(0, received))
      bytes = larger
    }
    bytes.set(data, received)
    hash.update(data)
    received = total
    if (received - acked >= ACK_EVERY_BYTES) {
      acked = received
      post(stream, encodeReceiverFrame({ ack: { received } }))
    }
  }
}

async function nextFrame(reader: StreamReader): Promise<SenderFrame> {
  const frame = await reader.read()
  if (frame === null) throw malformed('the stream ended before the item')
  return decodeSenderFrame(frame)
}

function same(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && Buffer.compare(one, other) === 0
}

function malformed(message: string): StreamError {
  return new StreamError('malformed', message)
}
