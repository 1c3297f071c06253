/** Answers pings. That of js-libp2p ends a stream after 10 s, echoes whatever length it is sent, and has no pace (@libp2p/ping 3.1). */
import { type AbortOptions, type Connection, type PeerId, type Stream, serviceCapabilities } from '@libp2p/interface'
import { type Bucket, createBucket } from '../bucket.ts'
import { type Limits, limitsOf } from '../limits.ts'
import type { Service } from '../node.ts'
import { isHere } from '../reach.ts'
import { guardOf, LimitError } from '../stream-limits.ts'
import { openPinger, PAYLOAD_BYTES, PING } from './ping.ts'
import { drained, post, StreamError, streamReader } from './stream.ts'

const PING_MS = 10_000
/** What may wait for its turn: far more than anybody has under way. */
const MAX_BUFFERED_BYTES = 1 << 16
/** Our own pings open another stream before the last one has ended. */
const OUTBOUND_STREAMS = 16
/** Peers whose pace is kept in mind before those are forgotten that have been slow enough. */
const MOST_PACES = 1024

/**
 * https://github.com/libp2p/specs/blob/master/ping/ping.md: 32 bytes are echoed, again and again. As go-libp2p does, a
 * stream ends when nothing has come for a minute, and the third one of a connection is reset. A peer is answered 100
 * times a second, and as often at once; further pings wait, so that they are late and not lost. This machine itself is
 * answered as fast as it asks (exempt-loopback).
 */
export function pong(streams?: number): Service {
  return ({ registrar, connectionManager }) => {
    const paces = new Map<string, Bucket>()
    const paceOf = (peer: string, rate: number): Bucket => {
      if (paces.size >= MOST_PACES) for (const [one, { full }] of paces) if (full) paces.delete(one)
      const pace = paces.get(peer) ?? createBucket(rate, rate)
      paces.set(peer, pace)
      return pace
    }
    const handle = async (stream: Stream, connection: Connection): Promise<void> => {
      const limits = guardOf(connection)?.limits ?? limitsOf()
      const most = streams ?? limits['ping-streams']
      const others = connection.streams.filter(
        ({ direction, protocol }) => direction === 'inbound' && protocol === PING
      )
      if (others.length > most) return stream.abort(new LimitError('ping-streams', most))
      const isSpared = limits['exempt-loopback'] === 1 && isHere(connection.remoteAddr)
      const pace = isSpared ? null : paceOf(connection.remotePeer.toString(), limits['ping-rate'])
      try {
        await echo(stream, pace, limits)
        await stream.close({ signal: AbortSignal.timeout(limits['ping-idle']) })
      } catch (error) {
        stream.abort(error as Error)
      }
    }
    return {
      // the streams are counted above, where it can be told
      start: () =>
        registrar.handle(PING, handle, {
          maxInboundStreams: Number.MAX_SAFE_INTEGER,
          maxOutboundStreams: OUTBOUND_STREAMS,
          runOnLimitedConnection: true
        }),
      stop: () => registrar.unhandle(PING),
      // kad-dht asks for a service that also pings (17)
      [serviceCapabilities]: ['@libp2p/ping'],
      ping: async (peer: PeerId, options: AbortOptions = {}) =>
        await pingOnce(await connectionManager.openConnection(peer, options), options.signal)
    }
  }
}

async function pingOnce(connection: Connection, signal = AbortSignal.timeout(PING_MS)): Promise<number> {
  const pinger = openPinger(connection)
  try {
    const outcome = await pinger.ping(PING_MS, signal)
    if (outcome.type === 'reply') return outcome.rttMs
    throw new Error(`the peer did not answer the ping: ${outcome.type}`)
  } finally {
    void pinger.close()
  }
}

async function echo(stream: Stream, pace: Bucket | null, limits: Limits): Promise<void> {
  const idleMs = limits['ping-idle']
  const pings = streamReader(stream, { maxBufferedBytes: MAX_BUFFERED_BYTES, idleMs })
  for (;;) {
    const payload = await pings.readExactly(PAYLOAD_BYTES)
    if (payload == null) return
    const wait = pace?.reserve() ?? 0
    if (wait > 0) await delay(stream, wait)
    post(stream, payload)
    if (stream.writableNeedsDrain) await drained(stream, AbortSignal.timeout(idleMs))
  }
}

/** Ends with the stream. */
async function delay(stream: Stream, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const onClose = (): void => resolve()
  stream.addEventListener('close', onClose)
  await promise
  clearTimeout(timer)
  stream.removeEventListener('close', onClose)
  if (stream.status !== 'open') throw new StreamError('closed', 'the stream ended while its ping waited')
}
