import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { describe, test } from 'node:test'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { RecordEnvelope } from '@libp2p/peer-record'
import { PING_PROTOCOL, type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import {
  decodeVoucher,
  encodeHop,
  HOP_PROTOCOL,
  HOP_TYPE,
  STATUS,
  statusName,
  STOP_PROTOCOL,
  VOUCHER_DOMAIN
} from '../src/protocols/circuit.ts'
import { frame } from '../src/protocols/framing.ts'
import { sameHost } from '../src/protocols/reservations.ts'
import { plainNode } from './helpers/plain-node.ts'
import { callee, circuit, connectTo, hop, openHop, RESERVE, reserve, startRelay } from './helpers/relay.ts'
import type { Connection, StreamMessageEvent } from '@libp2p/interface'

const patient = { timeout: 30_000 }

function pinger(listen: string[] = []) {
  return plainNode<{ ping: Ping }>({ listen, services: { ping: ping() } })
}

/** One ping over just this connection: by peer ID libp2p 3.3 would dial again rather than use a limited one. */
async function echoes(connection: Connection): Promise<boolean> {
  const stream = await connection.newStream(PING_PROTOCOL, { runOnLimitedConnection: true })
  const bytes = randomBytes(32)
  stream.send(bytes)
  const [{ data }] = (await once(stream as unknown as EventTarget, 'message')) as [StreamMessageEvent]
  await stream.close()
  return bytes.equals(data.subarray())
}

describe('relay, reservations', patient, () => {
  test('a js-libp2p peer reserves, another dials it through the relay, and pings go both ways', async () => {
    await using relay = await startRelay({ limitDurationMs: 120_000, limitDataBytes: 1 << 20 })
    await using alice = await pinger([`${relay.addr}/p2p-circuit`])
    await using bob = await pinger()
    const called = once(alice as unknown as EventTarget, 'connection:open')
    const there = await bob.dial(multiaddr(`${relay.addr}/p2p-circuit/p2p/${alice.peerId}`))
    assert.equal(there.direct, false)
    // 120,000 with the relay of js-libp2p itself (@libp2p/circuit-relay-v2 4.2)
    assert.ok(there.limits!.seconds! <= 120)
    const [{ detail: back }] = (await called) as [CustomEvent<Connection>]
    assert.equal(back.remotePeer.toString(), bob.peerId.toString())
    assert.ok(await echoes(there))
    assert.ok(await echoes(back))
    assert.equal(relay.node.services.relay.reservations, 1)
    assert.equal(relay.node.services.relay.circuits, 1)
    await there.close()
    const close = await relay.event('circuit.close')
    assert.deepEqual(relay.log(), ['reservation.open OK', 'circuit.open OK', 'circuit.close closed'])
    assert.equal(close.src_peer_id, bob.peerId.toString())
    assert.equal(close.dst_peer_id, alice.peerId.toString())
    assert.ok(close.in_bytes > 64 && close.out_bytes > 64 && close.duration_ms > 0)
    assert.equal(relay.node.services.relay.circuits, 0)
  })

  test('limits are told in seconds and in bytes each way, rounded up to what is enforced', async () => {
    await using relay = await startRelay({ limitDurationMs: 119_001, limitDataBytes: 131_072 })
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    assert.deepEqual((await reserve(bob, relay)).limit, { duration: 120, data: 131_072 })
    const src = await openHop(bob, relay)
    assert.deepEqual((await hop(src, connectTo(alice.peerId))).limit, { duration: 120, data: 131_072 })
    const { request } = await alice.called()
    assert.deepEqual(request.limit, { duration: 120, data: 131_072 })
    assert.deepEqual(request.peer?.id, bob.peerId.toMultihash().bytes)
  })

  test('a reply names when the reservation ends, where the relay is, and a voucher with its signature', async () => {
    await using relay = await startRelay({ ttlMs: 60_000 })
    await using alice = await plainNode({ listen: [] })
    const before = Math.floor(Date.now() / 1000)
    const { reservation, limit, status } = await reserve(alice, relay)
    const after = Math.ceil(Date.now() / 1000)
    assert.equal(status, STATUS.OK)
    assert.equal(limit, undefined)
    assert.ok(reservation!.expire >= before + 60 && reservation!.expire <= after + 60)
    assert.deepEqual(
      reservation!.addrs.map(addr => multiaddr(addr).toString()),
      [relay.addr]
    )
    const envelope = await RecordEnvelope.openAndCertify(reservation!.voucher!, VOUCHER_DOMAIN)
    assert.deepEqual([...envelope.payloadType], [0x03, 0x02])
    const voucher = decodeVoucher(envelope.payload)
    assert.equal(peerIdFromPublicKey(envelope.publicKey).toString(), relay.node.peerId.toString())
    assert.equal(voucher.relay.toString(), relay.node.peerId.toString())
    assert.equal(voucher.peer.toString(), alice.peerId.toString())
    assert.equal(voucher.expiration, reservation!.expire)
    const { expires, addr } = await relay.event('reservation.open')
    assert.equal(expires, new Date(reservation!.expire * 1000).toISOString())
    assert.match(addr!, /^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\//)
  })

  test('a full relay refuses, a refresh keeps its slot, and a peer that leaves frees it at once', async () => {
    await using relay = await startRelay({ maxReservations: 1 })
    await using alice = await plainNode({ listen: [] })
    await using bob = await plainNode({ listen: [] })
    assert.equal((await reserve(alice, relay)).status, STATUS.OK)
    assert.equal((await reserve(bob, relay)).status, STATUS.RESERVATION_REFUSED)
    assert.equal((await reserve(alice, relay)).status, STATUS.OK)
    await alice.stop()
    const gone = await relay.event('reservation.close')
    assert.equal(gone.peer_id, alice.peerId.toString())
    assert.equal((await reserve(bob, relay)).status, STATUS.OK)
    assert.deepEqual(relay.log(), [
      'reservation.open OK',
      'reservation.refused RESERVATION_REFUSED',
      'reservation.refresh OK',
      'reservation.close disconnected',
      'reservation.open OK'
    ])
    assert.equal((await relay.event('reservation.refused')).expires, null)
  })

  test('a peer keeps its slot until its last connection is closed', async () => {
    await using relay = await startRelay()
    await using alice = await plainNode({ listen: [] })
    const first = await alice.dial(multiaddr(relay.addr))
    const second = await alice.dial(multiaddr(relay.addr), { force: true })
    await reserve(alice, relay)
    const closed = new Promise(resolve => relay.node.addEventListener('connection:close', resolve, { once: true }))
    await first.close()
    await closed
    assert.equal(relay.node.services.relay.reservations, 1)
    await second.close()
    await relay.event('reservation.close')
    assert.equal(relay.node.services.relay.reservations, 0)
  })

  test('of several connections of a peer the newest takes the circuit', async () => {
    await using relay = await startRelay()
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [], circuit: false })
    const [older] = alice.getConnections()
    const newer = await alice.dial(multiaddr(relay.addr), { force: true })
    await circuit(relay, bob, alice)
    const taken = [older!, newer].map(({ streams }) => streams.some(({ protocol }) => protocol === STOP_PROTOCOL))
    assert.deepEqual(taken, [false, true])
  })

  test('a reservation that is not refreshed expires', async () => {
    await using relay = await startRelay({ ttlMs: 1 })
    await using alice = await plainNode({ listen: [] })
    await reserve(alice, relay)
    assert.equal((await relay.event('reservation.close')).status, 'expired')
    assert.equal(relay.node.services.relay.reservations, 0)
  })

  test('a relay that stops says so of every reservation and circuit', async () => {
    await using relay = await startRelay()
    await using alice = await callee(relay)
    await using bob = await plainNode({ listen: [] })
    await circuit(relay, bob, alice)
    await relay.node.stop()
    await relay.event('circuit.close')
    const log = relay.log().sort()
    assert.deepEqual(log, [
      'circuit.close stopped',
      'circuit.open OK',
      'reservation.close stopped',
      'reservation.open OK'
    ])
  })

  test('a reservation over a circuit is denied', async () => {
    await using outer = await startRelay()
    const relay = await startRelay()
    await using inner = relay
    // the same peer, reached through the outer relay: a transport for circuits is all that it needs
    const own = relay.node as unknown as { components: Parameters<ReturnType<typeof circuitRelayTransport>>[0] }
    const transport = circuitRelayTransport()(own.components)
    const manager = own.components.transportManager as unknown as { add(transport: unknown): void }
    manager.add(transport)
    await (transport as unknown as { start(): Promise<void> }).start()
    await own.components.transportManager.listen([multiaddr(`${outer.addr}/p2p-circuit`)])
    await using alice = await plainNode({ listen: [] })
    const connection = await alice.dial(multiaddr(`${outer.addr}/p2p-circuit/p2p/${inner.node.peerId}`))
    const stream = await connection.newStream(HOP_PROTOCOL, { runOnLimitedConnection: true })
    assert.equal((await hop(stream, RESERVE)).status, STATUS.PERMISSION_DENIED)
    assert.deepEqual(inner.log(), ['reservation.refused PERMISSION_DENIED'])
  })

  const [address] = Object.values(networkInterfaces()).flatMap(all =>
    all!.filter(({ family, internal }) => family === 'IPv4' && !internal)
  )
  const skip = address == null && 'this machine has no address but loopback'

  test('one host may hold only so many reservations, unless it is this one', { skip }, async () => {
    await using relay = await startRelay({ maxReservationsPerIp: 1 }, [`/ip4/${address!.address}/tcp/0`])
    await using alice = await plainNode({ listen: [] })
    await using bob = await plainNode({ listen: [] })
    assert.equal((await reserve(alice, relay)).status, STATUS.OK)
    assert.equal((await reserve(bob, relay)).status, STATUS.RESERVATION_REFUSED)
    assert.equal((await reserve(alice, relay)).status, STATUS.OK)
  })

  test('a host is one IPv4 address or one IPv6 /56, however written', () => {
    const same = (a: string, b: string) => sameHost(multiaddr(`${a}/tcp/1`), multiaddr(`${b}/tcp/2`))
    assert.ok(same('/ip4/192.0.2.1', '/ip4/192.0.2.1'))
    assert.ok(same('/ip4/192.0.2.1', '/ip6/::ffff:192.0.2.1'))
    assert.ok(!same('/ip4/192.0.2.1', '/ip4/192.0.2.2'))
    assert.ok(same('/ip6/2001:db8:0:ff::1', '/ip6/2001:db8:0:1::2'))
    assert.ok(!same('/ip6/2001:db8:0:ff::1', '/ip6/2001:db8:0:100::1'))
    assert.ok(!same('/dns4/example.org', '/dns4/example.org'))
  })
})

