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
import { type Frames, type FrameToll, yamuxFrames } from './frames.ts'
import type { LimitName, Limits } from './limits.ts'
import type { Components } from './node.ts'
import { negotiate } from './protocols/negotiate.ts'
import { seldomUpdates } from './window-updates.ts'

/** One connection, and what its peer did that was too much. */
export interface Guard {
  readonly limits: Limits
  /** The limit that the connection was closed for. */
  closedFor: LimitName | null
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
  readBuffer: { bufs: Uint8Array[]; byteLength: number; subarray(): Uint8Array; consume(bytes: number): void } & {
    append(bytes: Uint8Array): void
  }
  onData(data: unknown): void
}

/** What the muxer of mplex has inside (@libp2p/mplex 12.0). */
interface Mplex {
  handleMessage(message: { type: number; data?: { byteLength: number } }): void
}

/** Of the node; they are not all there when its muxers are made. */
type Parts = Pick<Components, 'registrar'>

const YAMUX = '/yamux/1.0.0'
const MPLEX = '/mplex/6.7.0'
/** A frame of mplex may be as large, and comes whole. */
const MPLEX_FRAME_BYTES = 1 << 20
const TELL_EVERY_MS = 1000
/** As many pieces may wait for a reader before they are put together, and one for so many bytes that wait. */
const MOST_PIECES = 64
const PIECE_BYTES = 256

/** By the list of the streams that a connection has of its muxer. */
const guards = new WeakMap<Stream[], Guard>()

/** Of a connection of a node of ours. */
export function guardOf(connection: Connection): Guard | undefined {
  return guards.get(connection.streams)
}

/** The largest window of a stream, so that what was sent to a paused one has room. */
export function windowOf(limits: Limits): number {
  return limits['read-buffer']
}

/** Muxers whose peers are held to the limits. */
export function guarded(factory: StreamMuxerFactory, limits: Limits, parts: Parts): StreamMuxerFactory {
  const createStreamMuxer = (connection: MessageStream): StreamMuxer => {
    const idle = createBucket(limits['idle-frames'], limits['idle-frames'])
    const close = (limit: LimitName): void => {
      if (guard.closedFor != null) return
      guard.closedFor = limit
      const error = new LimitError(limit, limits[limit])
      muxer.abort(error)
      connection.abort(error)
    }
    const toll: FrameToll = {
      idle: owed => owed || idle.take() || close('idle-frames'),
      long: () => close('read-buffer')
    }
    const over = (): boolean => guard.closedFor != null
    if (factory.protocol === YAMUX) watchFrames(connection, yamuxFrames(windowOf(limits), toll), over)
    const muxer = factory.createStreamMuxer(connection)
    if (factory.protocol === MPLEX) watchMessages(muxer as StreamMuxer & Mplex, toll, over)
    const guard: Guard = { limits, closedFor: null }
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

/** Before the muxer listens, so that what is too much never gets to it. */
function watchFrames(connection: MessageStream, frames: Frames, over: () => boolean): void {
  connection.addEventListener('message', event => {
    if (!over()) frames.received(event.data instanceof Uint8Array ? [event.data] : event.data)
    if (over()) event.stopImmediatePropagation()
  })
  const send = connection.send.bind(connection)
  connection.send = data => {
    const [head] = data instanceof Uint8Array ? [data] : data
    frames.sent(head!, data.byteLength)
    return send(data)
  }
}

function watchMessages(muxer: Mplex, toll: FrameToll, over: () => boolean): void {
  const handleMessage = muxer.handleMessage.bind(muxer)
  muxer.handleMessage = message => {
    if (over()) return
    if ((message.data?.byteLength ?? 0) === 0) toll.idle(false)
    if (!over()) handleMessage(message)
  }
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
  const limitMet = (): LimitName | null => (open >= limits.streams ? 'streams' : fresh.take() ? null : 'new-streams')
  const bound = (stream: Stream): void => {
    const inside = stream as Stream & Buffers
    inside.maxReadBufferLength = limits['read-buffer'] + (muxer.protocol === MPLEX ? MPLEX_FRAME_BYTES : 0)
    inside.maxWriteBufferLength = limits['write-buffer']
    joinPieces(inside)
    seldomUpdates(stream)
    stream.addEventListener('close', ({ error }) => {
      if (error instanceof LimitError && error.limit !== guard.closedFor) refused(error.limit)
      else if (error?.name === 'StreamBufferError') refused(bufferOf(error))
    })
  }
  const come = async (stream: Stream, on: () => void): Promise<void> => {
    bound(stream)
    const limit = limitMet()
    try {
      if (limit != null) throw new LimitError(limit, limits[limit])
      open++
      stream.addEventListener('close', () => open--)
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

/**
 * What waits for a reader is kept as it came, and a byte in a frame of its own takes more than 100 (@libp2p/utils 7.4):
 * a stream that nobody reads would take a hundred times what its limit says.
 */
function joinPieces(stream: Buffers): void {
  const onData = stream.onData.bind(stream)
  stream.onData = data => {
    onData(data)
    const { readBuffer } = stream
    const most = Math.max(MOST_PIECES, readBuffer.byteLength / PIECE_BYTES)
    if (readBuffer.bufs.length <= most) return
    const whole = readBuffer.subarray()
    readBuffer.consume(whole.byteLength)
    readBuffer.append(whole)
  }
}
