import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { Uint8ArrayList } from 'uint8arraylist'
import { decodeHop, decodeStop, encodeHop, encodeStop } from '../src/protocols/circuit.ts'
import { peerIdOf } from '../src/protocols/fields.ts'
import { readFrame } from '../src/protocols/framing.ts'
import { plainNode } from './helpers/plain-node.ts'
import { callee, circuit, connectTo, drain, openHop, sendAll, startRelay } from './helpers/relay.ts'

const patient = { timeout: 60_000 }

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

describe('circuit, limits', patient, () => {
  test('exactly the data limit passes each way, whatever the other way has used', async () => {
    await using relay = await startRelay({ limitDataBytes: 300_000 })
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    const bytes = randomBytes(300_000)
    const { src, dst } = await circuit(relay, bob, alice)
    const atSrc = drain(src)
    const atDst = drain(dst)
    await Promise.all([sendAll(src, bytes), sendAll(dst, bytes)])
    await Promise.all([src.close(), dst.close()])
    for (const { bytes: received, end } of await Promise.all([atSrc, atDst])) {
      assert.equal(end, 'end')
      assert.ok(bytes.equals(received))
    }
    const { status, in_bytes, out_bytes } = await relay.event('circuit.close')
    assert.deepEqual({ status, in_bytes, out_bytes }, { status: 'closed', in_bytes: 300_000, out_bytes: 300_000 })
  })

  for (const way of ['there', 'back'] as const) {
    test(`more than the data limit resets both sides, and a slow reader still gets all that the limit allows (${way})`, async () => {
      const limit = 3_000_001
      await using relay = await startRelay({ limitDataBytes: limit })
      await using alice = await callee(relay, undefined, { window: 256 * 1024 })
      await using bob = await plainNode({ listen: [], window: 256 * 1024 })
      const bytes = randomBytes(4_000_000)
      const { src, dst } = await circuit(relay, bob, alice)
      const [from, to] = way === 'there' ? [src, dst] : [dst, src]
      const [atFrom, atTo] = [drain(from), drain(to, true)]
      await sendAll(from, bytes)
      const { bytes: received, end } = await atTo
      assert.equal(end, 'reset')
      assert.equal(received.byteLength, limit)
      assert.equal(sha256(received), sha256(bytes.subarray(0, limit)))
      assert.equal((await atFrom).end, 'reset')
      const { status, in_bytes, out_bytes } = await relay.event('circuit.close')
      const passed = way === 'there' ? { in_bytes: limit, out_bytes: 0 } : { in_bytes: 0, out_bytes: limit }
      assert.deepEqual({ status, in_bytes, out_bytes }, { status: 'data_limit', ...passed })
    })
  }

  test('one byte more than the data limit is too much', async () => {
    await using relay = await startRelay({ limitDataBytes: 1000 })
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    const { src, dst } = await circuit(relay, bob, alice)
    src.send(new Uint8Array(1001))
    const { bytes, end } = await drain(dst)
    assert.deepEqual([bytes.byteLength, end], [1000, 'reset'])
    assert.equal((await relay.event('circuit.close')).status, 'data_limit')
  })

  test('a circuit ends for both when its time is over', async () => {
    await using relay = await startRelay({ limitDurationMs: 1 })
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    const { src, dst, reply } = await circuit(relay, bob, alice)
    assert.equal(reply.limit?.duration, 1)
    assert.deepEqual([(await drain(src)).end, (await drain(dst)).end], ['reset', 'reset'])
    assert.equal((await relay.event('circuit.close')).status, 'duration_limit')
  })
})

