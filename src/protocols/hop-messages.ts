import { MAX_TIMER_MS } from './reservations.ts'
import {
  decodeHop,
  encodeHop,
  HOP_TYPE,
  type HopMessage,
  type Limit,
  MAX_MESSAGE_BYTES,
  STATUS,
  type StatusName
} from './circuit.ts'
import { peerIdOf } from './fields.ts'
import { frame, readFrame } from './framing.ts'
import type { PeerId, Stream } from '@libp2p/interface'

/** How long a peer has for a request, and to close a stream that is over. */
export const HOP_MS = 5_000

/** What is told to the peers, and just that is enforced. */
export function limitOf({
  limitDurationMs,
  limitDataBytes
}: {
  limitDurationMs: number
  limitDataBytes: number
}): Limit | undefined {
  const duration = Math.ceil(Math.min(limitDurationMs, MAX_TIMER_MS - 1000) / 1000)
  if (duration === 0 && limitDataBytes === 0) return undefined
  return { duration: duration || undefined, data: limitDataBytes || undefined }
}

export async function readHop(stream: Stream, signal: AbortSignal): Promise<HopMessage> {
  return decodeHop(await readFrame(stream, { maxBytes: MAX_MESSAGE_BYTES, signal }))
}

/** Says the last word on a stream. */
export function answer(stream: Stream, status: StatusName, rest: HopMessage = {}): void {
  stream.send(frame(encodeHop({ type: HOP_TYPE.STATUS, ...rest, status: STATUS[status] })))
  const timer = setTimeout(() => stream.abort(new Error('the peer left a stream open that was over')), HOP_MS)
  stream.addEventListener('close', () => clearTimeout(timer), { once: true })
  Promise.all([stream.closeRead(), stream.close()]).catch(() => {})
}

/** Whom a request is about, if it says so. */
export function peerOf(message: HopMessage): PeerId | undefined {
  try {
    return message.peer == null ? undefined : peerIdOf(message.peer.id)
  } catch {
    return undefined
  }
}
