/** A TCP connection joined with a stream, so that each side sees of the other what it would see of a TCP peer. */
import { once } from 'node:events'
import type { Socket } from 'node:net'
import type { Stream } from '@libp2p/interface'
import { giveAll, takeAll, whileOpen } from './pipe.ts'
import { StreamError } from './stream.ts'

/** Is told of the bytes as they pass: in from the stream, out to it. */
export type Passed = (way: 'in' | 'out', bytes: number) => void

/**
 * Passes bytes both ways until both sides have ended in order: the end of one way ends that way alone. A reader that is
 * slower holds the other side back. Where the stream or the socket breaks, both are reset, and StreamError is thrown, or
 * the reason of the signal. The socket was made with `allowHalfOpen`.
 */
export async function joinSocket(
  stream: Stream,
  socket: Socket,
  passed: Passed,
  runSignal: AbortSignal
): Promise<void> {
  const broken = new AbortController()
  const stop = (): void => broken.abort(runSignal.reason)
  // not AbortSignal.any(): the run outlives thousands of these
  runSignal.addEventListener('abort', stop)
  if (runSignal.aborted) stop()
  const onError = (cause: NodeJS.ErrnoException): void => broken.abort(socketError(cause))
  const onClose = (): void => {
    // both ways may have ended in order while the stream has not taken the last bytes yet
    if (!socket.readableEnded || !socket.writableFinished) broken.abort(socketError())
  }
  socket.on('error', onError).on('close', onClose)
  if (socket.destroyed) onClose()
  const { signal } = broken
  // destroyOnReturn: a socket that has been read to its end may still be written to
  const source = counted(socket.iterator({ destroyOnReturn: false }), bytes => passed('out', bytes))
  const giving = giveAll(stream, source, whileOpen(stream, signal))
  const back = takeAll(
    stream,
    bytes => {
      passed('in', bytes.byteLength)
      return socket.write(bytes) ? undefined : drained(socket, signal)
    },
    false,
    signal
  ).then(() => ended(socket, signal))
  // what became of the stream the reader tells better
  const there = giving.catch(async error => {
    if (error instanceof StreamError) await back
    throw error
  })
  try {
    await Promise.all([there, back])
  } catch (error) {
    // what the run or the socket has to say of it is nearer to the cause than what then became of the stream
    const cause = signal.aborted ? signal.reason : error
    stream.abort(cause)
    resetSocket(socket)
    broken.abort(cause)
    await Promise.allSettled([there, back])
    throw cause
  } finally {
    runSignal.removeEventListener('abort', stop)
    socket.off('close', onClose)
  }
}

/** So that the other end sees a reset; over a socket file there is none, and it sees an end. */
export function resetSocket(socket: Socket): void {
  if (socket.remoteFamily == null) socket.destroy()
  else socket.resetAndDestroy()
}

async function* counted(source: AsyncIterable<Uint8Array>, count: (bytes: number) => void): AsyncGenerator<Uint8Array> {
  for await (const bytes of source) {
    count(bytes.byteLength)
    yield bytes
  }
}

/** Nobody waits any more once it is broken. */
async function drained(socket: Socket, signal: AbortSignal): Promise<void> {
  if (socket.writableNeedDrain) await once(socket, 'drain', { signal }).catch(() => {})
}

/** Ends our side, once all of it has gone out. */
async function ended(socket: Socket, signal: AbortSignal): Promise<void> {
  socket.end()
  if (!socket.writableFinished) await once(socket, 'finish', { signal })
}

function socketError(cause?: NodeJS.ErrnoException): StreamError {
  const message = cause?.code === 'ECONNRESET' || cause?.code === 'EPIPE' ? 'reset' : 'closed'
  return new StreamError('closed', `the TCP connection was ${message}`, cause)
}
