/** What yamux says of its windows, and no more often than somebody has use for it. */
import type { Stream } from '@libp2p/interface'

/** What a stream of yamux has inside (@chainsafe/libp2p-yamux 8.0); those of other muxers have none of it. */
interface YamuxStream {
  state: number
  recvWindow: number
  recvWindowCapacity: number
  maxStreamWindowSize: number
  maxMessageSize: number
  epochStart: number
  getRTT(): number
  sendWindowUpdate(): void
}

/** Both sides know of it, and it is not paused: an update has nothing to say but how much there is room for. */
const ESTABLISHED = 3

/**
 * It answers each frame of data with a window update, in a packet of its own and before anybody has seen the data: of
 * the round trip of a ping that was a third. As hashicorp's and go-libp2p's do, one is sent once half of the window
 * is used. The window itself grows as before.
 */
export function seldomUpdates(stream: Stream): void {
  const inside = stream as unknown as YamuxStream
  if (inside.recvWindowCapacity == null) return
  const { getRTT } = inside
  // in whole milliseconds: on a fast network it is 0, in which nothing comes, and the window would never grow
  inside.getRTT = () => getRTT() || 1
  const sendWindowUpdate = inside.sendWindowUpdate.bind(inside)
  inside.sendWindowUpdate = () => {
    const used = inside.recvWindow - inside.recvWindowCapacity
    if (inside.state !== ESTABLISHED || used >= inside.recvWindow / 2 || grows(inside)) sendWindowUpdate()
    else inside.epochStart = Date.now()
  }
}

/** One message of noise, 65,519 bytes, is one frame: its header and what is in it. */
const FRAME_BYTES = 65_519 - 12

/**
 * It makes a frame as large as the window of the other side, which then has nothing of it before it has all, and can say
 * no sooner that there is room for more: both sides waited for each other.
 */
export function shortFrames(stream: Stream): void {
  const inside = stream as unknown as YamuxStream
  if (inside.recvWindowCapacity == null) return
  let most = inside.maxMessageSize
  Object.defineProperty(inside, 'maxMessageSize', {
    get: () => Math.min(most, FRAME_BYTES),
    set: (bytes: number) => {
      most = bytes
    }
  })
}

/** What has come within four round trips doubles the window. */
function grows({ recvWindow, maxStreamWindowSize, epochStart, getRTT }: YamuxStream): boolean {
  return recvWindow < maxStreamWindowSize && getRTT() > -1 && Date.now() - epochStart <= getRTT() * 4
}
