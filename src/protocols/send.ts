/** /p2pctl/send/1.0.0, both sides: docs/send-protocol.md. One item a stream; only the receiver's receipt is a success. */
import { createHash } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import type { Event } from '../events.ts'
import { orAbort, until } from '../flow.ts'
import { openStream } from './open-stream.ts'
import { changedItem, checkReceipt, failure, streamFailure, toHex } from './send-failures.ts'
import {
  decodeReceiverFrame,
  EAGER_BYTES,
  encodeSenderFrame,
  KIND,
  MAX_DATA_BYTES,
  MAX_RECEIVER_FRAME,
  type ReceiverFrame,
  SEND_IDLE_MS,
  SEND_PROTOCOL
} from './send-frames.ts'
import { finish, StreamError, type StreamReader, streamReader, write } from './stream.ts'

export { receiveItems } from './receive.ts'
export { SEND_IDLE_MS, SEND_PROTOCOL } from './send-frames.ts'

/** What `node.handle()` needs to know beside the handler. */
export const sendHandlerOptions = { maxInboundStreams: 8, runOnLimitedConnection: true }

const LIMITED_DATA_BYTES = 16_384
const PROGRESS_EVERY_MS = 100
const LINGER_MS = 5000
/** How often it is looked whether the time of a silent receiver is over: it begins within a wait. */
const LOOKS = 10

export interface Item {
  kind: 'message' | 'file'
  /** At most 1,024 bytes. */
  name?: string | undefined
  /** In bytes; null where it is not known before the end. */
  size: number | null
  /** Chunks of any length. It is asked for more only when there is credit to send it. */
  source: AsyncIterable<Uint8Array>
  /** Of all of it, where it is known beforehand: then the receiver may ask for less than all, and the size is known. */
  sha256?: Uint8Array | undefined
}

/** What both halves of the sender know. */
interface Flow {
  sent: number
  acked: number
  window: number
  accepted: boolean
  /** What the receiver had before, and was not sent. */
  offset: number
  /** All of it, once the end has been sent. */
  sha256: Uint8Array | undefined
  /** Since when the receiver is to move, by `performance.now()`. */
  waitingSince: number | undefined
  /** Called when there may be more credit. */
  granted: () => void
}

/**
 * Sends one item on a stream of its own. The bytes of the events are those that the receiver has acknowledged; the
 * last event is `send.done`, after a receipt with the same size and hash. Throws a Failure of the phase `transfer`,
 * the reason of the signal, or what the source threw.
 */
export async function* sendItem(
  connection: Connection,
  item: Item,
  signal: AbortSignal,
  options: { idleMs?: number } = {}
): AsyncGenerator<Event<'send.progress'> | Event<'send.done'>> {
  const { idleMs = SEND_IDLE_MS } = options
  const stop = new AbortController()
  const interrupt = (): void => stop.abort(signal.reason)
  signal.throwIfAborted()
  signal.addEventListener('abort', interrupt)
  let stream: Stream | undefined
  let confirmed = false
  try {
    stream = await openStream(connection, SEND_PROTOCOL, stop.signal, { idleMs })
    const startedAt = performance.now()
    const flow = newFlow()
    const told = (bytes: number) => ({
      ...(item.name !== undefined && { name: item.name }),
      bytes,
      total_bytes: item.size,
      bytes_per_s: (bytes - flow.offset) / Math.max((performance.now() - startedAt) / 1000, 1e-6)
    })
    const reader = streamReader(stream, {
      maxFrameBytes: MAX_RECEIVER_FRAME,
      maxBufferedBytes: 65_536,
      idleMs: idleMs / LOOKS
    })
    // a relay may cut it off anywhere, and only whole frames are kept to go on with
    const dataBytes = connection.limits == null ? MAX_DATA_BYTES : LIMITED_DATA_BYTES
    pump(stream, item, flow, dataBytes, stop.signal).catch(error => {
      // what is wrong with the stream the reader says, after what the receiver had said before
      if (error instanceof StreamError) flow.waitingSince ??= performance.now()
      else stop.abort(error)
    })
    let last = { bytes: 0, at: startedAt }
    for (;;) {
      const answer = await readAnswer(reader, flow, idleMs, stop.signal)
      if (answer === null) {
        const peer = connection.remotePeer.toString()
        throw failure(connection, 'stream_reset', `${peer} ended the stream before it had confirmed`)
      }
      const { accept, ack, receipt } = answer
      if (accept !== undefined) takeAccept(flow, accept, item)
      if (ack !== undefined) takeAck(flow, ack)
      if (receipt !== undefined) {
        checkReceipt(connection, receipt, flow.sent, flow.sha256)
        confirmed = true
        const bytes = flow.sent
        const sha256 = toHex(receipt.sha256)
        const resumed = flow.offset > 0 && { resumed_bytes: flow.offset }
        yield { type: 'send.done', ...told(bytes), total_bytes: bytes, sha256, confirmed, ...resumed }
        return
      }
      const now = performance.now()
      if (flow.acked > last.bytes && now - last.at >= PROGRESS_EVERY_MS) {
        last = { bytes: flow.acked, at: now }
        yield { type: 'send.progress', ...told(last.bytes) }
      }
    }
  } catch (error) {
    // the stream may have gone with the node that was stopped for it
    signal.throwIfAborted()
    throw error instanceof StreamError ? streamFailure(connection, error) : error
  } finally {
    signal.removeEventListener('abort', interrupt)
    stop.abort()
    if (confirmed) void finish(stream!, MAX_RECEIVER_FRAME, LINGER_MS)
    else stream?.abort(new Error('the item was not sent'))
  }
}

