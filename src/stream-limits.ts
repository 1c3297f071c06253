/**
 * What a connection may cost once its peer is known: the limits of the groups streams and ping, whichever side dialed
 * and whatever the muxer is. libp2p 3.3 counts none of it but the streams that are open at once.
 */
import type {
  Connection,
  MessageStream,
  Stream,
  StreamMuxer,
  StreamMuxerFactory,
  Upgrader,
  UpgraderOptions,
  UpgraderWithoutEncryptionOptions
} from '@libp2p/interface'
import { createBucket } from './bucket.ts'
import { limitFrames, MPLEX } from './frame-limits.ts'
import type { FrameToll } from './frames.ts'
import type { LimitName, Limits } from './limits.ts'
import type { Components } from './node.ts'
import { joinPieces, type Pieces } from './pieces.ts'
import { negotiate } from './protocols/negotiate.ts'
import { seldomUpdates, shortFrames } from './window-updates.ts'

/** One connection, and what its peer did that was too much. */
export interface Guard {
  readonly limits: Limits
  /** The limit that the connection was closed for. */
  closedFor: LimitName | null
  /** Its muxer is over: there are no more streams on the connection, which may stay (@chainsafe/libp2p-yamux 8.0). */
  readonly ended: boolean
  /** Hears how many streams were reset, and for which limit; of one connection once a second at most. */
  onRefused?: (limit: LimitName, streams: number) => void
}

/** More than a limit allows. What aborts a stream with it is counted. */
export class LimitError extends Error {
  override name = 'LimitError'
  readonly limit: LimitName
  /** What yamux tells the other side with its GOAWAY: a protocol error. Without it that would be a normal end (8.0). */
  readonly reason = 1

  constructor(limit: LimitName, most: number) {
    super(`more than ${limit} allows: ${most}`)
    this.limit = limit
  }
}

/** Of a stream: what libp2p holds of it, which can be told to hold less (@libp2p/utils 7.4). */
interface Buffers {
  maxReadBufferLength: number
  maxWriteBufferLength: number
  readBuffer: Pieces
  onData(data: unknown): void
}

/** Of the node; they are not all there when its muxers are made. */
type Parts = Pick<Components, 'registrar'>

/** A frame of mplex may be as large, and comes whole. */
const MPLEX_FRAME_BYTES = 1 << 20
const TELL_EVERY_MS = 1000
/** By the list of the streams that a connection has of its muxer. */
const guards = new WeakMap<Stream[], Guard>()

/** Of a connection of a node of ours. */
export function guardOf(connection: Connection): Guard | undefined {
  return guards.get(connection.streams)
}

/** Muxers whose peers are held to the limits. */
export function guarded(factory: StreamMuxerFactory, limits: Limits, parts: Parts): StreamMuxerFactory {
  const createStreamMuxer = (connection: MessageStream): StreamMuxer => {
    const close = (limit: LimitName): void => {
      if (guard.closedFor != null) return
      guard.closedFor = limit
      const error = new LimitError(limit, limits[limit])
      muxer.abort(error)
      connection.abort(error)
    }
    const guard: Guard = {
      limits,
      closedFor: null,
      get ended() {
        return muxer.status === 'closed'
      }
    }
    const { muxer, toll } = limitFrames(factory.protocol, connection, () => factory.createStreamMuxer(connection), {
      limits,
      close,
      over: () => guard.closedFor != null
    })
    guards.set(muxer.streams, guard)
    admit(muxer, guard, refusals(guard, connection, toll), parts)
    return muxer
  }
  return { protocol: factory.protocol, createStreamMuxer }
}

/** QUIC and WebRTC bring muxers of their own, for each connection one. */
export function guardStreams(upgrader: Upgrader, limits: Limits, parts: Parts): void {
  const { upgradeInbound, upgradeOutbound } = upgrader
  // which of their two forms is called makes no difference here
  const withGuard = (options: UpgraderOptions | UpgraderWithoutEncryptionOptions): UpgraderWithoutEncryptionOptions => {
    const { muxerFactory } = options
    const ours = muxerFactory != null && { muxerFactory: guarded(muxerFactory, limits, parts) }
    return { ...(options as UpgraderWithoutEncryptionOptions), ...ours }
  }
  upgrader.upgradeInbound = async (connection, options) =>
    await upgradeInbound.call(upgrader, connection, withGuard(options))
  upgrader.upgradeOutbound = async (connection, options) =>
    await upgradeOutbound.call(upgrader, connection, withGuard(options))
}

