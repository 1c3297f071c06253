/**
 * Reading and writing a libp2p stream so that nothing is lost and nothing grows without bound.
 *
 * What libp2p 3.3 offers for it does not do (facts of @libp2p/utils 7.4.1): `for await` over a stream has no
 * backpressure and hangs where the peer ended before the loop began; byteStream and lpStream check the length of a
 * frame only once its varint is whole, so that a varint without an end is buffered up to 4 MiB.
 */
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

/**
 * - reset: the peer reset the stream
 * - closed: the connection went away, a relay's limit among the reasons, or our side aborted the stream
 * - truncated: the peer ended its side in the middle of a frame
 * - malformed: what came breaks the protocol
 * - flooded: the peer sent more than the reader may hold; the stream was reset for it
 * - idle: nothing came for `idleMs`
 */
export type StreamErrorReason = 'reset' | 'closed' | 'truncated' | 'malformed' | 'flooded' | 'idle'

export class StreamError extends Error {
  override name = 'StreamError'
  readonly reason: StreamErrorReason

  constructor(reason: StreamErrorReason, message: string, cause?: unknown) {
    super(message, { cause })
    this.reason = reason
  }
}

export interface ReaderOptions {
  /** The longest frame, without its length prefix; 64 KiB by default. */
  maxFrameBytes?: number
  /** How much may wait to be read before the stream is reset; 4 MiB by default. */
  maxBufferedBytes?: number
  /** How long one wait may go without a byte; no limit by default. */
  idleMs?: number
}

export interface StreamReader {
  /** The next frame: an unsigned varint (minimal) and as many bytes. null once the peer has ended its side in order. */
  read(signal?: AbortSignal): Promise<Uint8Array | null>
  /** The next `bytes` bytes, unframed. null once the peer has ended its side and nothing is left. */
  readExactly(bytes: number, signal?: AbortSignal): Promise<Uint8Array | null>
  /** What has come, as soon as it is a byte at least. null once the peer has ended its side and nothing is left. */
  readSome(signal?: AbortSignal): Promise<Uint8Array | null>
  /** Puts bytes back in front of what has not been read. */
  unread(bytes: Uint8Array): void
  /** How many bytes have come and were not read. */
  readonly buffered: number
  /** Stops reading, leaves the stream as it is, and gives back what was not read. */
  detach(): Uint8Array
}

/** A read buffer that is larger is not kept once it is empty. */
const KEEP_BYTES = 1 << 20

/**
 * Reads a stream from now on; there should be one reader for each stream, and one read at a time. What has come is
 * given before an end, a reset or an abort is told, and an interrupted read loses nothing. Throws StreamError, or the
 * reason of the signal.
 */
