import { randomBytes } from 'node:crypto'
import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { autonatVerdicts } from '../event-shapes.ts'
import { orAbort } from '../flow.ts'
import { startLimit } from '../limit.ts'
import {
  DATA_PART_BYTES,
  DIAL,
  DIAL_BACK,
  DIAL_BACK_OK,
  DIAL_REQUEST,
  decodeDialBack,
  decodeMessage,
  encodeMessage,
  MAX_MESSAGE_BYTES,
  type Message,
  MOST_DATA_BYTES,
  RESPONSE
} from './autonat-messages.ts'
import { frame } from './framing.ts'
import { post, type StreamReader, streamReader, write } from './stream.ts'

/**
 * What a server found out about one address.
 * - reachable: it dialed, and the nonce came back
 * - unproven: it says so, and the nonce did not come
 * - unreachable: it could not connect
 * - unanswered: it connected, and could not hand over the nonce
 * - refused: it does not dial such an address
 * - rejected: it has served enough for now
 * - expensive: it wants more data for it than the specification says
 * - failed: it gave no answer, or one that is none
 */
export type Verdict = (typeof autonatVerdicts)[number]

export interface Answer {
  verdict: Verdict
  /** What was sent for it. */
  dataBytes: number
  /** Where the dial came from; null where none came. */
  dialedFrom: string | null
  /** Why it failed. */
  message: string | null
}

export interface AutonatClient extends AsyncDisposable {
  /**
   * Has the peer at the other end dial an address of ours. One address a request, since js-libp2p's server dials all
   * of them and go's the first. Never throws but for the run's signal.
   */
  ask(connection: Connection, addr: Multiaddr, timeoutMs: number, signal: AbortSignal): Promise<Answer>
}

interface Dialed {
  from: string | null
  arrived: Promise<void>
  arrive: () => void
}

const DIAL_BACK_MS = 5000
/** Older servers do not wait for the answer to a dial-back, so that theirs may come first. */
const NONCE_LATE_MS = 1000

/** Asks AutoNAT v2 servers: https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md */
export async function autonatClient(libp2p: Libp2p): Promise<AutonatClient> {
  const waiting = new Map<bigint, Dialed>()
  await libp2p.handle(DIAL_BACK, (stream, connection) => {
    takeNonce(stream, connection, waiting).catch(error => stream.abort(error))
  })
  return {
    async ask(connection, addr, timeoutMs, signal) {
      // 63 bits: js-libp2p reads a nonce as a signed number, and some with the sign it does not give back (protons-runtime 7.1)
      const nonce = BigInt.asUintN(63, randomBytes(8).readBigUInt64BE())
      const { promise: arrived, resolve: arrive } = Promise.withResolvers<void>()
      const dialed: Dialed = { from: null, arrived, arrive }
      waiting.set(nonce, dialed)
      using limit = startLimit(timeoutMs, signal)
      let stream: Stream | undefined
      let dataBytes = 0
      const said = (verdict: Verdict, message: string | null = null): Answer => ({
        verdict,
        dataBytes,
        dialedFrom: dialed.from,
        message
      })
      try {
        stream = await connection.newStream(DIAL_REQUEST, { signal: limit.signal })
        const reader = streamReader(stream, { maxFrameBytes: MAX_MESSAGE_BYTES, maxBufferedBytes: 1 << 16 })
        post(stream, frame(encodeMessage({ type: 'request', addrs: [addr.bytes], nonce })))
        let message = await next(reader, limit.signal)
        if (message.type === 'data-request') {
          if (message.bytes > MOST_DATA_BYTES) {
            stream.abort(new Error('too much data was asked for'))
            return said('expensive', `it asks for ${message.bytes} bytes`)
          }
          dataBytes = await pay(stream, message.bytes, limit.signal)
          message = await next(reader, limit.signal)
        }
        if (message.type !== 'response') throw new Error(`${message.type}, where a response should come`)
        const verdict = verdictOf(message)
        if (verdict === 'reachable') await nonceOf(dialed, limit.signal)
        stream.close({ signal: limit.signal }).catch(() => {})
        if (verdict === 'failed') return said(verdict, `status ${message.status}, dial status ${message.dialStatus}`)
        return said(verdict === 'reachable' && dialed.from == null ? 'unproven' : verdict)
      } catch (error) {
        stream?.abort(error instanceof Error ? error : new Error(String(error)))
        signal.throwIfAborted()
        const why = error instanceof Error ? error.message : String(error)
        return said('failed', limit.passed ? `no answer within ${timeoutMs / 1000} s` : why)
      } finally {
        waiting.delete(nonce)
      }
    },
    [Symbol.asyncDispose]: () => libp2p.unhandle(DIAL_BACK)
  }
}

/** A nonce that nobody waits for is not answered: another peer may have guessed that we ask. */
async function takeNonce(stream: Stream, connection: Connection, waiting: Map<bigint, Dialed>): Promise<void> {
  const signal = AbortSignal.timeout(DIAL_BACK_MS)
  const bytes = await streamReader(stream, { maxFrameBytes: 64, maxBufferedBytes: 1024 }).read(signal)
  const dialed = bytes == null ? undefined : waiting.get(decodeDialBack(bytes))
  if (dialed == null) throw new Error('a nonce that was not sent')
  dialed.from = connection.remoteAddr.toString()
  dialed.arrive()
  post(stream, frame(DIAL_BACK_OK))
  await stream.close({ signal })
}

async function nonceOf({ arrived }: Dialed, signal: AbortSignal): Promise<void> {
  using late = startLimit(NONCE_LATE_MS, signal)
  await orAbort(arrived, late.signal).catch(() => signal.throwIfAborted())
}

async function next(reader: StreamReader, signal: AbortSignal): Promise<Message> {
  const bytes = await reader.read(signal)
  if (bytes == null) throw new Error('it ended the stream without an answer')
  return decodeMessage(bytes)
}

async function pay(stream: Stream, bytes: number, signal: AbortSignal): Promise<number> {
  const part = frame(encodeMessage({ type: 'data', data: new Uint8Array(DATA_PART_BYTES) }))
  let sent = 0
  for (; sent < bytes; sent += DATA_PART_BYTES) await write(stream, part, signal)
  return sent
}

function verdictOf({ status, dialStatus, index }: Message & { type: 'response' }): Verdict {
  if (status === RESPONSE.E_DIAL_REFUSED) return 'refused'
  if (status === RESPONSE.E_REQUEST_REJECTED) return 'rejected'
  // one address was given, so that any other is none of ours
  if (status !== RESPONSE.OK || index !== 0) return 'failed'
  if (dialStatus === DIAL.OK) return 'reachable'
  if (dialStatus === DIAL.E_DIAL_ERROR) return 'unreachable'
  return dialStatus === DIAL.E_DIAL_BACK_ERROR ? 'unanswered' : 'failed'
}
