/** TCP connections that come in, each joined with a stream of its own to the peer. */
import type { Socket } from 'node:net'
import type { Connection, Stream } from '@libp2p/interface'
import type { Door } from './door.ts'
import { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import type { Queue } from './flow.ts'
import { type Limit, startLimit } from './limit.ts'
import type { Link } from './link.ts'
import { remoteOf } from './place.ts'
import { openStream } from './protocols/open-stream.ts'
import { joinSocket, resetSocket } from './protocols/socket.ts'
import { StreamError } from './protocols/stream.ts'
import { MAX_WAITING } from './serve.ts'
import { createSlots } from './slots.ts'

/** So many more may wait for their turn. */
const LINE = 256

export interface TunnelOptions {
  protocol: string
  /** TCP connections at once. */
  most: number
  /** How long one may wait for its stream. */
  timeoutMs: number
}

export interface Tunnel {
  /** TCP connections so far. */
  readonly count: number
  /** Is told how many have ended, whenever one has. */
  onEnded(ended: (count: number) => void): void
  /** Resolves once all of them have, after the signal. */
  closed(): Promise<unknown>
}

/** Takes connections until the signal, which resets those that are there. Nothing of one is read before its stream is there. */
export function openTunnel(
  door: Door,
  link: Link,
  { protocol, most, timeoutMs }: TunnelOptions,
  queue: Queue<Said>,
  signal: AbortSignal
): Tunnel {
  const active = new Set<Promise<void>>()
  const slots = createSlots(most, LINE)
  let count = 0
  let ended = 0
  let onEnded: (count: number) => void = () => {}
  /** Signs of life of the peer: streams that it took, and bytes. */
  let heard = 0

  const open = async (limit: Limit): Promise<Stream> => {
    for (;;) {
      const before = heard
      let connection: Connection | undefined
      try {
        connection = await link.get(limit.signal)
        const stream = await openStream(connection, protocol, limit.signal, { atOnce: Number.POSITIVE_INFINITY })
        heard++
        return stream
      } catch (error) {
        signal.throwIfAborted()
        if (limit.passed) {
          // a peer that went without a word: the next one gets a connection that lives
          if (before === heard) connection?.abort(new Error('the peer says nothing any more'))
          const why = connection == null && link.failure != null ? `: ${link.failure.message}` : ''
          throw late(`no stream within ${timeoutMs / 1000} s${why}`, error)
        }
        // nothing was sent on it yet
        if (connection == null || connection.status === 'open') throw error
      }
    }
  }

  /** Waits for its turn, and then for its stream, `timeoutMs` in all. */
  const opened = async (): Promise<{ stream: Stream; leave: () => void }> => {
    using limit = startLimit(timeoutMs, signal)
    const leave = await slots.take(limit.signal).catch(error => {
      signal.throwIfAborted()
      throw late(`${most} connections were open for ${timeoutMs / 1000} s (--max-connections)`, error)
    })
    try {
      return { stream: await open(limit), leave }
    } catch (error) {
      leave()
      throw error
    }
  }

  const serve = async (socket: Socket, stream_id: number, tcp_addr: string | null): Promise<void> => {
    const { stream, leave } = await opened()
    const about = { peer_id: link.peerId, protocol, stream_id, tcp_addr }
    const counts = { in_bytes: 0, out_bytes: 0 }
    const startedAt = performance.now()
    let error: string | null = null
    void queue.push({ type: 'stream.open', ...about })
    try {
      const passed = (way: 'in' | 'out', bytes: number): void => {
        counts[`${way}_bytes`] += bytes
        if (way === 'in') heard++
      }
      await joinSocket(stream, socket, passed, signal)
    } catch (cause) {
      error = cause instanceof StreamError ? cause.message : 'forward was stopped'
    }
    leave()
    void queue.push({ type: 'stream.close', ...about, ...counts, duration_ms: performance.now() - startedAt, error })
  }

  const take = async (socket: Socket): Promise<void> => {
    if (signal.aborted) return resetSocket(socket)
    const tcp_addr = remoteOf(socket)
    const refuse = (code: Event<'forward.refused'>['code'], message: string): void => {
      resetSocket(socket)
      void queue.push({ type: 'forward.refused', tcp_addr, code, message })
    }
    if (slots.full) return refuse('too_many', `${most} connections are open and ${LINE} wait (--max-connections)`)
    if (queue.size >= MAX_WAITING) return refuse('too_many', 'what happens is read too slowly')
    const running = serve(socket, ++count, tcp_addr)
      .catch(error => {
        if (signal.aborted) return resetSocket(socket)
        if (!(error instanceof Failure)) throw error
        refuse(error.code, error.message)
      })
      .finally(() => {
        active.delete(running)
        onEnded(++ended)
      })
    active.add(running)
    await running
  }

  door.onSocket(socket => void take(socket))
  return {
    get count() {
      return count
    },
    onEnded(told) {
      onEnded = told
    },
    closed: () => Promise.all(active)
  }
}

function late(message: string, cause: unknown): Failure {
  return new Failure('io_timeout', message, { cause })
}
