import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import peers, { type Options } from '../src/commands/peers.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { dhtChain } from './helpers/dht-network.ts'
import { announcingNode } from './helpers/meeting-nodes.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import type { Said } from '../src/events.ts'

const KAD = '/p2pctl-test/kad/1.0.0'
const patient = { timeout: 30_000 }
const start = (options: Partial<Options>) => begin(peers, { timeout: 10_000, ...options })
const run = (options: Partial<Options>): Promise<Said[]> => collect(peers, { timeout: 10_000, ...options })
const endOf = (said: Said[], source: string) => only(said, 'source.end').find(end => end.source === source)!

describe('peers --dht', patient, () => {
  test('walks from the bootstrap peer to those that it knows, and to those that they know', async () => {
    await using nodes = await dhtChain(3, { protocol: KAD })
    const [a, b, c] = [nodes[0]!, nodes[1]!, nodes[2]!]
    const said = await run({ bootstrap: [addrOf(a)], dht: true, dhtProtocol: KAD })
    const found = new Map(only(said, 'peer.add').map(peer => [peer.peer_id, peer]))
    assert.deepEqual(found.get(a.peerId.toString())?.sources, ['bootstrap'])
    assert.deepEqual(found.get(b.peerId.toString())?.sources, ['dht'])
    assert.deepEqual(found.get(c.peerId.toString())?.sources, ['dht'])
    assert.ok(found.get(c.peerId.toString())!.addrs.includes(addrOf(c)))
    const { ok, peers: count } = one(said, 'run.summary')
    assert.deepEqual([ok, count], [true, 3])
  })

  test('--dial: those that were found are dialed, one line each', async () => {
    await using nodes = await dhtChain(2, { protocol: KAD })
    const [a, b] = [nodes[0]!, nodes[1]!]
    const said = await run({ bootstrap: [addrOf(a)], dht: true, dhtProtocol: KAD, dial: true })
    const found = only(said, 'peer.add').find(peer => peer.peer_id === b.peerId.toString())!
    assert.ok(found.rtt_ms! > 0)
    assert.match(found.agent_version!, /^js-libp2p/)
    assert.deepEqual(
      only(said, 'peer.change').filter(peer => peer.peer_id === b.peerId.toString()),
      []
    )
  })

  test('a bootstrap peer of another DHT: the source says which one that is', async () => {
    await using nodes = await dhtChain(1, { protocol: KAD })
    const a = nodes[0]!
    const said = await run({ bootstrap: [addrOf(a)], dht: true })
    const { peers: count, message } = endOf(said, 'dht')
    assert.equal(count, 0)
    assert.match(message!, /1 peer asked, 0 answered, 1 without \/ipfs\/kad\/1\.0\.0 \(but \/p2pctl-test\/kad\/1\.0\.0/)
  })

  test('with nowhere to start it is wrong use', async () => {
    for (const options of [{ dht: true }, { dht: true, mdns: true }, { pubsub: true as const }, { dhtProtocol: KAD }]) {
      const failure = await failureOf(run(options))
      assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
    }
  })
})

describe('peers --pubsub', patient, () => {
  test('a peer behind the one that is dialed announces itself on the topic', async () => {
    await using hub = await announcingNode()
    await using far = await announcingNode()
    await far.dial(multiaddr(addrOf(hub)))
    await using running = start({ bootstrap: [addrOf(hub)], pubsub: true, for: 20_000 })
    const found = new Map<string, Said>()
    while (!found.has(far.peerId.toString())) {
      const added = await running.next('peer.add')
      found.set(added.peer_id, added)
    }
    const { sources, addrs, connected } = found.get(far.peerId.toString()) as Extract<Said, { type: 'peer.add' }>
    assert.deepEqual([sources, connected], [['pubsub'], false])
    assert.ok(addrs.includes(addrOf(far)))
    await running.stop()
  })

  test('a topic of its own; --min ends it, --dial meets who was found', async () => {
    const topics = ['mine._peer-discovery._p2p._pubsub']
    await using hub = await announcingNode(topics)
    await using far = await announcingNode(topics)
    await far.dial(multiaddr(addrOf(hub)))
    const said = await run({ bootstrap: [addrOf(hub)], pubsub: topics, min: 2, dial: true, for: 20_000 })
    const found = only(said, 'peer.add').find(peer => peer.peer_id === far.peerId.toString())!
    assert.deepEqual([found.sources, found.connected], [['pubsub'], true])
    assert.equal(one(said, 'run.summary').ok, true)
  })

  test('nobody announces itself: the source says whether anybody could have', async () => {
    await using plain = await plainNode()
    const deaf = await run({ bootstrap: [addrOf(plain)], pubsub: true, for: 500 })
    assert.equal(endOf(deaf, 'pubsub').message, 'none of the connected peers speaks gossipsub')
    await using other = await announcingNode(['another'])
    const quiet = await run({ bootstrap: [addrOf(other)], pubsub: true, for: 1500 })
    assert.match(endOf(quiet, 'pubsub').message!, /0 of 1 connected peers subscribe/)
  })
})
