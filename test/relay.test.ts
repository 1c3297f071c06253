import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { echo } from '@libp2p/echo'
import { multiaddr } from '@multiformats/multiaddr'
import relay, { type Options } from '../src/commands/relay.ts'
import { STATUS } from '../src/protocols/circuit.ts'
import { streamReader, write } from '../src/protocols/stream.ts'
import { begin, one } from './helpers/collect.ts'
import { plainNode } from './helpers/plain-node.ts'
import { connectTo, hop, RESERVE } from './helpers/relay.ts'
import type { Connection, Libp2p } from '@libp2p/interface'

const patient = { timeout: 30_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const start = (options: Partial<Options> = {}) =>
  begin(relay, {
    listen: [LOCAL],
    maxReservations: 16,
    ttl: 3_600_000,
    limitDuration: 120_000,
    limitData: 1 << 17,
    ...options
  })

const echoing = (listen: string[]) => plainNode({ listen, services: { echo: echo({ runOnLimitedConnection: true }) } })

async function ask(node: Libp2p, addr: string, bytes: Uint8Array) {
  return await hop(await node.dialProtocol(multiaddr(addr), '/libp2p/circuit/relay/0.2.0/hop'), bytes)
}

// not services.echo, which dials again where a connection is limited
async function echoed(connection: Connection, text: string): Promise<string> {
  const stream = await connection.newStream('/echo/1.0.0', { runOnLimitedConnection: true })
  const reader = streamReader(stream)
  await write(stream, Buffer.from(text))
  const back = await reader.readExactly(text.length)
  await stream.close()
  return Buffer.from(back!).toString()
}

describe('relay', patient, () => {
  for (const listen of [LOCAL, `${LOCAL}/ws`, '/ip6/::1/tcp/0']) {
    test(`on ${listen}: a js-libp2p peer reserves, another goes through and has its echo, and each step is told`, async () => {
      await using running = start({ listen: [listen] })
      const { addrs, peer_id } = await running.next('listen.ready')
      assert.equal(addrs.length, 1)
      await using alice = await echoing([`${addrs[0]}/p2p-circuit`])
      const open = await running.next('reservation.open')
      assert.deepEqual([open.peer_id, open.status], [alice.peerId.toString(), 'OK'])
      assert.ok(Date.parse(open.expires!) > Date.now())
      await using bob = await plainNode({ listen: [] })
      const connection = await bob.dial(multiaddr(`${addrs[0]}/p2p-circuit/p2p/${alice.peerId}`))
      const { bytes, seconds } = connection.limits!
      // what is left of 128 KiB after the handshake
      assert.ok(bytes! > 120_000n && bytes! <= 131_072n && seconds === 120, `${bytes} ${seconds}`)
      assert.equal(await echoed(connection, 'hello'), 'hello')
      await connection.close()
      const closed = await running.next('circuit.close')
      const pair = { src_peer_id: bob.peerId.toString(), dst_peer_id: alice.peerId.toString() }
      const { src_peer_id, dst_peer_id, status } = closed
      assert.deepEqual({ src_peer_id, dst_peer_id }, pair)
      assert.equal(status, 'closed')
      assert.ok(closed.in_bytes > 5 && closed.out_bytes > 5 && closed.duration_ms > 0)
      await alice.stop()
      const gone = await running.next('reservation.close')
      assert.deepEqual([gone.peer_id, gone.status], [alice.peerId.toString(), 'disconnected'])
      const all = await running.stop()
      assert.deepEqual(
        all.map(({ type }) => type).filter(type => /^(reservation|circuit|listen)/.test(type)),
        ['listen.ready', 'reservation.open', 'circuit.open', 'circuit.close', 'reservation.close']
      )
      assert.deepEqual(one(all, 'run.summary'), { type: 'run.summary', ok: true, connections: 2 })
      assert.notEqual(peer_id, alice.peerId.toString())
    })
  }

  test('--max-reservations is kept, and a peer that leaves frees its slot at once', async () => {
    await using running = start({ maxReservations: 1 })
    const addr = (await running.next('listen.ready')).addrs[0]!
    await using alice = await plainNode({ listen: [] })
    await using bob = await plainNode({ listen: [] })
    assert.equal((await ask(alice, addr, RESERVE)).status, STATUS.OK)
    assert.equal((await ask(bob, addr, RESERVE)).status, STATUS.RESERVATION_REFUSED)
    const refused = await running.next('reservation.refused')
    assert.deepEqual([refused.peer_id, refused.status], [bob.peerId.toString(), 'RESERVATION_REFUSED'])
    await alice.stop()
    await running.next('reservation.close')
    assert.equal((await ask(bob, addr, RESERVE)).status, STATUS.OK)
  })

  test('--ttl and the limits are what is told', async () => {
    await using running = start({ ttl: 60_000, limitDuration: 30_000, limitData: 4096 })
    const addr = (await running.next('listen.ready')).addrs[0]!
    await using alice = await plainNode({ listen: [] })
    const { limit, reservation } = await ask(alice, addr, RESERVE)
    assert.deepEqual(limit, { duration: 30, data: 4096 })
    const { expires } = await running.next('reservation.open')
    assert.equal(Date.parse(expires!) / 1000, reservation!.expire)
    assert.ok(reservation!.expire <= Math.ceil((Date.now() + 60_000) / 1000))
  })

  test('more data than --limit-data ends the circuit', async () => {
    await using running = start({ limitData: 8192 })
    const addr = (await running.next('listen.ready')).addrs[0]!
    await using alice = await echoing([`${addr}/p2p-circuit`])
    await using bob = await plainNode({ listen: [] })
    const connection = await bob.dial(multiaddr(`${addr}/p2p-circuit/p2p/${alice.peerId}`))
    await assert.rejects(echoed(connection, 'x'.repeat(20_000)))
    const { status, in_bytes } = await running.next('circuit.close')
    // js-libp2p counts too, and may be the first to end it
    assert.match(status, /limit|reset/)
    assert.ok(in_bytes <= 8192)
    assert.notEqual(connection.status, 'open')
  })

  test('a circuit to a peer without a reservation is refused, and told', async () => {
    await using running = start()
    const addr = (await running.next('listen.ready')).addrs[0]!
    await using alice = await plainNode()
    await using bob = await plainNode({ listen: [] })
    await alice.dial(multiaddr(addr))
    assert.equal((await ask(bob, addr, connectTo(alice.peerId))).status, STATUS.NO_RESERVATION)
    const { src_peer_id, dst_peer_id, status } = await running.next('circuit.refused')
    assert.deepEqual([src_peer_id, dst_peer_id, status], [String(bob.peerId), String(alice.peerId), 'NO_RESERVATION'])
  })

  test('a relay that is stopped with a circuit open ends in order', async () => {
    await using running = start()
    const addr = (await running.next('listen.ready')).addrs[0]!
    await using alice = await plainNode({ listen: [`${addr}/p2p-circuit`] })
    await using bob = await plainNode({ listen: [] })
    await bob.dial(multiaddr(`${addr}/p2p-circuit/p2p/${alice.peerId}`))
    await running.next('circuit.open')
    assert.deepEqual(one(await running.stop(), 'run.summary'), { type: 'run.summary', ok: true, connections: 2 })
  })
})
