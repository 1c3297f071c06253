/** The bytes of a stream of any protocol, each way with backpressure: what --raw, --echo and --exec are made of. */
import type { Connection, Stream } from '@libp2p/interface'
import { until } from '../flow.ts'
import { StreamError, streamReader, write } from './stream.ts'

/** A frame of --lp, at most. */
export const MAX_FRAME_BYTES = 1 << 20
// below the read buffer of a stream, and above the yamux window
const MAX_BUFFERED_BYTES = 1 << 22
const BARRIER_MS = 5000

/** Takes bytes; gives a promise where it can take no more for now. */
export type Taker = (bytes: Uint8Array) => Promise<unknown> | undefined

/**
 * Gives what the peer sends until it has ended its side in order; with `lp` each call is one frame. While the taker is
 * busy the stream is paused, so that at most a yamux window waits. Throws StreamError, or the reason of the signal.
 */
export async function takeAll(stream: Stream, taker: Taker, lp: boolean, signal: AbortSignal): Promise<void> {
  const reader = streamReader(stream, { maxFrameBytes: MAX_FRAME_BYTES, maxBufferedBytes: MAX_BUFFERED_BYTES })
  try {
    for (;;) {
      const bytes = lp ? await reader.read(signal) : await reader.readSome(signal)
      if (bytes === null) return
      const busy = taker(bytes)
      if (busy === undefined) continue
      if (stream.readStatus === 'readable') stream.pause()
      await busy
      resume(stream)
    }
  } finally {
    reader.detach()
  }
}

function resume(stream: Stream): void {
  if (stream.readStatus !== 'paused') return
  try {
    stream.resume()
  } catch {
    // its window cannot be opened, since its connection is gone; what had come was still given (@libp2p/utils 7.4)
  }
}

/** Sends what the source gives, then ends our side. Throws StreamError, what the source throws, or the signal's reason. */
export async function giveAll(stream: Stream, source: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void> {
  for await (const bytes of until(source, signal)) await write(stream, bytes, signal)
  await endOur(stream)
}

/** Ends our side, once all of it has gone out. */
export async function endOur(stream: Stream): Promise<void> {
  if (stream.writeStatus === 'writable') await stream.close()
}

/** A signal that is aborted when the stream is gone, too. */
export function whileOpen(stream: Stream, signal: AbortSignal): AbortSignal {
  const gone = new AbortController()
  const leave = (): void => gone.abort(new StreamError('closed', 'the stream was closed'))
  if (stream.status === 'open' || stream.status === 'closing') stream.addEventListener('close', leave)
  else leave()
  return AbortSignal.any([signal, gone.signal])
}

/**
 * Resolves when the peer has received everything that was sent on the connection before: streams share one order, so
 * any answer to something that is asked now will do. A node that stops right after a close loses data (libp2p 3.3).
 */
export async function barrier(connection: Connection, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(BARRIER_MS)])
  await connection
    .newStream('/ipfs/ping/1.0.0', { signal: limit, runOnLimitedConnection: true })
    .then(stream => stream.abort(new Error('it was opened to hear an answer')))
    // also a peer that does not speak it has answered
    .catch(() => {})
}