/** Counts the streams that were reset, and tells of them. */
function refusals(guard: Guard, connection: MessageStream, toll: FrameToll): (limit: LimitName) => void {
  const untold = new Map<LimitName, number>()
  let timer: ReturnType<typeof setTimeout> | undefined
  const tell = (): void => {
    clearTimeout(timer)
    timer = undefined
    if (untold.size === 0) return
    for (const [limit, streams] of untold) guard.onRefused?.(limit, streams)
    untold.clear()
    timer = setTimeout(tell, TELL_EVERY_MS)
    timer.unref?.()
  }
  connection.addEventListener('close', tell)
  return limit => {
    untold.set(limit, (untold.get(limit) ?? 0) + 1)
    if (timer == null) tell()
    // what is refused has cost something, though it came with data
    toll.idle(false)
  }
}

/** Lets in as many streams as the limits allow, and each once it is known what it is for. */
function admit(muxer: StreamMuxer, guard: Guard, refused: (limit: LimitName) => void, parts: Parts): void {
  const { limits } = guard
  const fresh = createBucket(limits['new-streams'], limits['new-streams'])
  let open = 0
  const bound = (stream: Stream): void => {
    const inside = stream as Stream & Buffers
    inside.maxReadBufferLength = limits['read-buffer'] + (muxer.protocol === MPLEX ? MPLEX_FRAME_BYTES : 0)
    inside.maxWriteBufferLength = limits['write-buffer']
    joinWaiting(inside)
    seldomUpdates(stream)
    shortFrames(stream)
    stream.addEventListener('close', ({ error }) => {
      if (error instanceof LimitError && error.limit !== guard.closedFor) refused(error.limit)
      else if (error?.name === 'StreamBufferError') refused(bufferOf(error))
    })
  }
  const come = async (stream: Stream, on: () => void): Promise<void> => {
    bound(stream)
    try {
      if (open >= limits.streams) throw new LimitError('streams', limits.streams)
      // whoever opens one after another, as for each file of a folder, is slowed down and not refused
      const waitMs = fresh.borrow(limits['new-streams'])
      if (waitMs == null) throw new LimitError('new-streams', limits['new-streams'])
      open++
      stream.addEventListener('close', () => open--)
      if (waitMs > 0) await new Promise(resolve => setTimeout(resolve, waitMs))
      if (stream.status !== 'open') return
      // with a protocol it is taken as it is by libp2p, whose own negotiation a peer can make endless (3.3)
      if (stream.protocol === '') {
        stream.protocol = await negotiate(stream, parts.registrar.getProtocols(), limits['read-buffer'])
      }
      on()
    } catch (error) {
      stream.abort(error as Error)
    }
  }
  const addEventListener = muxer.addEventListener.bind(muxer) as (...args: unknown[]) => void
  muxer.addEventListener = (type: string, listener: unknown, options?: unknown): void => {
    const on = listener as (event: CustomEvent<Stream>) => void
    const onStream = (event: CustomEvent<Stream>): void => void come(event.detail, () => on(event))
    addEventListener(type, type === 'stream' ? onStream : listener, options)
  }
  const createStream = muxer.createStream.bind(muxer)
  muxer.createStream = async options => {
    const stream = await createStream(options)
    bound(stream)
    return stream
  }
}

function bufferOf(error: Error): LimitName {
  return error.message.startsWith('Read') ? 'read-buffer' : 'write-buffer'
}

/** What waits for a reader, however it came. */
function joinWaiting(stream: Buffers): void {
  const onData = stream.onData.bind(stream)
  stream.onData = data => {
    onData(data)
    joinPieces(stream.readBuffer)
  }
}
