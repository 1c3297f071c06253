import { randomBytes } from 'node:crypto'
import { equals } from 'uint8arrays'
import type { Connection, Stream } from '@libp2p/interface'
import { Failure } from '../errors.ts'
import { startLimit, timeLimit } from '../limit.ts'
import { post, StreamError, type StreamReader, streamReader } from './stream.ts'

/** https://github.com/libp2p/specs/blob/master/ping/ping.md */
export const PING = '/ipfs/ping/1.0.0'
export const PAYLOAD_BYTES = 32
const CLOSE_MS = 500

/** How many answers one stream may owe us, those that are late among them, before another is opened. */
const MAX_UNANSWERED = 256

type Reason = 'wrong' | 'reset' | 'closed'

/** What became of one ping. `sentAt` is that of `performance.now()`. */
export type Outcome =
  | { type: 'reply'; rttMs: number; sentAt: number }
  | { type: 'timeout'; afterMs: number }
  | { type: 'fail'; reason: Reason; afterMs: number }

export interface Pinger {
  /**
   * Sends 32 random bytes and waits for their echo; several may be under way. `onLate` hears of an echo that came
   * after its time. Throws Failure protocol_not_supported, or the reason of the signal.
   */
  ping(timeoutMs: number, signal: AbortSignal, onLate?: (rttMs: number) => void): Promise<Outcome>
  /** Ends the stream in order. */
  close(): Promise<void>
}

/** One ping on its way. */
interface Sent {
  payload: Uint8Array
  startedAt: number
  sentAt: number
  timeoutMs: number
  signal: AbortSignal
  /** Nobody has been told yet what became of it. */
  waiting: boolean
  settle(outcome: Outcome): void
  throw(error: unknown): void
  onLate?: ((rttMs: number) => void) | undefined
}

interface Channel {
  stream: Stream
  echoes: StreamReader
  /** In the order in which they were sent, those that are late among them. */
  unanswered: Sent[]
  answered: number
  /** When the last bytes came: earlier than whoever waits for them goes on. */
  cameAt: number
  /** Why, once it has. */
  ended: Reason | null
}

/**
 * Pings over one stream for every echo, so that negotiation is paid once. Answers are told apart by their bytes, so
 * that one which is late is never taken for the next. Responders may end the stream: js-libp2p after 10 s, go (0.51) 10 s
 * after an echo and 30 s after it was opened, nim after one echo (libp2p/specs#473). Then what was under way is sent
 * again on another.
 */