describe('relay, refused circuits', patient, () => {
  test('a peer without a reservation cannot be reached, connected or not', async () => {
    await using relay = await startRelay()
    await using alice = await plainNode({ listen: [] })
    await using bob = await plainNode({ listen: [] })
    await alice.dial(multiaddr(relay.addr))
    await assert.rejects(bob.dial(multiaddr(`${relay.addr}/p2p-circuit/p2p/${alice.peerId}`)), /NO_RESERVATION/)
    await reserve(alice, relay)
    await alice.stop()
    await relay.event('reservation.close')
    await assert.rejects(bob.dial(multiaddr(`${relay.addr}/p2p-circuit/p2p/${alice.peerId}`)), /NO_RESERVATION/)
    const { src_peer_id, dst_peer_id } = await relay.event('circuit.refused', 2)
    assert.deepEqual([src_peer_id, dst_peer_id], [bob.peerId.toString(), alice.peerId.toString()])
  })

  test('circuits are counted, all of them and those of each peer', async () => {
    await using relay = await startRelay({ maxCircuits: 2, maxCircuitsPerPeer: 1 })
    await using alice = await callee(relay)
    await using bob = await callee(relay)
    await using carol = await callee(relay)
    await using dave = await callee(relay)
    await using erin = await plainNode({ listen: [], circuit: false })
    await circuit(relay, alice, bob)
    const ask = async (from: typeof erin, to: typeof erin) =>
      statusName((await hop(await openHop(from, relay), connectTo(to.peerId))).status!)
    assert.equal(await ask(alice, carol), 'RESOURCE_LIMIT_EXCEEDED')
    assert.equal(await ask(carol, bob), 'RESOURCE_LIMIT_EXCEEDED')
    const { src } = await circuit(relay, carol, dave)
    assert.equal(await ask(erin, erin), 'PERMISSION_DENIED')
    await reserve(erin, relay)
    await using frank = await plainNode({ listen: [] })
    assert.equal(await ask(frank, erin), 'RESOURCE_LIMIT_EXCEEDED')
    src.abort(new Error('enough'))
    await relay.event('circuit.close')
    // erin has no handler for the stop protocol
    assert.equal(await ask(frank, erin), 'CONNECTION_FAILED')
  })

  test('a peer that refuses the circuit makes it fail, and gives its place back', async () => {
    await using relay = await startRelay({ maxCircuits: 1 })
    await using alice = await callee(relay, STATUS.PERMISSION_DENIED)
    await using bob = await plainNode({ listen: [] })
    for (const nth of [1, 2]) {
      const reply = await hop(await openHop(bob, relay), connectTo(alice.peerId))
      assert.equal(reply.status, STATUS.CONNECTION_FAILED)
      assert.equal((await relay.event('circuit.refused', nth)).status, 'CONNECTION_FAILED')
    }
  })

  const oneself = (id: Uint8Array) => frame(encodeHop({ type: HOP_TYPE.CONNECT, peer: { id, addrs: [] } }))
  const cases: Array<[string, Uint8Array, keyof typeof STATUS]> = [
    ['garbage', Uint8Array.of(5, 255, 254, 253, 252, 251), 'MALFORMED_MESSAGE'],
    ['a length without an end', new Uint8Array(3).fill(0x80), 'MALFORMED_MESSAGE'],
    ['a length of more than 4 KiB', Uint8Array.of(0x81, 0x20), 'MALFORMED_MESSAGE'],
    ['a message without a type', frame(encodeHop({})), 'MALFORMED_MESSAGE'],
    ['a connect without a peer', frame(encodeHop({ type: HOP_TYPE.CONNECT })), 'MALFORMED_MESSAGE'],
    ['a connect to what is no peer ID', oneself(Uint8Array.of(0, 3, 97, 58, 98)), 'MALFORMED_MESSAGE'],
    ['a status', frame(encodeHop({ type: HOP_TYPE.STATUS, status: 100 })), 'UNEXPECTED_MESSAGE'],
    ['an unknown type', frame(encodeHop({ type: 7 })), 'UNEXPECTED_MESSAGE']
  ]

  test('what is no request is answered with the status that says so, and nothing else happens', async () => {
    await using relay = await startRelay()
    await using alice = await plainNode({ listen: [] })
    for (const [what, bytes, status] of cases) {
      const stream = await openHop(alice, relay)
      assert.equal(statusName((await hop(stream, bytes)).status!), status, what)
      await stream.close()
    }
    assert.deepEqual(relay.log(), [])
    assert.equal((await reserve(alice, relay)).status, STATUS.OK)
  })
})
