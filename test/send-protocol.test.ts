import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { getEventListeners } from 'node:events'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { circuitRelayServer } from '@libp2p/circuit-relay-v2'
import {
  accept,
  bytesOf,
  chunks,
  connected,
  data,
  end,
  failed,
  hello,
  hex,
  message,
  offer,
  receiver,
  send,
  sha256,
  withReceiver
} from './helpers/send-peers.ts'
import { root } from './helpers/cli.ts'
import { plainNode } from './helpers/plain-node.ts'
import type { Code } from '../src/errors.ts'
import {
  decodeReceiverFrame,
  decodeSenderFrame,
  encodeReceiverFrame,
  encodeSenderFrame,
  KIND,
  STATUS
} from '../src/protocols/send-frames.ts'
import { type Item, receiveItems, SEND_PROTOCOL, sendHandlerOptions } from '../src/protocols/send.ts'
import { post } from '../src/protocols/stream.ts'
import type { StreamHandler } from '@libp2p/interface'

test('a text arrives, and the sender is told so with its hash', async () => {
  await using it = await withReceiver()
  const { done } = await send(it.connection, message(bytesOf('grüße')))
  assert.equal(done.bytes, 7)
  assert.equal(done.total_bytes, 7)
  assert.equal(done.sha256, hex(sha256(bytesOf('grüße'))))
  assert.equal(done.confirmed, true)
  assert.equal(it.received.length, 1)
  assert.equal(Buffer.from(it.received[0]!.bytes).toString(), 'grüße')
  assert.equal(it.received[0]!.protocol, SEND_PROTOCOL)
  assert.match(it.received[0]!.peerId, /^12D3KooW/)
})

test('an empty message arrives, of known size and of unknown', async () => {
  await using it = await withReceiver()
  await send(it.connection, message(new Uint8Array(0)))
  await send(it.connection, message(new Uint8Array(0), null))
  assert.deepEqual(
    it.received.map(({ bytes }) => bytes.byteLength),
    [0, 0]
  )
})

test('5 MB of bytes arrive as they were, also without a size', async () => {
  await using it = await withReceiver()
  const bytes = new Uint8Array(randomBytes(5_000_000))
  for (const size of [bytes.byteLength, null]) {
    const { done } = await send(it.connection, message(bytes, size))
    assert.equal(done.bytes, 5_000_000)
    assert.equal(done.sha256, hex(sha256(bytes)))
    assert.equal(Buffer.compare(it.received.pop()!.bytes, bytes), 0)
  }
})

test('every byte value arrives, in chunks of one byte and in one that is larger than a frame', async () => {
  await using it = await withReceiver()
  const every = Uint8Array.from({ length: 256 }, (_, i) => i)
  await send(it.connection, { kind: 'message', size: 256, source: chunks(every, 1) })
  assert.deepEqual(it.received.pop()!.bytes, every)
  const large = new Uint8Array(randomBytes(3_000_001))
  await send(it.connection, { kind: 'message', size: null, source: chunks(large, large.byteLength) })
  assert.equal(Buffer.compare(it.received.pop()!.bytes, large), 0)
})

test('progress says what was acknowledged, and ends before done', async () => {
  const bytes = new Uint8Array(600_000)
  await using it = await connected(
    receiver(async (stream, reader) => {
      post(stream, accept)
      for (let received = 0; received < bytes.byteLength; ) {
        received += decodeSenderFrame((await reader.read())!).data!.byteLength
        // progress is told ten times a second at most, so this one is worth telling
        if (received >= 262_144) await new Promise(resolve => setTimeout(resolve, 110))
        post(stream, encodeReceiverFrame({ ack: { received } }))
      }
      const receipt = { status: STATUS.OK, size: bytes.byteLength, sha256: sha256(bytes) }
      post(stream, encodeReceiverFrame({ receipt }))
    })
  )
  const { events } = await send(it.connection, message(bytes))
  assert.ok(events.length > 0)
  assert.equal(events[0]!.total_bytes, 600_000)
})

test('a message goes through a relay', async () => {
  await using relay = await plainNode({ services: { relay: circuitRelayServer() } })
  await using listener = await plainNode({ listen: [`${relay.getMultiaddrs()[0]}/p2p-circuit`] })
  await using dialer = await plainNode({ listen: [] })
  const received: string[] = []
  const onMessage = async ({ bytes }: { bytes: Uint8Array }) => void received.push(Buffer.from(bytes).toString())
  await listener.handle(SEND_PROTOCOL, receiveItems({ maxMessageBytes: 100, onMessage }), sendHandlerOptions)
  const connection = await dialer.dial(listener.getMultiaddrs())
  assert.ok(connection.limits)
  await send(connection, message(hello))
  assert.deepEqual(received, ['hello'])
})

