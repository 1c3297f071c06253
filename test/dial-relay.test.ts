import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ping } from '@libp2p/ping'
import dial, { type Options } from '../src/commands/dial.ts'
import { HOP_PROTOCOL } from '../src/protocols/circuit.ts'
import { collect, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { callee, startRelay } from './helpers/relay.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const run = (target: string, options: Partial<Options> = {}): Promise<Said[]> =>
  collect(dial, { target: [target], timeout: 10_000, ...options })

describe('dial through a relay', patient, () => {
  for (const [name, listen] of [
    ['TCP', '/ip4/127.0.0.1/tcp/0'],
    ['WebSocket', '/ip4/127.0.0.1/tcp/0/ws']
  ] as const) {
    test(`over ${name}: the peer answers, and the connection is limited`, async () => {
      await using relay = await startRelay({ limitDataBytes: 1 << 20 }, [listen])
      await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`], services: { ping: ping() } })
      const target = `${relay.addr}/p2p-circuit/p2p/${peer.peerId}`
      const said = await run(target, { protocol: ['/ipfs/ping/1.0.0'] })
      const attempt = one(said, 'dial.attempt')
      assert.deepEqual(
        [attempt.ok, attempt.addr, attempt.transport, attempt.limited, attempt.security, attempt.muxer],
        [true, target, 'circuit', true, 'noise', 'yamux']
      )
      const { connect_ms, security_ms, identify_ms } = attempt.phases
      for (const ms of [connect_ms, security_ms, identify_ms]) assert.ok(ms != null && ms > 0)
      assert.ok(connect_ms! + security_ms! + identify_ms! <= attempt.total_ms)
      const open = one(said, 'connection.open')
      assert.deepEqual([open.limited, open.transport, open.peer_id], [true, 'circuit', peer.peerId.toString()])
      assert.equal(one(said, 'peer.identify').peer_id, peer.peerId.toString())
      assert.ok(one(said, 'dial.protocol').ok)
      assert.equal(one(said, 'run.summary').exit_code, 0)
      await relay.event('circuit.close')
    })
  }

  test('a bare peer ID is dialed through the relay that is named', async () => {
    await using relay = await startRelay()
    await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    const said = await run(peer.peerId.toString(), { relay: relay.addr })
    assert.equal(one(said, 'dial.attempt').addr, `${relay.addr}/p2p-circuit/p2p/${peer.peerId}`)
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  async function fails(target: string, code: string, phase: string, exitCode: number, timeout = 10_000) {
    const said = await run(target, { timeout })
    const error = one(said, 'error')
    const { error: told } = one(said, 'dial.attempt')
    assert.deepEqual([told?.code, told?.phase], [code, phase], error.message)
    assert.deepEqual([error.code, error.phase, error.exit_code], [code, phase, exitCode])
    assert.equal(one(said, 'run.summary').exit_code, exitCode)
    assert.equal(only(said, 'connection.open').length, 0)
    return error
  }

  test('a peer without a reservation: relay_no_reservation', async () => {
    await using relay = await startRelay()
    await using peer = await plainNode()
    const { message } = await fails(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, 'relay_no_reservation', 'relay', 7)
    assert.match(message, /NO_RESERVATION/)
  })

  test('a relay with too many circuits: relay_limit', async () => {
    await using relay = await startRelay({ maxCircuits: 0 })
    await using peer = await callee(relay)
    await fails(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, 'relay_limit', 'relay', 7)
  })

  test('a peer that does not take the circuit: relay_refused with CONNECTION_FAILED', async () => {
    await using relay = await startRelay()
    await using peer = await callee(relay, 202)
    const { message } = await fails(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, 'relay_refused', 'relay', 7)
    assert.match(message, /CONNECTION_FAILED/)
  })

  test('a relay that cannot be reached is told apart from a peer that cannot', async () => {
    await using peer = await plainNode()
    const relay = `/ip4/127.0.0.1/tcp/${await closedPort()}/p2p/${peer.peerId}`
    const error = await fails(`${relay}/p2p-circuit/p2p/${PEER}`, 'connection_refused', 'relay', 1)
    assert.match(error.message, /the relay: connection refused/)
  })

  test('another peer in the place of the relay: both are named', async () => {
    await using relay = await startRelay()
    const wrong = relay.addr.replace(/[^/]+$/, PEER)
    const error = await fails(`${wrong}/p2p-circuit/p2p/${relay.node.peerId}`, 'peer_id_mismatch', 'relay', 5)
    assert.deepEqual([error.expected, error.actual], [PEER, relay.node.peerId.toString()])
  })

  test('a peer that is no relay', async () => {
    await using plain = await plainNode()
    await fails(`${addrOf(plain)}/p2p-circuit/p2p/${PEER}`, 'protocol_not_supported', 'relay', 6)
  })

  test('a relay that resets, says garbage or says nothing', async () => {
    await using relay = await plainNode()
    const target = `${addrOf(relay)}/p2p-circuit/p2p/${PEER}`
    await relay.handle(HOP_PROTOCOL, stream => stream.abort(new Error('no')))
    await fails(target, 'connection_reset', 'relay', 1)
    await relay.handle(HOP_PROTOCOL, stream => void stream.send(Uint8Array.of(3, 0xff, 0xff, 0xff)), { force: true })
    await fails(target, 'malformed_answer', 'relay', 1)
    await relay.handle(HOP_PROTOCOL, () => {}, { force: true })
    await fails(target, 'io_timeout', 'relay', 1, 1500)
  })

  test('an address whose relay has no peer ID is refused', async () => {
    const port = await closedPort()
    await fails(`/ip4/127.0.0.1/tcp/${port}/p2p-circuit/p2p/${PEER}`, 'invalid_multiaddr', 'relay', 2)
  })
})

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
