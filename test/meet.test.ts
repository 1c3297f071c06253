// What makes a peer that listens be found: listen and relay with --bootstrap, --dht, --pubsub. mDNS has its own file.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import listen, { type Options } from '../src/commands/listen.ts'
import peers from '../src/commands/peers.ts'
import relay from '../src/commands/relay.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { dhtNode, knows } from './helpers/dht-network.ts'
import { announcingNode, hears } from './helpers/meeting-nodes.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { topicNode } from './helpers/topics.ts'

const patient = { timeout: 40_000 }
const KAD = '/p2pctl-test/kad/1.0.0'
const LOCAL = ['/ip4/127.0.0.1/tcp/0']
const start = (options: Partial<Options>) => begin(listen, { listen: LOCAL, maxMessage: 1 << 20, ...options })
const limits = { maxReservations: 16, ttl: 3_600_000, limitDuration: 120_000, limitData: 1 << 17 }

describe('listen --bootstrap', patient, () => {
  test('stays connected: a peer that comes back is dialed again', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const first = await plainNode({ libp2p: { privateKey } })
    const addr = addrOf(first)
    await using running = start({ bootstrap: [addr] })
    const { direction, peer_id } = await running.next('connection.open')
    assert.deepEqual([direction, peer_id], ['outbound', first.peerId.toString()])
    await first.stop()
    await running.next('connection.close')
    await using _ = await plainNode({ listen: [addr.replace(/\/p2p\/.*/, '')], libp2p: { privateKey } })
    assert.equal((await running.next('connection.open')).peer_id, peer_id)
    assert.equal(one(await running.stop(), 'run.summary').ok, true)
  })

  test('a peer that is away is told of once, and it listens all the same', async () => {
    const away = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const said = await collect(listen, { listen: LOCAL, maxMessage: 1 << 20, bootstrap: [away], for: 2000 })
    assert.ok(one(said, 'listen.ready'))
    const error = one(said, 'error')
    assert.deepEqual([error.code, error.target], ['connection_refused', away])
    assert.equal(one(said, 'run.summary').ok, true)
  })
})

describe('listen --dht', patient, () => {
  test('is in the routing table of the bootstrap peer, and peers --dht finds it there', async () => {
    await using hub = await dhtNode({ protocol: KAD })
    const bootstrap = [addrOf(hub)]
    await using running = start({ bootstrap, dht: true, dhtProtocol: KAD })
    const { peer_id, addrs } = await running.next('listen.ready')
    await knows(hub, peer_id)
    const said = await collect(peers, { timeout: 10_000, bootstrap, dht: true, dhtProtocol: KAD })
    const found = only(said, 'peer.add').find(peer => peer.peer_id === peer_id)
    assert.deepEqual([found?.sources, found?.addrs], [['dht'], addrs])
  })

  test('without a bootstrap peer it is wrong use', async () => {
    const failure = await failureOf(collect(listen, { maxMessage: 1, dht: true }))
    assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
  })
})

describe('--pubsub of who listens', patient, () => {
  test('js-libp2p hears of listen --pubsub', async () => {
    await using hub = await announcingNode()
    await using running = start({ bootstrap: [addrOf(hub)], pubsub: true })
    const { peer_id } = await running.next('listen.ready')
    await hears(hub, peer_id)
  })

  test('listen --pubsub says whom it hears of', async () => {
    await using hub = await announcingNode()
    await using running = start({ bootstrap: [addrOf(hub)], pubsub: true })
    const { peer_id, sources, addrs } = await running.next('peer.add')
    assert.deepEqual([peer_id, sources, addrs], [hub.peerId.toString(), ['pubsub'], [addrOf(hub)]])
  })

  test('relay --pubsub announces where it listens on topics of peer discovery, and on no other', async () => {
    const discovery = 'app._peer-discovery._p2p._pubsub'
    const topics = ['chat', discovery]
    // an announcement of all topics at once goes out in their order
    await using running = begin(relay, { listen: LOCAL, ...limits, pubsub: topics })
    const { addrs, peer_id } = await running.next('listen.ready')
    await using listener = await announcingNode([discovery])
    await using reader = await topicNode()
    for (const topic of topics) reader.pubsub.subscribe(topic)
    const heard = hears(listener, peer_id)
    for (const node of [listener, reader]) await node.dial(multiaddr(addrs[0]!))
    assert.deepEqual(await heard, addrs)
    const announced = (): boolean => reader.received.some(({ msg }) => fromRelay(msg) && msg.topic === discovery)
    const fromRelay = (msg: (typeof reader.received)[0]['msg']): boolean =>
      msg.type === 'signed' && msg.from.toString() === peer_id
    await reader.until(announced)
    assert.deepEqual(new Set(reader.received.map(({ msg }) => msg.topic)), new Set([discovery]))
  })

  test('relay --pubsub forwards what one peer announces to another', async () => {
    await using running = begin(relay, { listen: LOCAL, ...limits, pubsub: true })
    const { addrs } = await running.next('listen.ready')
    await using here = await announcingNode()
    await using there = await announcingNode()
    const heard = [hears(here, there.peerId.toString()), hears(there, here.peerId.toString())]
    for (const node of [here, there]) await node.dial(multiaddr(addrs[0]!))
    await Promise.all(heard)
  })
})