test('a peer without the protocol is named', async () => {
  await using it = await connected()
  const failure = await failed(send(it.connection, message(hello)), 'protocol_not_supported')
  assert.match(failure.message, /^12D3KooW\w+ does not speak \/p2pctl\/send\/1\.0\.0$/)
})

test('a receiver that confirms another hash or size is not believed', async () => {
  for (const wrong of [
    { size: 5, sha256: sha256(bytesOf('jello')) },
    { size: 6, sha256: sha256(hello) },
    { size: 5 }
  ]) {
    await using it = await connected(
      receiver(async (stream, reader) => {
        while ((await reader.read()) != null);
        post(stream, encodeReceiverFrame({ receipt: { status: STATUS.OK, ...wrong } }))
      })
    )
    const failure = await failed(send(it.connection, message(hello)), 'hash_mismatch')
    assert.equal(failure.expected, hex(sha256(hello)))
  }
})

test('each status of the receiver has its code, and its words are shown escaped', async () => {
  const codes: [number, Code][] = [
    [STATUS.REFUSED, 'receiver_refused'],
    [STATUS.TOO_LARGE, 'too_large'],
    [STATUS.NO_SPACE, 'no_space'],
    [STATUS.EXISTS, 'file_exists'],
    [STATUS.HASH_MISMATCH, 'hash_mismatch'],
    [STATUS.MALFORMED, 'receiver_refused'],
    [STATUS.BUSY, 'receiver_refused'],
    [STATUS.INTERNAL, 'receiver_refused'],
    [0, 'receiver_refused'],
    [77, 'receiver_refused']
  ]
  let status = 0
  await using it = await connected(
    receiver(async stream => post(stream, encodeReceiverFrame({ receipt: { status, detail: 'no \x1b[2J way' } })))
  )
  for (const [next, code] of codes) {
    status = next
    const failure = await failed(send(it.connection, message(hello)), code)
    assert.ok(failure.message.endsWith(': no \\x1b[2J way'), failure.message)
    assert.equal(failure.exitCode, 1)
  }
})

test('a receiver that vanishes, resets or ends the stream in the middle has not received', async () => {
  const ways: [StreamHandler, ...Code[]][] = [
    // its resets of the streams may come before the end of the connection
    [receiver(async (_, __, connection) => connection.abort(new Error('gone'))), 'connection_reset', 'stream_reset'],
    [receiver(async stream => stream.abort(new Error('no'))), 'stream_reset'],
    [receiver(stream => stream.close()), 'stream_reset']
  ]
  for (const [handler, ...codes] of ways) {
    await using it = await connected(handler)
    await failed(send(it.connection, message(new Uint8Array(3_000_000))), ...codes)
  }
})

test('a receiver that answers garbage does not speak the protocol', async () => {
  const answers = [
    Uint8Array.of(0x80, 0x80, 0x80),
    Uint8Array.of(0x00),
    Uint8Array.of(0x03, 0xff, 0xff, 0xff),
    new Uint8Array(5000).fill(0x7f),
    encodeReceiverFrame({ ack: { received: 1 } }),
    encodeReceiverFrame({ accept: { window: 100 } }),
    encodeReceiverFrame({ accept: { offset: 3, window: 1 << 20 } }),
    Buffer.concat([accept, accept]),
    Buffer.concat([accept, encodeReceiverFrame({ ack: { received: 1 << 30 } })]),
    // of an item that has not ended
    encodeReceiverFrame({ receipt: { status: STATUS.OK, size: 3_000_000, sha256: sha256(new Uint8Array(3_000_000)) } })
  ]
  for (const answer of answers) {
    await using it = await connected(receiver(async stream => post(stream, new Uint8Array(answer))))
    const failure = await failed(send(it.connection, message(new Uint8Array(3_000_000))), 'malformed_answer')
    assert.match(failure.message, /does not keep to/)
  }
})

test('a receiver that says nothing ends in a timeout', async () => {
  await using it = await connected(receiver(async () => {}))
  await failed(send(it.connection, message(hello), { idleMs: 20 }), 'io_timeout')
  await failed(send(it.connection, message(new Uint8Array(3_000_000)), { idleMs: 20 }), 'io_timeout')
})

