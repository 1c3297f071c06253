import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CircuitRelayService, circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import dial from '../src/commands/dial.ts'
import listen, { type Options } from '../src/commands/listen.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { certificates } from './helpers/certificates.ts'
import { run as runBinary, start as startBinary } from './helpers/cli.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { reserve, startRelay } from './helpers/relay.ts'

const patient = { timeout: 30_000 }
const start = (options: Partial<Options>) => begin(listen, { maxMessage: 1 << 20, ...options })

async function pingThrough(addr: string, listener: ReturnType<typeof start>): Promise<void> {
  await using peer = await plainNode<{ ping: Ping }>({ listen: [], services: { ping: ping() } })
  const connection = await peer.dial(multiaddr(addr))
  assert.equal(connection.direct, false)
  assert.ok((await peer.services.ping.ping(connection.remotePeer)) >= 0)
  const mine = (event: { peer_id: string }): boolean => event.peer_id === peer.peerId.toString()
  const { transport, direction } = await listener.next('connection.open', mine)
  assert.deepEqual([transport, direction], ['circuit', 'inbound'])
  assert.match((await listener.next('peer.identify', mine)).agent_version!, /^js-libp2p/)
}

describe('listen --circuit', patient, () => {
  test('reachable through our relay', async () => {
    await using relay = await startRelay()
    await using listener = start({ circuit: [relay.addr] })
    const { peer_id, addr, status, target } = await listener.next('reservation.open')
    const ready = await listener.next('listen.ready')
    const circuit = `${relay.addr}/p2p-circuit/p2p/${ready.peer_id}`
    assert.deepEqual([peer_id, addr, status, target], [relay.node.peerId.toString(), circuit, 'OK', relay.addr])
    assert.deepEqual(ready.addrs, [circuit], 'without --listen it is reachable through the relay alone')
    await pingThrough(circuit, listener)
    const before = listener.said.slice(0, 4).map(({ type }) => type)
    assert.deepEqual(before, ['run.start', 'dial.attempt', 'connection.open', 'reservation.open'])
  })

  test('reachable through the relay of js-libp2p, and directly', async () => {
    await using relay = await plainNode<{ relay: CircuitRelayService }>({
      services: { relay: circuitRelayServer() }
    })
    await using listener = start({ circuit: [addrOf(relay)], listen: ['/ip4/127.0.0.1/tcp/0'] })
    const { addrs, peer_id } = await listener.next('listen.ready')
    const circuit = `${addrOf(relay)}/p2p-circuit/p2p/${peer_id}`
    assert.equal(addrs.length, 2)
    assert.ok(addrs.includes(circuit), addrs.join())
    await pingThrough(circuit, listener)
  })

  test('reachable through two relays', async () => {
    await using one = await startRelay()
    await using two = await startRelay()
    await using listener = start({ circuit: [one.addr, two.addr] })
    const { addrs } = await listener.next('listen.ready')
    for (const relay of [one, two]) {
      const circuit = addrs.find(addr => addr.startsWith(relay.addr))
      assert.ok(circuit, addrs.join())
      await pingThrough(circuit, listener)
    }
  })

  test('a relay without a peer ID in its address will do', async () => {
    await using relay = await startRelay()
    await using listener = start({ circuit: [relay.addr.replace(/\/p2p\/.*/, '')] })
    const { addrs, peer_id } = await listener.next('listen.ready')
    assert.deepEqual(addrs, [`${relay.addr}/p2p-circuit/p2p/${peer_id}`])
  })

  test('a relay that listens on everything is one at each of its addresses', async () => {
    const everything = Array.from({ length: 21 }, () => '/ip4/127.0.0.1/tcp/0')
    await using relay = await startRelay({}, everything)
    await using listener = start({ circuit: [relay.addr], webrtc: true })
    const { addrs, peer_id } = await listener.next('listen.ready')
    const circuits = relay.node.getMultiaddrs().map(addr => `${addr}/p2p-circuit`)
    const all = circuits.flatMap(addr => [`${addr}/p2p/${peer_id}`, `${addr}/webrtc/p2p/${peer_id}`])
    assert.deepEqual(addrs.toSorted(), all.toSorted())
    const dialed = await collect(dial, { target: [`${circuits[0]}/p2p/${peer_id}`], timeout: 10_000 })
    assert.equal(one(dialed, 'peer.identify').listen_addrs.length, all.length, 'identify has room for them')
  })

  test('a relay that goes away: the addresses change', async () => {
    const relay = await startRelay()
    await using listener = start({ circuit: [relay.addr], listen: ['/ip4/127.0.0.1/tcp/0'] })
    const { addrs } = await listener.next('listen.ready')
    assert.equal(addrs.length, 2)
    await relay[Symbol.asyncDispose]()
    const left = await listener.next('listen.addrs')
    assert.deepEqual(
      left.addrs,
      addrs.filter(addr => !addr.includes('p2p-circuit'))
    )
  })

  test('a relay behind a certificate of its own: --ca trusts it, --insecure does not look', async () => {
    using files = await certificates()
    const { cert, key } = await files.selfSigned('relay')
    const listen = ['-l', '/ip4/127.0.0.1/tcp/0/tls/ws', '--cert', cert, '--key', key]
    await using relay = startBinary(['relay', '--json', ...listen])
    const [addr] = (await relay.next('listen.ready')).addrs
    for (const way of ['--circuit', '--bootstrap']) {
      for (const [option, checked] of [
        [['--ca', cert], true],
        [['--insecure'], false]
      ] as const) {
        await using listener = startBinary(['listen', '--json', way, addr!, ...option])
        assert.equal((await listener.next('connection.open')).transport, 'wss')
        if (way === '--bootstrap' && checked) continue
        assert.equal((await listener.next('dial.attempt')).certificate_checked, checked)
      }
      const { code, events } = await runBinary(['listen', '--json', way, addr!, '--for', '1s'])
      assert.deepEqual([code, one(events, 'error').code], [way === '--circuit' ? 3 : 0, 'tls_cert_invalid'])
    }
  })

  test('a relay that refuses: relay_refused, exit 7', async () => {
    await using relay = await startRelay({ maxReservations: 1 })
    await using first = await plainNode({ listen: [] })
    await reserve(first, relay)
    const failure = await failureOf(start({ circuit: [relay.addr] }).done)
    assert.deepEqual([failure.code, failure.exitCode, failure.phase], ['relay_refused', 7, 'relay'])
    assert.match(failure.message, /RESERVATION_REFUSED/)
  })

  test('a relay that cannot be reached: exit 3, with what the dial says', async () => {
    const target = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const listener = start({ circuit: [target] })
    const failure = await failureOf(listener.done)
    assert.deepEqual([failure.code, failure.exitCode, failure.target], ['connection_refused', 3, target])
    assert.equal(one(listener.said, 'dial.attempt').error?.code, 'connection_refused')
    assert.deepEqual(only(listener.said, 'listen.ready'), [])
  })

  test('a peer that is no relay: protocol_not_supported, exit 3', async () => {
    await using plain = await plainNode()
    const failure = await failureOf(start({ circuit: [addrOf(plain)] }).done)
    assert.deepEqual([failure.code, failure.exitCode, failure.phase], ['protocol_not_supported', 3, 'relay'])
    assert.match(failure.message, /is no relay/)
  })
})