/** The writing half: as fast as the source gives, the stream takes and the credit allows. */
async function pump(stream: Stream, item: Item, flow: Flow, dataBytes: number, signal: AbortSignal): Promise<void> {
  const hash = createHash('sha256')
  const kind = item.kind === 'file' ? KIND.FILE : KIND.MESSAGE
  flow.waitingSince = performance.now()
  const { name = '', size, sha256 } = item
  const resumable = sha256 !== undefined
  await write(stream, encodeSenderFrame({ offer: { kind, name, size: size ?? undefined, sha256, resumable } }), signal)
  while (resumable && !flow.accepted) await change(flow, signal)
  flow.waitingSince = undefined
  let read = 0
  for await (const chunk of until(item.source, signal)) {
    // what the receiver has already is hashed and not sent
    const skipped = Math.min(chunk.byteLength, Math.max(0, flow.offset - read))
    read += chunk.byteLength
    if (item.size !== null && read > item.size) throw changedItem(item.size, 'more')
    hash.update(chunk)
    if (skipped < chunk.byteLength) flow.waitingSince = performance.now()
    for (let at = skipped; at < chunk.byteLength; ) {
      const room = await credit(flow, signal)
      const data = chunk.subarray(at, at + Math.min(room, dataBytes))
      at += data.byteLength
      flow.sent += data.byteLength
      await write(stream, encodeSenderFrame({ data }), signal)
    }
    flow.waitingSince = undefined
  }
  if (item.size !== null && read !== item.size) throw changedItem(item.size, 'less')
  flow.sha256 = hash.digest()
  flow.waitingSince = performance.now()
  await write(stream, encodeSenderFrame({ end: { size: flow.sent, sha256: flow.sha256 } }), signal)
  // without the signal: the receipt may come first, and ends this wait before our end has been sent
  await stream.close()
}

/** How many bytes may be sent now; waits until it is one at least. */
async function credit(flow: Flow, signal: AbortSignal): Promise<number> {
  for (;;) {
    const room = flow.acked + flow.window - flow.sent
    if (room > 0) return room
    await change(flow, signal)
  }
}

/** Resolves when the receiver has accepted, or acknowledged. */
async function change(flow: Flow, signal: AbortSignal): Promise<void> {
  await orAbort(new Promise<void>(resolve => (flow.granted = resolve)), signal)
}

/** The next frame of the receiver, null after its last one. Its silence is no failure as long as our source is silent. */
async function readAnswer(
  reader: StreamReader,
  flow: Flow,
  idleMs: number,
  signal: AbortSignal
): Promise<ReceiverFrame | null> {
  for (;;) {
    try {
      const frame = await reader.read(signal)
      if (frame === null) return null
      if (flow.waitingSince !== undefined) flow.waitingSince = performance.now()
      return decodeReceiverFrame(frame)
    } catch (error) {
      const idle = error instanceof StreamError && error.reason === 'idle'
      const since = flow.waitingSince
      if (!idle) throw error
      if (since === undefined || performance.now() - since < idleMs) continue
      throw new StreamError('idle', `nothing came for ${idleMs / 1000} s`, error)
    }
  }
}

function takeAccept(flow: Flow, accept: NonNullable<ReceiverFrame['accept']>, item: Item): void {
  if (flow.accepted) throw new StreamError('malformed', 'it accepted twice')
  if (accept.offset > (item.sha256 === undefined ? 0 : (item.size ?? 0)))
    throw new StreamError('malformed', 'it asked to resume an item that cannot be')
  if (accept.window < EAGER_BYTES) throw new StreamError('malformed', `a window of ${accept.window} bytes`)
  flow.accepted = true
  flow.window = accept.window
  if (accept.offset > 0) flow.offset = flow.sent = flow.acked = accept.offset
  flow.granted()
}

function takeAck(flow: Flow, ack: NonNullable<ReceiverFrame['ack']>): void {
  if (!flow.accepted || ack.received < flow.acked || ack.received > flow.sent) {
    throw new StreamError('malformed', 'it acknowledged what was not sent')
  }
  flow.acked = ack.received
  flow.granted()
}

function newFlow(): Flow {
  return {
    sent: 0,
    acked: 0,
    window: EAGER_BYTES,
    accepted: false,
    offset: 0,
    sha256: undefined,
    waitingSince: undefined,
    granted: () => {}
  }
}
