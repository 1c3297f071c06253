import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import listen, { type Options } from '../src/commands/listen.ts'
import relay from '../src/commands/relay.ts'
import relayReserve from '../src/commands/relay-reserve.ts'
import { generateKeyFile } from '../src/keys.ts'
import { begin, failureOf, only } from './helpers/collect.ts'
import { plainNode } from './helpers/plain-node.ts'
import { reserve, startRelay } from './helpers/relay.ts'

const patient = { timeout: 40_000 }
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-reserve-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const startListen = (options: Partial<Options>) => begin(listen, { maxMessage: 1 << 20, ...options })
const startRelayCommand = (identity: string, addr: string) =>
  begin(relay, {
    identity,
    listen: [addr],
    maxReservations: 16,
    ttl: 3_600_000,
    limitDuration: 120_000,
    limitData: 1 << 17
  })

async function pingThrough(addr: string): Promise<void> {
  await using peer = await plainNode<{ ping: Ping }>({ listen: [], services: { ping: ping() } })
  const connection = await peer.dial(multiaddr(addr))
  assert.ok((await peer.services.ping.ping(connection.remotePeer)) >= 0)
}

describe('a reservation that is kept', patient, () => {
  test('listen --circuit comes back after the relay restarts with the same identity and port', async () => {
    const identity = join(folder, 'relay.key')
    await generateKeyFile(identity)
    const first = startRelayCommand(identity, '/ip4/127.0.0.1/tcp/0')
    const addr = (await first.next('listen.ready')).addrs[0]!
    await using listener = startListen({ circuit: [addr] })
    const { addr: circuit, expires } = await listener.next('reservation.open')
    assert.ok(Date.parse(expires!) > Date.now())
    await listener.next('listen.ready')
    await first.stop()
    const closed = await listener.next('reservation.close')
    assert.deepEqual([closed.addr, closed.status], [circuit, 'disconnected'])
    const { status, wait_ms } = await listener.next('reservation.retry')
    assert.deepEqual([status, wait_ms], ['connection_refused', 1000])
    await using second = startRelayCommand(identity, addr.replace(/\/p2p\/.*/, ''))
    assert.equal((await listener.next('reservation.open')).addr, circuit)
    await second.next('reservation.open')
    await pingThrough(circuit!)
    const all = await listener.stop()
    assert.equal(only(all, 'reservation.close').at(-1)!.status, 'stopped')
  })

  test('it is renewed before it ends', async () => {
    await using relay = await startRelay({ ttlMs: 1000 })
    await using listener = startListen({ circuit: [relay.addr] })
    const open = await listener.next('reservation.open')
    const refresh = await listener.next('reservation.refresh')
    const again = await listener.next('reservation.refresh')
    assert.ok(Date.parse(open.expires!) <= Date.parse(refresh.expires!))
    assert.ok(Date.parse(open.expires!) < Date.parse(again.expires!))
    await relay.event('reservation.refresh', 2)
    assert.deepEqual(
      relay.log().filter(line => !line.includes('refresh')),
      ['reservation.open OK']
    )
    await pingThrough(open.addr!)
  })

  test('a connection that drops is made again, and a relay that is full by then is asked until it is not', async () => {
    await using relay = await startRelay({ maxReservations: 1 })
    await using listener = startListen({ circuit: [relay.addr] })
    const { addr } = await listener.next('reservation.open')
    const other = await plainNode({ listen: [] })
    await other.dial(multiaddr(relay.addr))
    const self = (await listener.next('listen.ready')).peer_id
    relay.node
      .getConnections()
      .find(({ remotePeer }) => remotePeer.toString() === self)!
      .abort(new Error('cut'))
    await relay.event('reservation.close')
    await reserve(other, relay)
    assert.equal((await listener.next('reservation.close')).status, 'disconnected')
    assert.equal((await listener.next('reservation.retry')).status, 'RESERVATION_REFUSED')
    await other.stop()
    assert.equal((await listener.next('reservation.open')).addr, addr)
    await pingThrough(addr!)
  })
})

describe('relay reserve', patient, () => {
  test('holds a reservation with its real end, is there to be pinged, and keeps a ready file', async () => {
    await using relay = await startRelay({ ttlMs: 60_000 })
    const readyFile = join(folder, 'ready.json')
    const running = begin(relayReserve, { relay: relay.addr, timeout: 10_000, readyFile })
    const { addr, expires } = await running.next('reservation.open')
    assert.equal(expires, (await relay.event('reservation.open')).expires)
    const ready = await running.next('listen.ready')
    assert.deepEqual(ready.addrs, [addr])
    assert.deepEqual(JSON.parse(readFileSync(readyFile, 'utf8')).addrs, [addr])
    await pingThrough(addr!)
    const all = await running.stop()
    assert.deepEqual([all.at(-1)!.type, existsSync(readyFile)], ['run.summary', false])
    assert.equal((await relay.event('reservation.close')).status, 'disconnected')
  })

  test('a refusal is exit 7 and names the status', async () => {
    await using relay = await startRelay({ maxReservations: 1 })
    await using first = await plainNode({ listen: [] })
    await reserve(first, relay)
    const running = begin(relayReserve, { relay: relay.addr, timeout: 10_000 })
    const failure = await failureOf(running.done)
    assert.deepEqual([failure.code, failure.exitCode], ['relay_refused', 7])
    assert.equal(only(running.said, 'reservation.refused')[0]!.status, 'RESERVATION_REFUSED')
  })
})
