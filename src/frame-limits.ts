/** What the frames of one connection may cost, whichever muxer they are of: those that come, and those that wait to go. */
import type { MessageStream, StreamMuxer } from '@libp2p/interface'
import { createBucket } from './bucket.ts'
import { type Frames, type FrameToll, SMALL_BYTES, yamuxFrames } from './frames.ts'
import type { LimitName, Limits } from './limits.ts'
import { joinPieces, type Pieces } from './pieces.ts'

export interface FrameLimits {
  limits: Limits
  /** Ends the connection, for a reason that it is told. */
  close(limit: LimitName): void
  /** Whether that has happened: what comes then is for nobody. */
  over(): boolean
}

/** Of a connection: what waits until its peer reads, and whether we do (@libp2p/utils 7.4). */
interface Inside {
  writeBuffer: Pieces
  readStatus: string
}

/** What the muxer of yamux has inside (@chainsafe/libp2p-yamux 8.0). */
interface Yamux {
  remoteGoAway?: number
}

/** What the muxer of mplex has inside (@libp2p/mplex 12.0). */
interface Mplex {
  handleMessage(message: { type: number; data?: { byteLength: number } }): void
}

const YAMUX = '/yamux/1.0.0'
export const MPLEX = '/mplex/6.7.0'
/** One frame with data may wait beside those without: the largest that js-libp2p sends, and its header. */
const FRAME_BYTES = (1 << 16) + 64
const LEAVE_MS = 1000

/** A stream has two of its own, that open it and end it: whoever allows more streams allows those. */
export function idleFramesOf(limits: Limits): number {
  return Math.max(limits['idle-frames'], 2 * limits['new-streams'])
}

/** The largest window of a stream, so that what was sent to a paused one has room. */
export function windowOf(limits: Limits): number {
  return limits['read-buffer']
}

/** Makes the muxer of a connection, and holds its peer to the limits. The toll is for what else costs as much. */
export function limitFrames(
  protocol: string,
  connection: MessageStream,
  createMuxer: () => StreamMuxer,
  { limits, close, over }: FrameLimits
): { muxer: StreamMuxer; toll: FrameToll } {
  const idleFrames = idleFramesOf(limits)
  const idle = createBucket(idleFrames, idleFrames)
  const small = createBucket(limits['small-frames'], limits['small-frames'])
  let waitMs = 0
  const toll: FrameToll = {
    idle: owed => owed || idle.take() || close('idle-frames'),
    small: () => {
      waitMs = small.reserve()
    },
    long: () => close('read-buffer')
  }
  boundWaiting(connection, limits, close)
  if (protocol === YAMUX) watchFrames(connection, yamuxFrames(windowOf(limits), toll), over)
  const muxer = createMuxer()
  if (protocol === YAMUX) leaveWithPeer(connection, muxer)
  if (protocol === MPLEX) watchMessages(muxer as StreamMuxer & Mplex, toll, over)
  // behind the muxer: what has come is given on, and what comes next waits
  connection.addEventListener('message', () => {
    const ms = waitMs
    waitMs = 0
    if (ms > 0) rest(connection as MessageStream & Inside, ms)
  })
  return { muxer, toll }
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
    const bytes = message.data?.byteLength ?? 0
    if (bytes === 0) toll.idle(false)
    else if (bytes < SMALL_BYTES) toll.small()
    if (!over()) handleMessage(message)
  }
}

/**
 * A stream waits when its connection is full; the answers of a muxer, as to a ping, do not, and a peer that asks for them
 * and never reads has them pile up (@libp2p/utils 7.4).
 */
function boundWaiting(connection: MessageStream, limits: Limits, close: (limit: LimitName) => void): void {
  const { writeBuffer } = connection as MessageStream & Inside
  const send = connection.send.bind(connection)
  connection.send = data => {
    const more = send(data)
    if (more) return true
    joinPieces(writeBuffer)
    if (writeBuffer.byteLength > limits['write-buffer'] + FRAME_BYTES) close('write-buffer')
    return false
  }
}

/** Behind the muxer, which ends itself when the peer goes away, and leaves open the connection that it was on (8.0). */
function leaveWithPeer(connection: MessageStream, muxer: StreamMuxer & Yamux): void {
  connection.addEventListener('message', () => {
    const code = muxer.remoteGoAway
    if (code == null || connection.status !== 'open') return
    const abort = (): void => connection.abort(new Error(`the peer went away with code ${code}`))
    if (code !== 0) return abort()
    // in order: it may still be telling us that it closes
    connection.close({ signal: AbortSignal.timeout(LEAVE_MS) }).catch(abort)
  })
}

/** Reads nothing for so long; the peer has to wait, and loses nothing. */
function rest(connection: MessageStream & Inside, ms: number): void {
  if (!ifItCan(connection, 'readable', () => connection.pause())) return
  const timer = setTimeout(ifItCan, ms, connection, 'paused', () => connection.resume())
  connection.addEventListener('close', () => clearTimeout(timer))
}

/** What is below a connection may have ended before it: then it throws (@libp2p/utils 7.4). */
function ifItCan(connection: MessageStream & Inside, readStatus: string, change: () => void): boolean {
  if (connection.status !== 'open' || connection.readStatus !== readStatus) return false
  try {
    change()
    return true
  } catch {
    return false
  }
}
