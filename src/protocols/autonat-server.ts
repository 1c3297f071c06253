import { randomInt } from 'node:crypto'
import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { withPeerId } from '../addr.ts'
import type { Event } from '../events.ts'
import { startLimit } from '../limit.ts'
import {
  DIAL,
  DIAL_BACK,
  type DialName,
  decodeMessage,
  encodeDialBack,
  encodeMessage,
  isDialBackOk,
  LEAST_DATA_BYTES,
  MAX_MESSAGE_BYTES,
  MOST_DATA_BYTES,
  RESPONSE,
  type ResponseName
} from './autonat-messages.ts'
import { type Choice, choose, createMeter, type PolicyOptions } from './autonat-policy.ts'
import { frame } from './framing.ts'
import { finish, post, type StreamReader, streamReader } from './stream.ts'

export interface ServerOptions extends PolicyOptions {
  /** Dials exactly this address, and never gives a connection that was there before. */
  dial: (addr: Multiaddr, signal: AbortSignal) => Promise<Connection>
  /** A peer that asks for more than is read of this waits. */
  report: (event: Event<'autonat.dial'>) => Promise<void> | void
  /** From the first byte to the answer, and of it the dial itself; 30 s and 5 s unless told. */
  requestMs?: number
  dialMs?: number
}

/** A peer asks once for each address, so that this is more than enough. */
export const requestHandlerOptions = { maxInboundStreams: 4, maxOutboundStreams: 4 }

/** Smaller parts would make the payment cheaper for the peer than for us. */
const LEAST_PART_BYTES = 100
const CLOSE_MS = 500

/**
 * Answers dial requests: dials one address of the peer that asks, with a nonce, and says what became of it.
 * https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md
 *
 * The server of js-libp2p (@libp2p/autonat-v2 2.0) dials every address of a request and has no limit of requests.
 */
export function answerDialRequests(options: ServerOptions): StreamHandler {
  const meter = createMeter()
  return (stream, connection) => {
    // nobody waits for it: what went wrong was told to the peer, or the peer is gone
    serve(stream, connection, options, meter).catch(error => {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    })
  }
}

async function serve(
  stream: Stream,
  connection: Connection,
  options: ServerOptions,
  meter: ReturnType<typeof createMeter>
): Promise<void> {
  const { remotePeer, remoteAddr } = connection
  const peerId = remotePeer.toString()
  const gone = new AbortController()
  connection.addEventListener('close', () => gone.abort(new Error('the peer has left')), { signal: gone.signal })
  using limit = startLimit(options.requestMs ?? 30_000, gone.signal)
  const startedAt = performance.now()
  const reader = streamReader(stream, {
    maxFrameBytes: MAX_MESSAGE_BYTES,
    maxBufferedBytes: MOST_DATA_BYTES + 2 * MAX_MESSAGE_BYTES
  })
  const turn = connection.direct ? meter.begin(peerId, remoteAddr) : null
  const conclude = async (status: ResponseName, choice: Choice | null, dialed: DialName, bytes: number) => {
    // before the answer, upon which the peer may ask again at once
    turn?.done()
    const response = { status: RESPONSE[status], index: choice?.index ?? 0, dialStatus: DIAL[dialed] }
    if (stream.status === 'open') post(stream, frame(encodeMessage({ type: 'response', ...response })))
    await options.report({
      type: 'autonat.dial',
      peer_id: peerId,
      addr: choice?.addr.toString() ?? null,
      status,
      dial_status: choice == null ? null : dialed,
      data_bytes: bytes,
      ms: performance.now() - startedAt
    })
  }
  try {
    const request = await readMessage(reader, limit.signal)
    if (request.type !== 'request') throw new Error(`${request.type}, where a request should come`)
    const choice = turn == null ? null : choose(request.addrs, remoteAddr, peerId, options)
    if (turn == null) await conclude('E_REQUEST_REJECTED', null, 'UNUSED', 0)
    else if (choice == null) await conclude('E_DIAL_REFUSED', null, 'UNUSED', 0)
    else if (!choice.sameHost && !meter.admitsPaid()) await conclude('E_REQUEST_REJECTED', null, 'UNUSED', 0)
    else {
      const bytes = choice.sameHost ? 0 : await bePaid(stream, reader, choice.index, limit.signal)
      const addr = withPeerId(choice.addr, peerId)
      const dialed = await dialBack(addr, request.nonce, options, limit.signal)
      await conclude('OK', choice, dialed, bytes)
    }
    reader.detach()
    await finish(stream, MAX_MESSAGE_BYTES, CLOSE_MS)
  } finally {
    turn?.done()
    gone.abort()
  }
}

async function readMessage(reader: StreamReader, signal: AbortSignal) {
  const bytes = await reader.read(signal)
  if (bytes == null) throw new Error('the peer ended the stream without a message')
  return decodeMessage(bytes)
}

/** Has the peer send more than a dial costs us, and gives how much it was. */
async function bePaid(stream: Stream, reader: StreamReader, index: number, signal: AbortSignal): Promise<number> {
  const price = randomInt(LEAST_DATA_BYTES, MOST_DATA_BYTES + 1)
  post(stream, frame(encodeMessage({ type: 'data-request', index, bytes: price })))
  let received = 0
  while (received < price) {
    const part = await readMessage(reader, signal)
    if (part.type !== 'data') throw new Error(`${part.type}, where data should come`)
    received += part.data.byteLength
    if (part.data.byteLength < LEAST_PART_BYTES && received < price) throw new Error('data in parts that are too small')
  }
  return received
}

/** On a connection of its own, which the peer can tell from the others by the nonce. */
async function dialBack(
  addr: Multiaddr,
  nonce: bigint,
  { dial, dialMs = 5_000 }: ServerOptions,
  runSignal: AbortSignal
): Promise<DialName> {
  using limit = startLimit(dialMs, runSignal)
  const { signal } = limit
  let connection: Connection
  try {
    connection = await dial(addr, signal)
  } catch {
    runSignal.throwIfAborted()
    return 'E_DIAL_ERROR'
  }
  try {
    const stream = await connection.newStream(DIAL_BACK, { signal })
    post(stream, frame(encodeDialBack(nonce)))
    const reply = await streamReader(stream, { maxFrameBytes: 64 }).read(signal)
    if (reply == null || !isDialBackOk(reply)) return 'E_DIAL_BACK_ERROR'
    await stream.close({ signal })
    return 'OK'
  } catch {
    runSignal.throwIfAborted()
    return 'E_DIAL_BACK_ERROR'
  } finally {
    connection.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch(error => connection.abort(error))
  }
}