export function streamReader(stream: Stream, options: ReaderOptions = {}): StreamReader {
  const { maxFrameBytes = 1 << 16, maxBufferedBytes = 1 << 22, idleMs } = options
  const prefixBytes = Math.max(1, Math.ceil(Math.log2(maxFrameBytes + 1) / 7))
  let buffer = new Uint8Array(0)
  let start = 0
  let end = 0
  let broken: StreamError | undefined
  let closeError: unknown
  let wake: (() => void) | undefined
  // a connection that goes away also ends the readable side, so only this tells that the peer itself has ended it
  let peerEnded = stream.remoteWriteStatus === 'closed' && (stream.status === 'open' || stream.status === 'closing')

  const poke = (): void => wake?.()
  const onPeerEnd = (): void => {
    peerEnded = true
  }
  const onClose = (event: StreamCloseEvent): void => {
    closeError = event.error
    poke()
  }
  const onMessage = (event: StreamMessageEvent): void => {
    if (broken?.reason === 'flooded') return
    if (end - start + event.data.byteLength > maxBufferedBytes) {
      const flooded = new StreamError('flooded', `the peer sent more than ${maxBufferedBytes} bytes ahead`)
      broken = flooded
      start = end
      // let the current dispatch finish first
      queueMicrotask(() => stream.abort(flooded))
    } else if (event.data instanceof Uint8Array) {
      append(event.data)
    } else {
      for (const chunk of event.data) append(chunk)
    }
    poke()
  }

  // Copied, and not kept as it came: one byte in a chunk of its own costs 100 bytes, and it would hold on to the
  // 64 KiB that it was decrypted from.
  function append(chunk: Uint8Array): void {
    const used = end - start
    if (end + chunk.byteLength > buffer.byteLength) {
      const needed = used + chunk.byteLength
      // no more than half full, so that moving is paid for by what was read since
      if (needed <= buffer.byteLength / 2) {
        buffer.copyWithin(0, start, end)
      } else {
        const larger = new Uint8Array(Math.max(1024, 2 * needed))
        larger.set(buffer.subarray(start, end))
        buffer = larger
      }
      start = 0
      end = used
    }
    buffer.set(chunk, end)
    end += chunk.byteLength
  }

  function take(bytes: number): Uint8Array {
    const taken = buffer.slice(start, start + bytes)
    start += bytes
    if (start === end) {
      start = 0
      end = 0
      if (buffer.byteLength > KEEP_BYTES) buffer = new Uint8Array(0)
    }
    return taken
  }

  function takeFrame(): Uint8Array | undefined {
    let length = 0
    for (let i = 0; start + i < end; i++) {
      const byte = buffer[start + i]!
      length += (byte & 0x7f) * 2 ** (7 * i)
      if (byte < 0x80) {
        if (byte === 0 && i > 0) throw malformed('a length prefix that is longer than needed')
        if (length > maxFrameBytes) throw malformed(`a frame of ${length} bytes, ${maxFrameBytes} at most are allowed`)
        if (end - start < i + 1 + length) return undefined
        start += i + 1
        return take(length)
      }
      if (i + 1 === prefixBytes) throw malformed(`a length prefix of more than ${prefixBytes} bytes`)
    }
    return undefined
  }

  function malformed(message: string): StreamError {
    broken = new StreamError('malformed', message)
    return broken
  }

  function ending(): null {
    if (!peerEnded) {
      if (closeError instanceof StreamError) throw closeError
      if (stream.status === 'reset') throw new StreamError('reset', 'the peer reset the stream', closeError)
      throw new StreamError('closed', 'the stream was closed before the peer had ended it', closeError)
    }
    if (end > start) throw new StreamError('truncated', 'the peer ended the stream in the middle of a frame')
    return null
  }

  async function next(taking: () => Uint8Array | undefined, signal?: AbortSignal): Promise<Uint8Array | null> {
    for (;;) {
      if (broken != null) throw broken
      const taken = taking()
      if (taken !== undefined) return taken
      // 'end' may come while bytes wait that multistream-select has put back, so its event is not enough
      if (stream.readableEnded && stream.readBufferLength === 0) return ending()
      await change(signal)
    }
  }

  async function change(signal?: AbortSignal): Promise<void> {
    if (wake != null) throw new Error('two reads of one stream at the same time')
    signal?.throwIfAborted()
    let timer: ReturnType<typeof setTimeout> | undefined
    let interrupt: (() => void) | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        wake = resolve
        interrupt = () => reject(signal?.reason)
        signal?.addEventListener('abort', interrupt)
        if (idleMs != null) {
          timer = setTimeout(() => reject(new StreamError('idle', `nothing came for ${idleMs / 1000} s`)), idleMs)
        }
      })
    } finally {
      wake = undefined
      clearTimeout(timer)
      if (interrupt != null) signal?.removeEventListener('abort', interrupt)
    }
  }

  stream.addEventListener('remoteCloseWrite', onPeerEnd)
  stream.addEventListener('end', poke)
  stream.addEventListener('close', onClose)
  stream.addEventListener('message', onMessage)

  return {
    read: signal => next(takeFrame, signal),
    readExactly: (bytes, signal) => next(() => (end - start >= bytes ? take(bytes) : undefined), signal),
    readSome: signal => next(() => (end > start ? take(end - start) : undefined), signal),
    unread: bytes => {
      const rest = buffer.slice(start, end)
      start = 0
      end = 0
      append(bytes)
      append(rest)
    },
    get buffered() {
      return end - start
    },
    detach: () => {
      stream.removeEventListener('remoteCloseWrite', onPeerEnd)
      stream.removeEventListener('end', poke)
      stream.removeEventListener('close', onClose)
      stream.removeEventListener('message', onMessage)
      return take(end - start)
    }
  }
}

