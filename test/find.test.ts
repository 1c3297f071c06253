// A peer ID without an address, looked up through the sources that are named. mDNS has its own file.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ping as pingService } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import dial, { type Options } from '../src/commands/dial.ts'
import ping from '../src/commands/ping.ts'
import { dialable } from '../src/sources/source.ts'
import { collect, failureOf, one, only } from './helpers/collect.ts'
import { dhtChain } from './helpers/dht-network.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { startRelay } from './helpers/relay.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const KAD = '/p2pctl-test/kad/1.0.0'
const NOBODY = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const run = (peerId: string, options: Partial<Options>): Promise<Said[]> =>
  collect(dial, { target: [peerId], timeout: 10_000, ...options })

describe('a bare peer ID with --bootstrap', patient, () => {
  test('is one of these peers, whether its address names it or not', async () => {
    await using peer = await plainNode()
    const peerId = peer.peerId.toString()
    for (const addr of [addrOf(peer), addrOf(peer).replace(/\/p2p\/.*/, '')]) {
      const said = await run(peerId, { bootstrap: [addr] })
      const { source, addr: asked, addrs } = one(said, 'dial.resolve')
      assert.deepEqual([source, asked, addrs], ['bootstrap', `/p2p/${peerId}`, [addrOf(peer)]])
      const { ok, addr: dialed, peer_id } = one(said, 'dial.attempt')
      assert.deepEqual([ok, dialed, peer_id], [true, addrOf(peer), peerId])
    }
  })

  test('is known in the DHT that they keep, whichever that is', async () => {
    await using nodes = await dhtChain(2, { protocol: KAD })
    const [named, sought] = [nodes[0]!, nodes[1]!]
    const said = await run(sought.peerId.toString(), { bootstrap: [addrOf(named)] })
    assert.deepEqual(one(said, 'dial.resolve').source, 'bootstrap')
    const attempts = only(said, 'dial.attempt')
    assert.deepEqual([attempts.at(-1)!.ok, attempts.at(-1)!.peer_id], [true, sought.peerId.toString()])
    assert.ok(attempts[0]!.phases.resolve_ms! > 0)
  })

  test('nobody knows it: each source says what it did, and nothing is dialed', async () => {
    await using plain = await plainNode()
    await using nodes = await dhtChain(1, { protocol: KAD })
    const away = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const said = await run(NOBODY, { bootstrap: [addrOf(plain), addrOf(nodes[0]!), away] })
    const { code, message, phase } = one(said, 'error')
    assert.deepEqual([code, phase], ['no_addresses', 'resolve'])
    assert.match(message, /keeps no DHT/)
    assert.match(message, /does not know it/)
    assert.match(message, /connection refused/)
    assert.equal(one(said, 'source.end').source, 'bootstrap')
    assert.deepEqual(only(said, 'dial.attempt'), [])
    const { ok, exit_code } = one(said, 'run.summary')
    assert.deepEqual([ok, exit_code], [false, 1])
  })
})

describe('a bare peer ID with --dht', patient, () => {
  test('is found by walking from peer to peer', async () => {
    await using nodes = await dhtChain(3, { protocol: KAD })
    const sought = nodes[2]!.peerId.toString()
    const said = await run(sought, { bootstrap: [addrOf(nodes[0]!)], dht: true, dhtProtocol: KAD })
    assert.ok(only(said, 'dial.resolve').some(({ source }) => source === 'dht'))
    assert.equal(only(said, 'dial.attempt').at(-1)!.peer_id, sought)
  })

  test('peers of another DHT: the failure says so', async () => {
    await using nodes = await dhtChain(1, { protocol: KAD })
    const said = await run(NOBODY, { bootstrap: [addrOf(nodes[0]!)], dht: true })
    assert.match(one(said, 'error').message, /dht: \S+ does not speak \/ipfs\/kad\/1\.0\.0/)
  })
})

describe('addresses that somebody tells of', () => {
  test('private ones are dialed only where somebody in a private network tells of them', () => {
    const addrs = ['/ip4/10.1.2.3/tcp/1', '/ip4/127.0.0.1/tcp/1', '/ip4/8.8.4.4/tcp/1'].map(addr => multiaddr(addr))
    const told = (by: string): string[] => dialable(addrs, multiaddr(by)).map(String)
    assert.deepEqual(told('/ip4/8.8.8.8/tcp/1'), ['/ip4/8.8.4.4/tcp/1'])
    assert.deepEqual(told('/ip4/127.0.0.1/tcp/1').slice(0, 1), ['/ip4/127.0.0.1/tcp/1'])
  })
})

describe('a bare peer ID with several sources', patient, () => {
  test('where nobody knows it, the relay is tried', async () => {
    await using relay = await startRelay()
    await using plain = await plainNode()
    await using hidden = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    const peerId = hidden.peerId.toString()
    const said = await run(peerId, { bootstrap: [addrOf(plain)], relay: relay.addr })
    const { ok, transport } = one(said, 'dial.attempt')
    assert.deepEqual([ok, transport], [true, 'circuit'])
  })

  test('ping takes it too', async () => {
    await using peer = await plainNode({ services: { ping: pingService() } })
    const options = { bootstrap: [addrOf(peer)], count: 1, timeout: 10_000 }
    const said = await collect(ping, { target: [peer.peerId.toString()], ...options })
    assert.equal(one(said, 'run.summary').received, 1)
  })

  test('without a source it is wrong use, and so is --dht alone', async () => {
    for (const options of [{}, { dht: true }, { dht: true, mdns: true }]) {
      const failure = await failureOf(run(NOBODY, options))
      assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
    }
    assert.match((await failureOf(run(NOBODY, {}))).hint, /--mdns, --bootstrap ADDR, --dht/)
  })
})
