import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

/** How a circuit ended: by its peers, or by which rule of the relay. */
export type SpliceEnd = 'closed' | 'reset' | 'data_limit' | 'duration_limit' | 'stopped'

export interface SpliceLimits {
  /** Bytes that may pass, each way; 0 is no limit. */
  maxBytes: number
  /** 0 is no limit; at most 2^31 - 1, as for any timer. */
  maxMs: number
}

export interface Splice {
  /** Bytes from `src` that were passed on to `dst`. */
  readonly inBytes: number
  /** Bytes from `dst` that were passed back to `src`. */
  readonly outBytes: number
  readonly ended: Promise<SpliceEnd>
  stop(): void
}

/** How long a peer has to take the last bytes that the data limit allows. */
const LINGER_MS = 30_000

/**
 * Joins two streams, each paused, until both ends have closed, one is reset, or a limit is met.
 *
 * What a slow reader has not taken waits in the yamux window of the stream that it comes from, so that window has to be
 * smaller than a stream's read buffer (4 MiB): `maxStreamWindowSize` of 1 MiB, not the default of 16. Then a circuit
 * holds at most about 2 MiB each way.
 */
export function splice(src: Stream, dst: Stream, limits: SpliceLimits): Splice {
  const { promise: ended, resolve } = Promise.withResolvers<SpliceEnd>()
  const timers: NodeJS.Timeout[] = []
  let over = false
  let full = false

  const finish = (end: SpliceEnd): void => {
    if (over) return
    over = true
    for (const timer of timers) clearTimeout(timer)
    ways.forEach(way => void way.halt())
    // does nothing to a stream that has closed in good order
    for (const stream of [src, dst]) stream.abort(new Error(`the relayed connection ended: ${end}`))
    resolve(end)
  }
  const after = (ms: number, end: SpliceEnd): void => {
    timers.push(setTimeout(finish, ms, end))
  }

  const onFull = (): void => {
    if (full || over) return
    full = true
    ways.forEach(way => void way.halt())
    // a reset throws away what still waits to be sent, and all that the limit allows has to arrive
    const settle = () => {
      if (src.writeBufferLength === 0 && dst.writeBufferLength === 0) finish('data_limit')
    }
    for (const stream of [src, dst]) stream.addEventListener('idle', () => queueMicrotask(settle))
    after(LINGER_MS, 'data_limit')
    settle()
  }
  const onDone = (): void => {
    // the way back to a peer that has left cannot end by itself
    if (ways.every(way => way.done || way.to.status !== 'open')) finish('closed')
  }
  const onClose = (way: Way, event: StreamCloseEvent): void => {
    if (full) finish('data_limit')
    else if (event.error != null || !way.finished) finish('reset')
    // it has said all that it wanted to say, and left: what is on its way still has to arrive
    else onDone()
  }

  const ways = [
    pump(src, dst, limits.maxBytes, { onFull, onDone, onClose, onBroken: () => finish('reset') }),
    pump(dst, src, limits.maxBytes, { onFull, onDone, onClose, onBroken: () => finish('reset') })
  ] as const
  if (limits.maxMs > 0) after(limits.maxMs, 'duration_limit')
  for (const way of ways) way.start()
  return {
    get inBytes() {
      return ways[0].bytes
    },
    get outBytes() {
      return ways[1].bytes
    },
    ended,
    stop: () => finish('stopped')
  }
}

interface Way {
  readonly to: Stream
  readonly bytes: number
  /** The peer has closed its write end; its last bytes may still be on their way. */
  readonly finished: boolean
  /** They were sent, and the other peer was told. */
  readonly done: boolean
  start(): void
  /** Takes no more from the peer. */
  halt(): void
}

interface WayEvents {
  onFull(): void
  onDone(): void
  onClose(way: Way, event: StreamCloseEvent): void
  onBroken(): void
}

function pump(from: Stream, to: Stream, maxBytes: number, on: WayEvents): Way {
  let bytes = 0
  let finished = false
  let ending = false
  let done = false
  let halted = false
  let held = true
  let resuming = false

  const hold = (): void => {
    held = true
    // pause() within resume() would be undone by the end of resume() (@libp2p/utils 7.3): release() makes up for it
    if (!resuming && from.readStatus === 'readable') from.pause()
  }
  const release = (): void => {
    if (halted || !held || to.writableNeedsDrain) return
    held = false
    if (from.readStatus === 'paused') {
      resuming = true
      try {
        from.resume()
      } catch {
        // its window cannot be opened, since its connection is gone; what it had sent was still passed on
      }
      resuming = false
    }
    if (held) hold()
  }
  const onMessage = ({ data }: StreamMessageEvent): void => {
    if (halted) return
    const room = maxBytes === 0 ? Number.POSITIVE_INFINITY : maxBytes - bytes
    const over = data.byteLength > room
    const part = over ? data.subarray(0, room) : data
    if (part.byteLength > 0) put(part)
    if (over) on.onFull()
  }
  const put = (data: StreamMessageEvent['data']): void => {
    if (to.status !== 'open') return
    try {
      bytes += data.byteLength
      if (!to.send(data)) hold()
    } catch {
      on.onBroken()
    }
  }
  // send() sets the stream going again in a microtask of its own, and may find it full at once
  const onDrain = (): void => queueMicrotask(release)
  const onEnd = (): void => {
    if (ending || halted) return
    ending = true
    // in a microtask, since 'end' also comes right before the 'close' of a reset (@libp2p/utils 7.3), and before the data
    // of a frame that both bears data and ends the stream (@chainsafe/libp2p-yamux 8.0)
    queueMicrotask(() => {
      to.close().then(() => {
        done = true
        on.onDone()
      }, on.onBroken)
    })
  }
  const onRemoteClose = (): void => {
    finished = true
  }
  const onClose = (event: StreamCloseEvent): void => on.onClose(way, event)

  const way: Way = {
    to,
    get bytes() {
      return bytes
    },
    get finished() {
      return finished
    },
    get done() {
      return done
    },
    start() {
      from.addEventListener('message', onMessage)
      from.addEventListener('end', onEnd)
      from.addEventListener('remoteCloseWrite', onRemoteClose)
      from.addEventListener('close', onClose)
      to.addEventListener('drain', onDrain)
      if (from.status !== 'open') return on.onBroken()
      if (from.remoteWriteStatus === 'closed') finished = true
      release()
      if (from.readableEnded) onEnd()
    },
    halt() {
      halted = true
      from.removeEventListener('message', onMessage)
      from.removeEventListener('end', onEnd)
      to.removeEventListener('drain', onDrain)
      if (from.readStatus === 'readable') from.pause()
    }
  }
  return way
}
