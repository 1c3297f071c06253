import { randomBytes } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import { Failure } from '../errors.ts'
import { StreamError, type StreamReader, streamReader, write } from './stream.ts'

/** https://github.com/libp2p/specs/blob/master/ping/ping.md */
export const PING = '/ipfs/ping/1.0.0'
const PAYLOAD_BYTES = 32
const CLOSE_MS = 500

/** What became of one ping. */
export type Outcome =
  | { type: 'reply'; rttMs: number }
  | { type: 'timeout'; afterMs: number }
  | { type: 'fail'; reason: 'wrong' | 'reset' | 'closed'; afterMs: number }

export interface Pinger {
  ping(timeoutMs: number, signal: AbortSignal): Promise<Outcome>
  /** Ends the stream in order. */
  close(): Promise<void>
}

/**
 * Pings over one stream for every echo, so that negotiation is paid once. Responders may end it: js-libp2p after 10 s,
 * go after 60 s for each ping, nim after one echo (libp2p/specs#473). Then the next ping opens another.
 * Throws Failure protocol_not_supported.
 */
export function openPinger(connection: Connection): Pinger {
  let stream: Stream | null = null
  let echoes: StreamReader | null = null
  let answered = 0

  const open = async (signal: AbortSignal): Promise<void> => {
    stream = await connection.newStream(PING, { signal, runOnLimitedConnection: true })
    echoes = streamReader(stream, { maxBufferedBytes: 64 * PAYLOAD_BYTES })
    answered = 0
  }
  const drop = (): void => {
    stream?.abort(new Error('done with this ping stream'))
    stream = null
    echoes = null
  }
  const isOpen = (): boolean => stream?.status === 'open' && stream.remoteWriteStatus === 'writable'

  const echo = async (signal: AbortSignal): Promise<Outcome> => {
    const payload = randomBytes(PAYLOAD_BYTES)
    const sentAt = performance.now()
    await write(stream!, payload, signal)
    const answer = await echoes!.readExactly(PAYLOAD_BYTES, signal)
    const rttMs = performance.now() - sentAt
    if (answer == null) return { type: 'fail', reason: 'closed', afterMs: rttMs }
    if (payload.equals(answer) && echoes!.buffered === 0) {
      answered++
      return { type: 'reply', rttMs }
    }
    return { type: 'fail', reason: 'wrong', afterMs: rttMs }
  }

  return {
    async close() {
      await stream?.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch(() => {})
    },
    async ping(timeoutMs, runSignal) {
      const startedAt = performance.now()
      const late = AbortSignal.timeout(timeoutMs)
      const signal = AbortSignal.any([runSignal, late])
      try {
        if (!isOpen()) await open(signal)
        const reused = answered > 0
        let outcome = await echo(signal).catch(error => lost(error, startedAt, signal))
        if (outcome.type === 'fail' && outcome.reason !== 'wrong' && reused) {
          // the responder ended a stream that had worked: that is its right, and says nothing about the peer
          drop()
          await open(signal)
          outcome = await echo(signal).catch(error => lost(error, startedAt, signal))
        }
        if (outcome.type !== 'reply') drop()
        return outcome
      } catch (error) {
        drop()
        runSignal.throwIfAborted()
        if (late.aborted) return { type: 'timeout', afterMs: performance.now() - startedAt }
        if (error instanceof Error && error.name === 'UnsupportedProtocolError') {
          throw new Failure('protocol_not_supported', `the peer does not speak ${PING}`, {
            phase: 'protocol',
            cause: error
          })
        }
        return { type: 'fail', reason: 'closed', afterMs: performance.now() - startedAt }
      }
    }
  }
}

/** A stream that ended under a ping, told apart from a wait that ended. */
function lost(error: unknown, startedAt: number, signal: AbortSignal): Outcome {
  signal.throwIfAborted()
  const reason = error instanceof StreamError && error.reason === 'reset' ? 'reset' : 'closed'
  if (error instanceof StreamError && error.reason === 'flooded') {
    return { type: 'fail', reason: 'wrong', afterMs: performance.now() - startedAt }
  }
  return { type: 'fail', reason, afterMs: performance.now() - startedAt }
}
