/** The frames of a connection, seen as they pass and before the muxer spends anything on them. */

/** What a peer may be charged for. */
export interface FrameToll {
  /** A frame without data. `owed`: one of those that we gave cause for with what we sent. */
  idle(owed: boolean): void
  /** A frame with less than SMALL_BYTES of data, which costs as much as a large one. */
  small(): void
  /** A frame that says it is longer than a stream may receive. */
  long(bytes: number): void
}

export interface Frames {
  /** What has come, a part of a frame or many of them. */
  received(bytes: Iterable<Uint8Array>): void
  /** One frame of ours: what begins with its header, and the length of all of it. */
  sent(head: Uint8Array, bytes: number): void
}

export const SMALL_BYTES = 64

/** https://github.com/hashicorp/yamux/blob/master/spec.md */
const HEADER_BYTES = 12
const DATA = 0
const WINDOW_UPDATE = 1
const PING = 2
const SYN = 1

/** js-libp2p answers each frame of data with a window update, go-libp2p each half of a window. */
const BYTES_FOR_AN_UPDATE = 1 << 16
/** What one stream that we open gives cause for: it is accepted, and ended. */
const UPDATES_FOR_A_STREAM = 2
/** Of those that are owed, what is kept: more than one window of small messages gives cause for. */
const MOST_OWED = 1 << 16

/**
 * Reads the 12 bytes before each frame and steps over the rest. @chainsafe/libp2p-yamux 8.0 counts nothing itself, and
 * collects a frame up to the length that it claims, which may be 4 GiB, before it looks whether there is room for it.
 */
export function yamuxFrames(maxFrameBytes: number, toll: FrameToll): Frames {
  const header = new Uint8Array(HEADER_BYTES)
  const view = new DataView(header.buffer)
  let have = 0
  let skip = 0
  let owed = 0

  const seen = (): void => {
    const type = header[1]
    const length = view.getUint32(8)
    if (type === DATA) {
      if (length > maxFrameBytes) toll.long(length)
      if (length > 0) {
        if (length < SMALL_BYTES) toll.small()
        skip = length
        return
      }
    }
    const opens = (header[3]! & SYN) !== 0
    const wasOwed = (type === WINDOW_UPDATE || type === PING) && !opens && owed > 0
    if (wasOwed) owed--
    toll.idle(wasOwed)
  }
  return {
    received(chunks) {
      for (const chunk of chunks) {
        let at = 0
        while (at < chunk.byteLength) {
          if (skip > 0) {
            const step = Math.min(skip, chunk.byteLength - at)
            skip -= step
            at += step
            continue
          }
          while (have < HEADER_BYTES && at < chunk.byteLength) header[have++] = chunk[at++]!
          // the rest of it is in the next chunk
          if (have < HEADER_BYTES) break
          have = 0
          seen()
        }
      }
    },
    sent(head, bytes) {
      const updates = bytes > HEADER_BYTES ? 1 + Math.floor(bytes / BYTES_FOR_AN_UPDATE) : 0
      const asks = (head[3]! & SYN) === 0 ? 0 : head[1] === PING ? 1 : UPDATES_FOR_A_STREAM
      owed = Math.min(MOST_OWED, owed + updates + asks)
    }
  }
}