/** Sends bytes, and waits until the stream takes more. Throws StreamError, or the reason of the signal. */
export async function write(stream: Stream, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  post(stream, bytes)
  await drained(stream, signal)
}

/** Waits until the stream takes more. Throws StreamError, or the reason of the signal. */
export async function drained(stream: Stream, signal?: AbortSignal): Promise<void> {
  // One 'drain' may make room for less than what waits, so ask again. Not with stream.onDrain(): its promise is made
  // once and never renewed (@libp2p/utils 7.4.1), so that from the second wait on it does not wait at all.
  while (stream.writableNeedsDrain) await drain(stream, signal)
}

/** Sends a few bytes without waiting: for answers that are small and few, so that no peer can hold us by not reading. */
export function post(stream: Stream, bytes: Uint8Array): void {
  try {
    stream.send(bytes)
  } catch (error) {
    throw unwritable(stream, error)
  }
}

async function drain(stream: Stream, signal?: AbortSignal): Promise<void> {
  if (stream.writeStatus === 'closed' || stream.remoteReadStatus === 'closed') throw unwritable(stream)
  signal?.throwIfAborted()
  let resume: (() => void) | undefined
  let fail: ((event: StreamCloseEvent) => void) | undefined
  let interrupt: (() => void) | undefined
  try {
    await new Promise<void>((resolve, reject) => {
      resume = resolve
      fail = event => reject(unwritable(stream, event.error))
      interrupt = () => reject(signal?.reason)
      stream.addEventListener('drain', resume)
      // a peer that stops reading (QUIC, WebRTC) is told by 'idle' alone
      stream.addEventListener('idle', resume)
      stream.addEventListener('close', fail)
      signal?.addEventListener('abort', interrupt)
    })
  } finally {
    if (resume != null) stream.removeEventListener('drain', resume)
    if (resume != null) stream.removeEventListener('idle', resume)
    if (fail != null) stream.removeEventListener('close', fail)
    if (interrupt != null) signal?.removeEventListener('abort', interrupt)
  }
}

function unwritable(stream: Stream, cause?: unknown): StreamError {
  if (cause instanceof StreamError) return cause
  if (stream.status === 'reset') return new StreamError('reset', 'the peer reset the stream', cause)
  return new StreamError('closed', 'the stream is closed for writing', cause)
}

/**
 * Ends our side and lets what the peer still sends go by until it ends its side too, at most `maxBytes` and `ms`;
 * then the stream is reset. A reset at once could overtake what was sent last.
 */
export async function finish(stream: Stream, maxBytes: number, ms: number): Promise<void> {
  if (stream.status !== 'open' && stream.status !== 'closing') return
  const closed = new Promise<void>(resolve => stream.addEventListener('close', () => resolve()))
  const timer = setTimeout(() => stream.abort(new StreamError('idle', 'the peer did not end the stream')), ms)
  // nobody waits for it, so it does not keep the process
  timer.unref?.()
  let passed = 0
  stream.addEventListener('message', event => {
    passed += event.data.byteLength
    if (passed > maxBytes) queueMicrotask(() => stream.abort(new StreamError('flooded', 'the peer went on sending')))
  })
  try {
    await stream.close()
    await closed
  } catch {
    // it was reset while its last bytes were on their way out, which is an end as well
  } finally {
    clearTimeout(timer)
  }
}
