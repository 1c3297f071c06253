import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { type CircuitRelayService, circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { type Ping, ping } from '@libp2p/ping'
import check, { type Options } from '../src/commands/relay-check.ts'
import { begin, failureOf, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { reserve, startRelay } from './helpers/relay.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 60_000 }
const start = (relay: string, options: Partial<Options> = {}) => begin(check, { relay, timeout: 10_000, ...options })
const found = (said: Said[]) => only(said, 'relay.check').map(({ step, ok, problems }) => [step, ok, ...problems])

function jsRelay(defaultDurationLimit: number, defaultDataLimit: bigint) {
  return plainNode<{ relay: CircuitRelayService }>({
    services: { relay: circuitRelayServer({ reservations: { defaultDurationLimit, defaultDataLimit } }) }
  })
}

describe('relay check', patient, () => {
  test('a relay of our own: everything holds, and its limits are those that it keeps', async () => {
    await using relay = await startRelay({ limitDurationMs: 1000, limitDataBytes: 65_536, ttlMs: 60_000 })
    const said = await start(relay.addr, { measureLimits: true }).done
    assert.deepEqual(found(said), [
      ['reserve', true],
      ['expiry', true],
      ['limits', true],
      ['voucher', true],
      ['addrs', true],
      ['circuit', true],
      ['ping', true],
      ['data', true],
      ['duration', true]
    ])
    const rows = only(said, 'relay.check')
    assert.deepEqual([rows[2]!.limit_s, rows[2]!.limit_bytes], [1, 65_536])
    assert.deepEqual([rows[4]!.addrs, rows[4]!.public], [[relay.addr], 0])
    assert.equal(rows[7]!.measured_in_bytes, 65_536)
    assert.equal(one(said, 'run.summary').ok, true)
  })

  test("js-libp2p's relay: milliseconds for seconds, and data of both ways counted together", async () => {
    await using relay = await jsRelay(1000, 65_536n)
    const running = start(addrOf(relay), { measureLimits: true })
    const failure = await failureOf(running.done)
    assert.deepEqual([failure.code, failure.exitCode], ['relay_check_failed', 1])
    assert.match(failure.message, /data counted together, duration in milliseconds/)
    assert.deepEqual(found(running.said), [
      ['reserve', true],
      ['expiry', true],
      ['limits', true, 'duration_looks_like_milliseconds'],
      ['voucher', true],
      ['addrs', true],
      ['circuit', true],
      ['ping', true],
      ['data', false, 'data_counted_together'],
      ['duration', false, 'duration_in_milliseconds']
    ])
  })

  test("without measuring, what js-libp2p's relay advertises is a warning", async () => {
    await using relay = await jsRelay(120_000, 131_072n)
    const said = await start(addrOf(relay)).done
    const limits = only(said, 'relay.check').find(({ step }) => step === 'limits')!
    assert.deepEqual([limits.ok, limits.limit_s, limits.limit_bytes], [true, 120_000, 131_072])
    assert.deepEqual(limits.problems, ['duration_looks_like_milliseconds'])
    assert.equal(one(said, 'run.summary').ok, true)
  })

  test('a relay that names no private address, as that of go-libp2p, is a warning in a private network', async () => {
    let silent = false
    await using relay = await plainNode<{ relay: CircuitRelayService }>({
      services: { relay: circuitRelayServer() },
      libp2p: { addresses: { listen: ['/ip4/127.0.0.1/tcp/0'], announceFilter: addrs => (silent ? [] : addrs) } }
    })
    const addr = addrOf(relay)
    silent = true
    const said = await start(addr).done
    const addrs = only(said, 'relay.check').find(({ step }) => step === 'addrs')!
    assert.deepEqual([addrs.ok, addrs.addrs, addrs.problems], [true, [], ['no_public_addrs']])
    assert.equal(one(said, 'run.summary').ok, true)
  })

  test('limits that would take too long to find are not measured, and it says so', async () => {
    await using relay = await startRelay({ limitDataBytes: 2 ** 27, limitDurationMs: 900_000_000 })
    const said = await start(relay.addr, { measureLimits: true }).done
    const rows = only(said, 'relay.check').slice(-2)
    assert.deepEqual(
      rows.map(({ ok, problems }) => [ok, ...problems]),
      [
        [true, 'too_much_to_measure'],
        [true, 'too_long_to_measure']
      ]
    )
  })

  test('through a peer that is named', async () => {
    await using relay = await startRelay()
    await using peer = await plainNode<{ ping: Ping }>({
      listen: [`${relay.addr}/p2p-circuit`],
      services: { ping: ping() }
    })
    const said = await start(relay.addr, { through: peer.peerId.toString() }).done
    const pinged = only(said, 'relay.check').find(({ step }) => step === 'ping')!
    assert.equal(pinged.peer_id, peer.peerId.toString())
    assert.equal((await relay.event('circuit.open')).dst_peer_id, peer.peerId.toString())
  })

  test('through a peer that has no reservation: exit 7 names the status', async () => {
    await using relay = await startRelay()
    await using peer = await plainNode({ listen: [] })
    const failure = await failureOf(start(relay.addr, { through: peer.peerId.toString() }).done)
    assert.deepEqual([failure.code, failure.exitCode], ['relay_no_reservation', 7])
  })

  test('a relay that is full: exit 7, RESERVATION_REFUSED', async () => {
    await using relay = await startRelay({ maxReservations: 1 })
    await using first = await plainNode({ listen: [] })
    await reserve(first, relay)
    const running = start(relay.addr)
    const failure = await failureOf(running.done)
    assert.deepEqual([failure.code, failure.exitCode, failure.phase], ['relay_refused', 7, 'relay'])
    assert.match(failure.message, /RESERVATION_REFUSED/)
    const { step, ok, status } = one(running.said, 'relay.check')
    assert.deepEqual([step, ok, status], ['reserve', false, 'RESERVATION_REFUSED'])
  })

  test('a peer that is no relay: exit 6', async () => {
    await using peer = await plainNode()
    const failure = await failureOf(start(addrOf(peer)).done)
    assert.deepEqual([failure.code, failure.exitCode], ['protocol_not_supported', 6])
    assert.match(failure.message, /is no relay/)
  })
})