export function openPinger(connection: Connection): Pinger {
  let channel: Channel | null = null
  let opening: Promise<Channel> | null = null
  let closing = false

  const open = async (timeoutMs: number, runSignal: AbortSignal): Promise<Channel> => {
    // not AbortSignal.timeout(), which would keep the connection until its time is over
    using limit = startLimit(timeoutMs, runSignal)
    const stream = await connection.newStream(PING, { signal: limit.signal, runOnLimitedConnection: true })
    const echoes = streamReader(stream, { maxBufferedBytes: MAX_UNANSWERED * PAYLOAD_BYTES })
    const opened: Channel = { stream, echoes, unanswered: [], answered: 0, cameAt: 0, ended: null }
    stream.addEventListener('message', () => {
      opened.cameAt = performance.now()
    })
    channel = opened
    void listen(opened)
    return opened
  }

  const send = async (ping: Sent): Promise<void> => {
    while (ping.waiting) {
      const left = ping.startedAt + ping.timeoutMs - performance.now()
      let to = channel
      try {
        if (to == null || !isOpen(to) || to.unanswered.length >= MAX_UNANSWERED) {
          opening ??= open(Math.max(1, Math.ceil(left)), ping.signal).finally(() => {
            opening = null
          })
          const full = channel
          to = await opening
          if (full != null && full !== channel) end(full, 'closed', 'again')
        }
      } catch (error) {
        if (!ping.waiting || ping.signal.aborted) return
        // it was opened for another ping, whose time was over
        if (error instanceof Error && error.name === 'TimeoutError') {
          if (ping.startedAt + ping.timeoutMs - performance.now() > 1) continue
          return
        }
        return ping.waiting ? refused(ping, error) : undefined
      }
      if (!ping.waiting) return
      if (to.ended != null && to.answered > 0) continue
      // by a peer that spoke, or ended it, before it was asked
      if (to.ended != null) return fail(ping, to.ended)
      to.unanswered.push(ping)
      ping.sentAt = performance.now()
      try {
        post(to.stream, ping.payload)
      } catch (error) {
        end(to, reasonOf(error))
      }
      return
    }
  }

  const listen = async (from: Channel): Promise<void> => {
    try {
      while (from.ended == null) {
        const answer = await from.echoes.readExactly(PAYLOAD_BYTES)
        if (answer == null) return end(from, 'closed')
        const at = from.unanswered.findIndex(({ payload }) => equals(payload, answer))
        const [ping] = at < 0 ? [] : from.unanswered.splice(at, 1)
        // more than was asked for is no echo either
        if (ping == null || from.echoes.buffered > from.unanswered.length * PAYLOAD_BYTES) {
          if (ping != null) from.unanswered.unshift(ping)
          return end(from, 'wrong')
        }
        from.answered++
        const rttMs = from.cameAt - ping.sentAt
        if (ping.waiting) ping.settle({ type: 'reply', rttMs, sentAt: ping.sentAt })
        else ping.onLate?.(rttMs)
      }
    } catch (error) {
      end(from, reasonOf(error))
    }
  }

  /** A stream that ended under its pings: who is told, and who goes on over another. */
  const end = (ended: Channel, reason: Reason, then: 'tell' | 'again' = 'tell'): void => {
    if (ended.ended != null) return
    ended.ended = reason
    if (channel === ended) channel = null
    if (!closing) ended.stream.abort(new Error('done with this ping stream'))
    const [first] = ended.unanswered
    // the responder ended a stream that had worked: that is its right, and says nothing about the peer
    const worked = then === 'again' || (reason !== 'wrong' && ended.answered > 0)
    for (const ping of ended.unanswered) {
      if (!ping.waiting) continue
      // echoes come in order, so that wrong bytes are those of the oldest
      if (worked || (reason === 'wrong' && ping !== first)) void send(ping)
      else fail(ping, reason)
    }
  }

  return {
    async close() {
      closing = true
      await channel?.stream.close({ signal: timeLimit(CLOSE_MS) }).catch(() => {})
    },
    ping: (timeoutMs, signal, onLate) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason)
        const startedAt = performance.now()
        const settled = (): void => {
          ping.waiting = false
          clearTimeout(timer)
          signal.removeEventListener('abort', onAbort)
        }
        const ping: Sent = {
          payload: randomBytes(PAYLOAD_BYTES),
          startedAt,
          sentAt: startedAt,
          timeoutMs,
          signal,
          waiting: true,
          onLate,
          settle: outcome => {
            settled()
            resolve(outcome)
          },
          throw: error => {
            settled()
            reject(error)
          }
        }
        const onAbort = (): void => ping.throw(signal.reason)
        const expire = (): void => {
          if (ping.waiting) ping.settle({ type: 'timeout', afterMs: performance.now() - startedAt })
        }
        // after a stall of our own, what has come in the meantime is read before it is missed
        const timer = setTimeout(() => setImmediate(() => setImmediate(expire)), timeoutMs)
        signal.addEventListener('abort', onAbort)
        void send(ping)
      })
  }
}

function isOpen({ stream, ended }: Channel): boolean {
  return ended == null && stream.status === 'open' && stream.remoteWriteStatus === 'writable'
}

/** No stream could be opened. */
function refused(ping: Sent, error: unknown): void {
  if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
    const message = `the peer does not speak ${PING}`
    ping.throw(new Failure('protocol_not_supported', message, { phase: 'protocol', cause: error }))
  } else fail(ping, 'closed')
}

function fail(ping: Sent, reason: Reason): void {
  ping.settle({ type: 'fail', reason, afterMs: performance.now() - ping.startedAt })
}

function reasonOf(error: unknown): Reason {
  if (!(error instanceof StreamError)) return 'closed'
  return error.reason === 'flooded' ? 'wrong' : error.reason === 'reset' ? 'reset' : 'closed'
}

/** The round trip in ms, or null where there was none. */
export async function roundTrip(
  connection: Connection,
  timeoutMs: number,
  signal: AbortSignal
): Promise<number | null> {
  const pinger = openPinger(connection)
  try {
    // the first echo also waits for the other side to open its stream: the second one is the round trip
    const first = await pinger.ping(timeoutMs, signal)
    const second = first.type === 'reply' ? await pinger.ping(timeoutMs, signal) : first
    const reply = second.type === 'reply' ? second : first
    return reply.type === 'reply' ? reply.rttMs : null
  } catch (error) {
    if (error instanceof Failure) return null
    throw error
  } finally {
    await pinger.close()
  }
}
