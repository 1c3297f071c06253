import type { Stream } from '@libp2p/interface'
import { streamReader, write } from '../../src/protocols/stream.ts'

/** A stream of bytes, from one end. */
export interface Frameless {
  exactly(bytes: number): Promise<Uint8Array | null>
  /** Bytes that have come and were not asked for yet. */
  buffered(): number
  /** All that comes until the peer ends its side. */
  rest(): Promise<Uint8Array>
  write(bytes: Uint8Array): Promise<void>
  close(): Promise<void>
  /** Resolves once it is closed, in whatever way. */
  gone: Promise<void>
}

export function frameless(stream: Stream): Frameless {
  const reader = streamReader(stream)
  const gone = Promise.withResolvers<void>()
  stream.addEventListener('close', () => gone.resolve())
  if (stream.status !== 'open' && stream.status !== 'closing') gone.resolve()
  return {
    exactly: bytes => reader.readExactly(bytes),
    buffered: () => reader.buffered,
    async rest() {
      const parts: Uint8Array[] = []
      for (let some = await reader.readSome(); some !== null; some = await reader.readSome()) parts.push(some)
      return Buffer.concat(parts)
    },
    write: bytes => write(stream, bytes),
    close: () => stream.close(),
    gone: gone.promise
  }
}
