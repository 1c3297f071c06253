/** What a person sends to one peer: messages, files, and what the peer is to echo. */
import type { Connection } from '@libp2p/interface'
import { equals } from 'uint8arrays'
import { Failure } from '../errors.ts'
import type { Event } from '../events.ts'
import { contentOf } from '../payload.ts'
import { failure, streamFailure } from '../protocols/send-failures.ts'
import { openStream } from '../protocols/open-stream.ts'
import { type Item, sendItem } from '../protocols/send.ts'
import { finish, StreamError, streamReader, write } from '../protocols/stream.ts'
import { safe } from '../safe.ts'

/** https://github.com/libp2p/js-libp2p/tree/main/packages/protocol-echo */
export const ECHO = '/echo/1.0.0'
const ECHO_IDLE_MS = 10_000
const LINGER_MS = 5000
const CHUNK_BYTES = 1 << 18

type Sent = Event<'send.progress' | 'send.done'>

export async function* sendText(connection: Connection, text: string, signal: AbortSignal): AsyncGenerator<Sent> {
  const bytes = new TextEncoder().encode(text)
  yield* sendTo(connection, { kind: 'message', size: bytes.length, source: once(bytes) }, signal)
}

export async function* sendFile(connection: Connection, file: File, signal: AbortSignal): AsyncGenerator<Sent> {
  yield* sendTo(connection, { kind: 'file', name: file.name, size: file.size, source: contentsOf(file) }, signal)
}

async function* sendTo(connection: Connection, item: Item, signal: AbortSignal): AsyncGenerator<Sent> {
  const target = connection.remotePeer.toString()
  for await (const event of sendItem(connection, item, signal)) yield { ...event, target }
}

/** What the peer sends back has to be what it was sent. Throws Failure. */
export async function askEcho(
  connection: Connection,
  text: string,
  signal: AbortSignal
): Promise<Event<'message.received'>> {
  const bytes = new TextEncoder().encode(text)
  const stream = await openStream(connection, ECHO, signal, { idleMs: ECHO_IDLE_MS })
  try {
    const reader = streamReader(stream, { maxBufferedBytes: bytes.length + CHUNK_BYTES, idleMs: ECHO_IDLE_MS })
    const [answer] = await Promise.all([reader.readExactly(bytes.length, signal), write(stream, bytes, signal)])
    const peerId = connection.remotePeer.toString()
    if (answer == null) throw failure(connection, 'stream_reset', `${peerId} ended the stream before it had echoed`)
    if (!equals(answer, bytes)) {
      throw failure(connection, 'hash_mismatch', `what ${peerId} echoed is not what was sent`)
    }
    void finish(stream, CHUNK_BYTES, LINGER_MS)
    return { type: 'message.received', peer_id: peerId, protocol: ECHO, ...contentOf(answer) }
  } catch (error) {
    stream.abort(new Error('no echo'))
    signal.throwIfAborted()
    throw error instanceof StreamError ? streamFailure(connection, error) : error
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** In slices: Safari has no `for await` over a stream (26). */
async function* contentsOf(file: File): AsyncGenerator<Uint8Array> {
  try {
    for (let at = 0; at < file.size; at += CHUNK_BYTES) {
      yield new Uint8Array(await file.slice(at, at + CHUNK_BYTES).arrayBuffer())
    }
  } catch (cause) {
    throw new Failure('file_unreadable', `cannot read ${safe(file.name)}`, {
      phase: 'transfer',
      hint: 'it may have changed or gone since it was chosen: choose it again',
      cause
    })
  }
}