test('a source may be slower than the idle limit', async () => {
  await using it = await withReceiver()
  async function* slow(): AsyncGenerator<Uint8Array> {
    await new Promise(resolve => setTimeout(resolve, 700))
    yield hello
  }
  await send(it.connection, { kind: 'message', size: null, source: slow() }, { idleMs: 300 })
  assert.equal(it.received.length, 1)
})

test('what the source throws is thrown, and the receiver has no message', async () => {
  await using it = await withReceiver()
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield hello
    throw new Error('disk on fire')
  }
  await assert.rejects(send(it.connection, { kind: 'message', size: null, source: broken() }), {
    message: 'disk on fire'
  })
  await send(it.connection, message(hello))
  assert.equal(it.received.length, 1)
})

test('a source that gives more or less than was offered is not sent', async () => {
  await using it = await withReceiver()
  for (const size of [4, 6]) await failed(send(it.connection, message(hello, size)), 'file_unreadable')
  assert.equal(it.received.length, 0)
})

test('an interrupted sender throws the reason, stops a source that hangs, and leaves no listener', async () => {
  await using it = await withReceiver()
  const control = new AbortController()
  let returned = false
  const source: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => {
        control.abort(new Error('^C'))
        return new Promise(() => {})
      },
      return: async () => {
        returned = true
        return { done: true, value: undefined }
      }
    })
  }
  const item: Item = { kind: 'message', size: null, source }
  await assert.rejects(send(it.connection, item, { signal: control.signal }), { message: '^C' })
  assert.equal(returned, true)
  assert.equal(getEventListeners(control.signal, 'abort').length, 0)
})

test('the examples of the specification are what is sent and understood', async () => {
  const text = await readFile(join(root, 'docs/send-protocol.md'), 'utf8')
  const lines = /```hex\n([^`]+)```/.exec(text)![1]!.trim().split('\n')
  const examples = Object.fromEntries(lines.map(line => line.split(/ +/) as [string, string]))
  const none = new Uint8Array(0)
  const file = { name: 'notes.txt', size: 5, sha256: sha256(hello), media: 'text/plain', mode: 0o644, resumable: true }
  const modified = Date.UTC(2026, 0, 1) / 1000
  const frames = {
    'offer-hello': offer(5),
    'data-hello': data(hello),
    'end-hello': end(hello),
    accept,
    ack: encodeReceiverFrame({ ack: { received: 262_144 } }),
    'receipt-hello': encodeReceiverFrame({ receipt: { status: STATUS.OK, size: 5, sha256: sha256(hello) } }),
    'offer-unknown': offer(),
    'offer-empty': offer(0),
    'end-empty': end(none),
    'offer-file': encodeSenderFrame({ offer: { kind: KIND.FILE, modified, ...file } }),
    'accept-resume': encodeReceiverFrame({ accept: { offset: 3, window: 1 << 21 } }),
    'receipt-large': encodeReceiverFrame({ receipt: { status: STATUS.TOO_LARGE, max_size: 1 << 20 } }),
    'receipt-refused': encodeReceiverFrame({ receipt: { status: STATUS.REFUSED, detail: 'no files' } }),
    'receipt-busy': encodeReceiverFrame({ receipt: { status: STATUS.BUSY } })
  }
  assert.deepEqual(Object.fromEntries(Object.entries(frames).map(([name, bytes]) => [name, hex(bytes)])), examples)
  const body = (name: string): Uint8Array => new Uint8Array(Buffer.from(examples[name]!.slice(2), 'hex'))
  assert.deepEqual(decodeSenderFrame(body('offer-file')).offer, { kind: KIND.FILE, modified, ...file })
  assert.equal(decodeSenderFrame(body('offer-unknown')).offer?.size, undefined)
  assert.equal(decodeSenderFrame(body('offer-empty')).offer?.size, 0)
  assert.deepEqual(decodeSenderFrame(body('end-empty')).end, { size: 0, sha256: sha256(none) })
  assert.deepEqual(decodeReceiverFrame(body('accept-resume')).accept, { offset: 3, window: 1 << 21 })
  assert.equal(decodeReceiverFrame(body('receipt-large')).receipt?.max_size, 1 << 20)
  assert.equal(decodeReceiverFrame(body('receipt-refused')).receipt?.detail, 'no files')
})
