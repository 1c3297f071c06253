import { writer } from 'protons-runtime'
import { Uint8ArrayList } from 'uint8arraylist'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

/** A message behind its length as a varint. */
export function frame(message: Uint8Array): Uint8Array {
  return writer().bytes(message).finish()
}

/**
 * Reads one message behind its length. A length above `maxBytes` fails at its first byte too many: libp2p's own
 * reader (@libp2p/utils 7) looks at the length only once it is complete, and an endless varint costs it seconds of CPU.
 *
 * The stream is left paused, with whatever came behind the message still in it: `resume()` to go on.
 */
export function readFrame(stream: Stream, options: { maxBytes: number; signal: AbortSignal }): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const { maxBytes, signal } = options
  const received = new Uint8ArrayList()

  const onMessage = (event: StreamMessageEvent) => {
    received.append(event.data)
    try {
      const message = takeFrame(received, maxBytes)
      if (message == null) return
      release()
      if (received.byteLength > 0) stream.unshift(received)
      resolve(message)
    } catch (error) {
      fail(error)
    }
  }
  const onEnd = () => fail(new Error('the stream ended before a whole message had come'))
  const onClose = (event: StreamCloseEvent) => fail(event.error ?? new Error('the stream was closed'))
  const onAbort = () => fail(signal.reason)

  const release = () => {
    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('end', onEnd)
    stream.removeEventListener('close', onClose)
    signal.removeEventListener('abort', onAbort)
    if (stream.readStatus === 'readable') stream.pause()
  }
  const fail = (error: unknown) => {
    release()
    reject(error)
  }

  stream.addEventListener('message', onMessage)
  stream.addEventListener('end', onEnd)
  stream.addEventListener('close', onClose)
  signal.addEventListener('abort', onAbort)
  if (signal.aborted) onAbort()
  else if (stream.readBufferLength === 0 && (stream.readableEnded || stream.status !== 'open')) onEnd()
  else if (stream.readStatus === 'paused') stream.resume()
  return promise
}

/** Takes the first message out of `received`; undefined while it is not whole yet. */
function takeFrame(received: Uint8ArrayList, maxBytes: number): Uint8Array | undefined {
  let size = 0
  for (let at = 0; at < received.byteLength; at++) {
    const byte = received.get(at)
    size += (byte & 0x7f) * 2 ** (7 * at)
    const more = byte >= 0x80
    if (size > maxBytes || (more && 2 ** (7 * (at + 1)) > maxBytes)) {
      throw new Error(`a message of more than ${maxBytes} bytes`)
    }
    if (more) continue
    const end = at + 1 + size
    if (received.byteLength < end) return undefined
    // a copy: what came behind it must not keep a whole network buffer alive, nor share one with it
    const message = received.slice(at + 1, end)
    received.consume(end)
    return message
  }
  return undefined
}