describe('circuit, bytes', patient, () => {
  test('what is sent right behind the request, and right behind the answer, is passed on', async () => {
    await using relay = await startRelay()
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    const src = await openHop(bob, relay)
    src.send(new Uint8ArrayList(connectTo(alice.peerId), new TextEncoder().encode('early')))
    const { stream: dst } = await alice.called()
    dst.send(new TextEncoder().encode('early too'))
    await readFrame(src, { maxBytes: 4096, signal: new AbortController().signal })
    await Promise.all([src.close(), dst.close()])
    assert.equal(new TextDecoder().decode((await drain(dst)).bytes), 'early')
    assert.equal(new TextDecoder().decode((await drain(src)).bytes), 'early too')
    assert.equal((await relay.event('circuit.close')).status, 'closed')
  })

  test('a peer that has closed its side still gets the answer', async () => {
    await using relay = await startRelay()
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    const { src, dst } = await circuit(relay, bob, alice)
    src.send(new TextEncoder().encode('question'))
    await src.close()
    const question = await drain(dst)
    assert.deepEqual([new TextDecoder().decode(question.bytes), question.end], ['question', 'end'])
    dst.send(randomBytes(100_000))
    await dst.close()
    assert.equal((await drain(src)).bytes.byteLength, 100_000)
    assert.equal((await relay.event('circuit.close')).status, 'closed')
  })

  test('a reset of one side resets the other', async () => {
    await using relay = await startRelay()
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    const { src, dst } = await circuit(relay, bob, alice)
    dst.abort(new Error('no more'))
    assert.equal((await drain(src)).end, 'reset')
    assert.equal((await relay.event('circuit.close')).status, 'reset')
  })

  test('the last bytes of a peer that closes its connection arrive', async () => {
    await using relay = await startRelay()
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    const { src, dst } = await circuit(relay, bob, alice)
    const received = drain(dst)
    await sendAll(src, new Uint8Array(1_000_000))
    await bob.stop()
    assert.equal((await received).bytes.byteLength, 1_000_000)
    assert.equal((await relay.event('circuit.close')).status, 'closed')
  })

  for (const way of ['there', 'back'] as const) {
    test(`20 MB for a slow reader arrive whole, and little of it waits in the relay (${way})`, async () => {
      await using relay = await startRelay()
      await using alice = await callee(relay, undefined, { window: 256 * 1024 })
      await using bob = await plainNode({ listen: [], window: 256 * 1024 })
      const { src, dst } = await circuit(relay, bob, alice)
      const [from, to] = way === 'there' ? [src, dst] : [dst, src]
      let received = 0
      const whole = drain(to, true, bytes => {
        received += bytes
      })
      const bytes = randomBytes(20_000_000)
      let most = 0
      let ahead = 0
      const streams = relay.node.getConnections().flatMap(connection => connection.streams)
      let sent = 0
      await sendAll(from, bytes, () => {
        sent += 65_536
        ahead = Math.max(ahead, sent - received)
        const waiting = streams.map(stream => stream.readBufferLength + stream.writeBufferLength)
        most = Math.max(most, ...waiting)
      })
      await from.close()
      const { bytes: copy, end } = await whole
      assert.equal(end, 'end')
      assert.equal(sha256(copy), sha256(bytes))
      await to.close()
      assert.equal((await relay.event('circuit.close')).status, 'closed')
      assert.ok(most > 0 && most <= 3 << 20, `${most} bytes waited in one stream of the relay`)
      assert.ok(ahead <= 8 << 20, `${ahead} bytes were on their way`)
    })
  }
})

describe('circuit, messages', () => {
  const some = (bytes: number) => new Uint8Array(randomBytes(bytes))
  const peer = { id: some(36), addrs: [some(8), some(20)] }
  const limit = { duration: 120, data: 2 ** 40 }

  test('a message reads as it was written', () => {
    const reservation = { expire: 1_900_000_000, addrs: peer.addrs, voucher: some(200) }
    const hop = { type: 2, peer, reservation, limit, status: 100 }
    assert.deepEqual(decodeHop(encodeHop(hop)), hop)
    assert.deepEqual(decodeHop(encodeHop({ type: 0 })), { type: 0 })
    assert.deepEqual(decodeStop(encodeStop({ type: 0, limit })), { type: 0, limit })
  })

  test('garbage, and every cut of a message, is decoded or refused with a plain error', () => {
    const whole = encodeHop({ type: 2, peer, reservation: { expire: 1.9e9, addrs: peer.addrs }, limit, status: 100 })
    const cuts = Array.from(whole, (_, at) => whole.subarray(0, at))
    const garbage = Array.from({ length: 2_000 }, (_, at) => randomBytes(at % 64))
    const groups = new Uint8Array(4096).fill(0x3b)
    let refused = 0
    for (const bytes of [...cuts, ...garbage, groups, new Uint8Array(4096).fill(0x80)]) {
      try {
        decodeHop(bytes)
      } catch (error) {
        assert.match((error as Error).message, /^malformed hop message: /)
        refused++
      }
    }
    assert.ok(refused > 1_000, `${refused}`)
    assert.throws(() => decodeHop(groups), /wire type 3/)
    assert.throws(() => decodeStop(new Uint8Array(4097)), /4097 bytes, and 4096 are allowed/)
    for (const bytes of [...garbage, ...cuts]) assert.throws(() => peerIdOf(bytes))
  })
})
