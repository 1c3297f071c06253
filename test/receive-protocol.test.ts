import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import {
  bytesOf,
  chunks,
  data,
  end,
  exchange,
  failed,
  hello,
  message,
  offer,
  send,
  sha256,
  withReceiver
} from './helpers/send-peers.ts'
import { defaultOf } from './helpers/limits.ts'
import { decodeReceiverFrame, encodeSenderFrame, KIND, STATUS } from '../src/protocols/send-frames.ts'
import { type Item, SEND_PROTOCOL } from '../src/protocols/send.ts'
import { StreamError, streamReader, write } from '../src/protocols/stream.ts'

test('the receipt waits until the message was shown', async () => {
  const shown = Promise.withResolvers<void>()
  const asked = Promise.withResolvers<void>()
  await using it = await withReceiver({
    onMessage: async () => {
      asked.resolve()
      await shown.promise
    }
  })
  let sent = false
  const sending = send(it.connection, message(hello)).then(() => {
    sent = true
  })
  await asked.promise
  assert.equal(sent, false)
  shown.resolve()
  await sending
})

test('a receiver that cannot show the message says so, and not why', async () => {
  await using it = await withReceiver({ onMessage: () => Promise.reject(new Error('EPIPE /home/secret')) })
  const failure = await failed(send(it.connection, message(hello)), 'receiver_refused')
  assert.match(failure.message, /failed to take it$/)
})

test('a file is refused, with the reason', async () => {
  await using it = await withReceiver()
  const item: Item = { kind: 'file', name: 'notes.txt', size: 5, source: chunks(hello) }
  const failure = await failed(send(it.connection, item), 'receiver_refused')
  assert.match(failure.message, /refused: only messages are taken here, no files$/)
  assert.equal(it.received.length, 0)
})

test('limit --max-message: 1 MiB is taken, and not one byte more', async () => {
  await using it = await withReceiver({ maxMessageBytes: defaultOf('listen', '--max-message') })
  for (const size of [1_048_576, null]) await send(it.connection, message(new Uint8Array(1_048_576), size))
  for (const size of [1_048_577, null]) {
    await failed(send(it.connection, message(new Uint8Array(1_048_577), size)), 'too_large')
  }
  assert.deepEqual(
    it.received.map(({ bytes }) => bytes.byteLength),
    [1_048_576, 1_048_576]
  )
})

test('a message that is too large is refused by its offer, by its count, and with the limit', async () => {
  await using it = await withReceiver({ maxMessageBytes: 1000 })
  await send(it.connection, message(new Uint8Array(1000), null))
  for (const size of [1001, null]) {
    const failure = await failed(send(it.connection, message(new Uint8Array(1001), size)), 'too_large')
    assert.match(failure.message, /takes 1000 bytes at most$/)
  }
  // far more than fits on the way, so that it is stopped in the middle
  await failed(send(it.connection, message(new Uint8Array(8_000_000), null)), 'too_large')
  assert.equal(it.received.length, 1)
})

test('more items at once than a peer may send are refused as busy', async () => {
  const full = Promise.withResolvers<void>()
  const shown = Promise.withResolvers<void>()
  let open = 0
  await using it = await withReceiver({
    maxItemsOfPeer: 2,
    onMessage: async () => {
      if (++open === 2) full.resolve()
      await shown.promise
    }
  })
  const two = [send(it.connection, message(hello)), send(it.connection, message(hello))]
  await full.promise
  const failure = await failed(send(it.connection, message(hello)), 'receiver_refused')
  assert.match(failure.message, /is busy$/)
  shown.resolve()
  await Promise.all(two)
  await send(it.connection, message(hello))
})

test('a sender that lies about size or hash is told, and its message is not shown', async () => {
  await using it = await withReceiver()
  const jello = bytesOf('jello')
  const lies: [Uint8Array[], number][] = [
    [[offer(4), data(hello), end(hello)], STATUS.MALFORMED],
    [[offer(6), data(hello), end(hello)], STATUS.MALFORMED],
    [[offer(), data(hello), encodeSenderFrame({ end: { size: 4, sha256: sha256(hello) } })], STATUS.MALFORMED],
    [[offer(5), data(hello), end(jello)], STATUS.HASH_MISMATCH],
    [
      [encodeSenderFrame({ offer: { kind: KIND.MESSAGE, sha256: sha256(jello) } }), data(hello), end(hello)],
      STATUS.HASH_MISMATCH
    ]
  ]
  for (const [frames, status] of lies) assert.equal((await exchange(it.connection, ...frames)).status, status)
  assert.equal(it.received.length, 0)
})

test('a sender that ends in the middle, or sends garbage, is told so', async () => {
  await using it = await withReceiver()
  const garbage = [
    [],
    [offer(5)],
    [offer(5), data(hello)],
    [offer(5), data(hello).subarray(0, 3)],
    [data(hello)],
    [end(hello)],
    [offer(5), offer(5)],
    [offer(5), Uint8Array.of(0)],
    [offer(5), Uint8Array.of(0x02, 0x12, 0x00)],
    [offer(5), Uint8Array.of(0x80, 0x80, 0x80)],
    [offer(5), Uint8Array.of(0xff, 0xff, 0x7f)],
    [offer(5), Uint8Array.of(0x03, 0x0b, 0x0b, 0x0b)],
    [offer(5), Uint8Array.of(0x04, 0x08, 0x01, 0x12, 0x00)],
    [encodeSenderFrame({ offer: { kind: KIND.MESSAGE, name: 'n'.repeat(1025) } })],
    [encodeSenderFrame({ offer: { kind: KIND.MESSAGE, sha256: hello } })],
    [new Uint8Array(randomBytes(64)).fill(0x7f, 0, 1)]
  ]
  for (const frames of garbage) assert.equal((await exchange(it.connection, ...frames)).status, STATUS.MALFORMED)
  assert.equal((await exchange(it.connection, encodeSenderFrame({ offer: { kind: 9 } }))).status, STATUS.REFUSED)
  assert.equal(it.received.length, 0)
})

test('unknown fields are skipped, and a sender may send byte by byte', async () => {
  await using it = await withReceiver()
  const offerOfTomorrow = Uint8Array.of(0x0b, 0x0a, 0x09, 0x08, 0x01, 0x7a, 0x03, 1, 2, 3, 0x18, 0x05)
  const frames = Buffer.concat([offerOfTomorrow, data(hello), end(hello)])
  const receipt = await exchange(it.connection, ...Array.from(frames, byte => Uint8Array.of(byte)))
  assert.equal(receipt.status, STATUS.OK)
  assert.deepEqual(new Uint8Array(receipt.sha256!), sha256(hello))
  assert.equal(it.received.length, 1)
})

test('a sender that stops in the middle is reset, one that vanishes is forgotten', async () => {
  await using it = await withReceiver({ idleMs: 300, maxItems: 1 })
  const stream = await it.connection.newStream(SEND_PROTOCOL)
  const reader = streamReader(stream)
  await write(stream, offer(5))
  assert.ok(decodeReceiverFrame((await reader.read())!).accept)
  await assert.rejects(reader.read(), (error: unknown) => error instanceof StreamError && error.reason === 'reset')
  const other = await it.connection.newStream(SEND_PROTOCOL)
  const answers = streamReader(other)
  await write(other, offer(5))
  assert.ok(decodeReceiverFrame((await answers.read())!).accept)
  other.abort(new Error('gone'))
  // the one place there is was given back both times
  await send(it.connection, message(hello))
  assert.equal(it.received.length, 1)
})
