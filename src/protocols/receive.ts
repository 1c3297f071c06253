/** The receiving half of /p2pctl/send/1.0.0: docs/send-protocol.md. Where an item goes is the business of its sink. */
import { createHash, type Hash } from 'node:crypto'
import { equals } from 'uint8arrays'
import type { Stream, StreamHandler } from '@libp2p/interface'
import {
  decodeSenderFrame,
  encodeReceiverFrame,
  KIND,
  MAX_SENDER_FRAME,
  type Offer,
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

/** Where the bytes of one item go. What its functions throw is INTERNAL for the sender, but for a Refusal. */
export interface Sink {
  /** What is there from before, which the sender may leave out; 0 unless the offer was resumable. */
  offset: number
  maxBytes: number
  /** The bytes that are there from before. */
  before?(): AsyncIterable<Uint8Array>
  write(data: Uint8Array): Promise<void>
  /** All of it has come, and is what was sent: show or store it. The receipt is sent once this has resolved. */
  keep(sha256: Uint8Array): Promise<void>
  /** It did not come to that; `cut` where the sender went away, and may come back for the rest. */
  drop(cut: boolean): Promise<void>
}

/** Why an item is not taken, as the sender may know it. */
export class Refusal extends Error {
  readonly receipt: Receipt

  constructor(receipt: Receipt) {
    super(receipt.detail ?? '')
    this.receipt = receipt
  }
}

export interface ReceiveOptions {
  /** A message above it is TOO_LARGE. `maxItems` of them may be in memory at once. */
  maxMessageBytes: number
  /** The receipt is sent once this has resolved. If it rejects, the sender is told INTERNAL, and nobody the reason. */
  onMessage(message: Message): Promise<void>
  /** Where a file goes; without it files are refused. */
  onFile?: ((offer: Offer, peerId: string) => Promise<Sink>) | undefined
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
    const { offer } = await nextFrame(reader)
    if (offer === undefined) throw malformed('the first frame is not an offer')
    const sink = await sinkOf(offer, { peerId, protocol: stream.protocol }, options)
    let kept = false
    let cut = false
    try {
      const taken = await take(stream, reader, offer, sink)
      await meanwhile(stream, taken.size, () => sink.keep(taken.sha256))
      kept = true
      return { ...taken, status: STATUS.OK }
    } catch (error) {
      cut = error instanceof StreamError && error.reason !== 'malformed'
      throw error
    } finally {
      if (!kept) await sink.drop(cut)
    }
  } catch (error) {
    if (error instanceof Refusal) return error.receipt
    if (answers(error)) return { status: STATUS.MALFORMED, detail: error.message }
    if (error instanceof StreamError) throw error
    return { status: STATUS.INTERNAL }
  } finally {
    reader.detach()
  }
}

async function sinkOf(offer: Offer, from: Omit<Message, 'bytes'>, options: ReceiveOptions): Promise<Sink> {
  if (offer.kind === KIND.MESSAGE) return messageSink(from, options)
  if (offer.kind !== KIND.FILE || options.onFile === undefined) {
    throw new Refusal({ status: STATUS.REFUSED, detail: 'only messages are taken here, no files' })
  }
  return await options.onFile(offer, from.peerId)
}

/** A message is held in memory until it is whole. It grows with what has come, and not to the size that somebody says. */
function messageSink(from: Omit<Message, 'bytes'>, { maxMessageBytes, onMessage }: ReceiveOptions): Sink {
  let bytes = new Uint8Array(0)
  let received = 0
  return {
    offset: 0,
    maxBytes: maxMessageBytes,
    write: async data => {
      const total = received + data.byteLength
      if (total > bytes.byteLength) {
        const larger = new Uint8Array(Math.min(maxMessageBytes, 2 * total))
        larger.set(bytes.subarray(0, received))
        bytes = larger
      }
      bytes.set(data, received)
      received = total
    },
    keep: () => onMessage({ ...from, bytes: bytes.subarray(0, received) }),
    drop: async () => {}
  }
}

/** Takes all of the item into the sink. */
async function take(
  stream: Stream,
  reader: StreamReader,
  offer: Offer,
  sink: Sink
): Promise<{ size: number; sha256: Uint8Array }> {
  const { maxBytes, offset } = sink
  const tooLarge = new Refusal({ status: STATUS.TOO_LARGE, max_size: maxBytes })
  if (offer.size !== undefined && offer.size > maxBytes) throw tooLarge
  post(stream, encodeReceiverFrame({ accept: { offset, window: WINDOW_BYTES } }))
  const hash = createHash('sha256')
  if (offset > 0) await meanwhile(stream, offset, () => hashInto(hash, sink.before?.() ?? []))
  let received = offset
  let acked = offset
  for (;;) {
    const { data, end } = await nextFrame(reader)
    if (end !== undefined) {
      const sha256 = new Uint8Array(hash.digest())
      const size = offer.size ?? received
      if (end.size !== received || size !== received) {
        throw malformed(`${received} bytes came, of ${size} offered and ${end.size} at the end`)
      }
      const right = same(sha256, end.sha256) && (offer.sha256 === undefined || same(sha256, offer.sha256))
      if (!right) throw new Refusal({ status: STATUS.HASH_MISMATCH, size: received, sha256 })
      return { size: received, sha256 }
    }
    if (data === undefined) throw malformed('a second offer')
    const total = received + data.byteLength
    if (offer.size !== undefined && total > offer.size) throw malformed(`more than the ${offer.size} bytes offered`)
    if (total > maxBytes) throw tooLarge
    await sink.write(data)
    hash.update(data)
    received = total
    if (received - acked >= ACK_EVERY_BYTES) {
      acked = received
      post(stream, encodeReceiverFrame({ ack: { received } }))
    }
  }
}

/** Tells the sender that we are still there while something takes its time. */
async function meanwhile(stream: Stream, received: number, work: () => Promise<void>): Promise<void> {
  const ack = encodeReceiverFrame({ ack: { received } })
  const repeat = setInterval(() => stream.status === 'open' && post(stream, ack), REPEAT_ACK_MS)
  try {
    await work()
  } finally {
    clearInterval(repeat)
  }
}

async function hashInto(hash: Hash, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
  for await (const chunk of chunks) hash.update(chunk)
}

async function nextFrame(reader: StreamReader): Promise<SenderFrame> {
  const frame = await reader.read()
  if (frame === null) throw new StreamError('truncated', 'the stream ended before the item')
  return decodeSenderFrame(frame)
}

/** The sender broke the protocol, and can be told. */
function answers(error: unknown): error is StreamError {
  return error instanceof StreamError && (error.reason === 'malformed' || error.reason === 'truncated')
}

function same(one: Uint8Array, other: Uint8Array | undefined): boolean {
  return other !== undefined && equals(one, other)
}

function malformed(message: string): StreamError {
  return new StreamError('malformed', message)
}
