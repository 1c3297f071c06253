import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { type Code, Failure } from '../../src/errors.ts'
import {
  decodeReceiverFrame,
  decodeSenderFrame,
  encodeReceiverFrame,
  encodeSenderFrame,
  KIND,
  type Receipt
} from '../../src/protocols/send-frames.ts'
import { type Item, receiveItems, SEND_PROTOCOL, sendHandlerOptions, sendItem } from '../../src/protocols/send.ts'
import { type StreamReader, streamReader, write } from '../../src/protocols/stream.ts'
import { plainNode } from './plain-node.ts'
import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import type { Event } from '../../src/events.ts'

const never = new AbortController().signal
export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)
export const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(bytes).digest())
export const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export async function* chunks(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += size) yield bytes.subarray(at, at + size)
}

export const message = (bytes: Uint8Array, size: number | null = bytes.byteLength): Item => ({
  kind: 'message',
  size,
  source: chunks(bytes)
})

export async function connected(handler?: StreamHandler): Promise<{ connection: Connection } & AsyncDisposable> {
  const receiver = await plainNode()
  const sender = await plainNode({ listen: [] })
  if (handler != null) await receiver.handle(SEND_PROTOCOL, handler, sendHandlerOptions)
  const connection = await sender.dial(receiver.getMultiaddrs())
  return {
    connection,
    [Symbol.asyncDispose]: async () => {
      await sender.stop()
      await receiver.stop()
    }
  }
}

/** Two nodes, and what the receiver was handed. */
export async function withReceiver(options: Partial<Parameters<typeof receiveItems>[0]> = {}) {
  const received: Parameters<Parameters<typeof receiveItems>[0]['onMessage']>[0][] = []
  const onMessage = async (it: (typeof received)[0]): Promise<void> => void received.push(it)
  return Object.assign(await connected(receiveItems({ maxMessageBytes: 10_000_000, onMessage, ...options })), {
    received
  })
}

export async function send(
  connection: Connection,
  item: Item,
  options: { signal?: AbortSignal; idleMs?: number } = {}
) {
  const events: Event<'send.progress'>[] = []
  let done: Event<'send.done'> | undefined
  let bytes = 0
  for await (const event of sendItem(connection, item, options.signal ?? never, options)) {
    assert.equal(done, undefined, 'nothing comes after send.done')
    if (event.type === 'send.done') {
      done = event
    } else {
      assert.ok(event.bytes > bytes)
      bytes = event.bytes
      events.push(event)
    }
  }
  assert.ok(done != null && done.bytes >= bytes)
  return { done, events }
}

export async function failed(sending: Promise<unknown>, ...codes: Code[]): Promise<Failure> {
  const error = await sending.then(
    () => assert.fail('it was sent'),
    error => error
  )
  assert.ok(error instanceof Failure, String(error))
  assert.ok(codes.includes(error.code), `${error.code}: ${error.message}`)
  assert.equal(error.phase, 'transfer')
  return error
}

/** A receiver by hand: it reads the offer, then does as it is told. */
export const receiver = (
  then: (stream: Stream, reader: StreamReader, connection: Connection) => Promise<void>
): StreamHandler => {
  return async (stream, connection) => {
    const reader = streamReader(stream, { maxFrameBytes: 1 << 20 })
    assert.ok(decodeSenderFrame((await reader.read())!).offer)
    await then(stream, reader, connection)
  }
}

/** A sender by hand: the frames, then its end; what comes back but for accept and acks. */
export async function exchange(connection: Connection, ...frames: Uint8Array[]): Promise<Receipt> {
  const stream = await connection.newStream(SEND_PROTOCOL)
  const reader = streamReader(stream)
  for (const frame of frames) await write(stream, frame)
  await stream.close()
  for (;;) {
    const frame = await reader.read()
    assert.ok(frame, 'the stream ended without a receipt')
    const { receipt } = decodeReceiverFrame(frame)
    if (receipt !== undefined) return receipt
  }
}

export const offer = (size?: number): Uint8Array => encodeSenderFrame({ offer: { kind: KIND.MESSAGE, size } })
export const data = (bytes: Uint8Array): Uint8Array => encodeSenderFrame({ data: bytes })
export const end = (bytes: Uint8Array): Uint8Array =>
  encodeSenderFrame({ end: { size: bytes.length, sha256: sha256(bytes) } })
export const accept = encodeReceiverFrame({ accept: { window: 1 << 21 } })
export const hello = bytesOf('hello')
