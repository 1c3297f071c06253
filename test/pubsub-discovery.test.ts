// pubsub sub, pub and peers with --mdns, --dht and --discover: they find each other, and only so many, and only there
// where a stranger may send them.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { gossipsub } from '@libp2p/gossipsub'
import { pubsubPeerDiscovery } from '@libp2p/pubsub-peer-discovery'
import { multiaddr } from '@multiformats/multiaddr'
import peers from '../src/commands/pubsub-peers.ts'
import pub from '../src/commands/pubsub-pub.ts'
import relay from '../src/commands/relay.ts'
import sub, { type Options as SubOptions } from '../src/commands/pubsub-sub.ts'
import { createFoundDialer } from '../src/found.ts'
import { openNode } from '../src/node.ts'
import { dialable, type Found } from '../src/sources/source.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { dhtNode, knows } from './helpers/dht-network.ts'
import { noLab, openLab } from './helpers/lab.ts'
import { announcingNode, hears } from './helpers/meeting-nodes.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { rawServer } from './helpers/raw-server.ts'
import { topicNode } from './helpers/topics.ts'

const patient = { timeout: 40_000 }
const KAD = '/p2pctl-test/kad/1.0.0'
const LOCAL = ['/ip4/127.0.0.1/tcp/0']
const limits = { maxReservations: 16, ttl: 3_600_000, limitDuration: 120_000, limitData: 1 << 17 }
const subscribe = (options: Partial<SubOptions>) =>
  begin(sub, { timeout: 10_000, topic: ['news'], listen: LOCAL, ...options })
const publish = { timeout: 20_000, topic: 'news', text: 'hello', wait: 1, listen: LOCAL }

describe('pubsub --discover', patient, () => {
  test('a publisher and a subscriber meet through a relay that forwards announcements alone', async () => {
    await using forwarder = begin(relay, { listen: LOCAL, ...limits, pubsub: true })
    const { addrs, peer_id: relayId } = await forwarder.next('listen.ready')
    await using running = subscribe({ bootstrap: addrs, discover: true })
    const { peer_id } = await running.next('listen.ready')
    const said = await collect(pub, { ...publish, bootstrap: addrs, discover: true })
    assert.deepEqual(one(said, 'pubsub.sent').peer_ids, [peer_id])
    const message = await running.next('message.received')
    assert.deepEqual([message.text, message.received_from], ['hello', message.peer_id])
    // the relay announces itself, and nobody is told of itself
    for (const { peer_id: id, sources } of only(said, 'peer.add')) {
      assert.ok([relayId, peer_id].includes(id))
      assert.deepEqual(sources, ['pubsub'])
    }
    const told = only(await running.stop(), 'message.received')
    assert.equal(told.length, 1, 'announcements are no messages')
  })

  test('two that can be dialed through the relay alone, with limits', async () => {
    await using forwarder = begin(relay, { listen: LOCAL, ...limits, pubsub: true })
    const { addrs } = await forwarder.next('listen.ready')
    const through = { relay: addrs[0]!, discover: true as const, announce: [`${addrs[0]}/p2p-circuit`] }
    await using running = subscribe(through)
    await running.next('listen.ready')
    await using other = begin(pub, { ...publish, ...through })
    assert.equal((await running.next('message.received')).text, 'hello')
    const { peer_id } = await other.next('run.start')
    const opened = await running.next('connection.open', event => event.peer_id === peer_id)
    assert.deepEqual([opened.transport, opened.limited], ['circuit', true])
  })

  test('js-libp2p is found, dialed and shown', async () => {
    await using hub = await announcingNode()
    await using far = await announcingNode()
    await far.dial(multiaddr(addrOf(hub)))
    const options = { timeout: 10_000, for: 20_000, min: 2, listen: LOCAL, bootstrap: [addrOf(hub)] }
    const said = await collect(peers, { ...options, discover: true })
    const found = only(said, 'pubsub.peer').map(({ peer_id }) => peer_id)
    assert.deepEqual(found.sort(), [hub, far].map(({ peerId }) => peerId.toString()).sort())
  })

  test('with --no-sign it is wrong use, since announcements are signed', async () => {
    const failure = await failureOf(collect(sub, { timeout: 1, topic: ['news'], sign: false, discover: true }))
    assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
  })
})

describe('pubsub --dht', patient, () => {
  test('a subscriber that the DHT knows is found from the bootstrap peer on', async () => {
    await using hub = await dhtNode({ protocol: KAD })
    const dht = { bootstrap: [addrOf(hub)], dht: true, dhtProtocol: KAD }
    await using running = subscribe(dht)
    const { peer_id } = await running.next('listen.ready')
    await knows(hub, peer_id)
    const said = await collect(pub, { ...publish, ...dht })
    assert.deepEqual(one(said, 'pubsub.sent').peer_ids, [peer_id])
    const added = only([...said, ...running.said], 'peer.add')
    assert.ok(added.length > 0 && added.every(({ sources }) => sources.includes('dht')))
    assert.equal((await running.next('message.received')).text, 'hello')
  })

  test('with nowhere to start it is wrong use', async () => {
    for (const options of [{ dht: true }, { dht: true, mdns: true }, { dhtProtocol: KAD, bootstrap: LOCAL }]) {
      assert.equal((await failureOf(collect(pub, { ...publish, ...options }))).code, 'invalid_option')
    }
  })
})

test('pubsub --mdns: two hosts, neither of which knows anything of the other', {
  ...patient,
  skip: noLab
}, async () => {
  await using lab = await openLab()
  const [home, away] = [await lab.host('home', '192.168.5.2/24'), await lab.host('away', '192.168.5.3/24')]
  await using running = away.start(['pubsub', 'sub', 'news', '--mdns', '--json'])
  const { peer_id } = await running.next('listen.ready')
  const { code, events, stderr } = await home.run(['pubsub', 'pub', 'news', 'hello', '--mdns', '--json'])
  assert.equal(code, 0, stderr)
  assert.deepEqual(one(events, 'pubsub.sent').peer_ids, [peer_id])
  assert.equal((await running.next('message.received')).text, 'hello')
  // either may be the first to hear of the other
  const told = only([...events, ...(await running.stop()).events], 'peer.add')
  assert.ok(told.length > 0 && told.every(({ sources }) => sources.includes('mdns')))
})

describe('who is found', patient, () => {
  const PUBLIC = multiaddr('/ip4/44.1.0.9/tcp/4001')
  const OTHER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

  test('a stranger sends nobody into a private network, over a relay in it neither', () => {
    const near = ['/ip4/127.0.0.1/tcp/1', `/ip4/127.0.0.1/tcp/1/p2p/${OTHER}/p2p-circuit`].map(text => multiaddr(text))
    assert.deepEqual(dialable(near, PUBLIC), [])
    assert.deepEqual(dialable(near, multiaddr('/ip4/127.0.0.1/tcp/2')), near)
  })

  test('no private address, no name and no address of somebody else is dialed for a stranger', async () => {
    const dialed = { count: 0 }
    await using server = await rawServer(socket => {
      dialed.count++
      socket.destroy()
    })
    await using honest = await topicNode()
    const stopper = new AbortController()
    await using node = await openNode({})
    const { found, dialers } = createFoundDialer(
      node,
      { timeout: 5000 },
      { wanted: () => true, isMet: () => false },
      stopper.signal
    )
    const addrs = [
      `/ip4/127.0.0.1/tcp/${server.port}`,
      `/dns4/localhost/tcp/${server.port}`,
      `/dns4/stranger.example/tcp/${server.port}`,
      `/ip4/127.0.0.1/tcp/${server.port}/p2p/${honest.id}`
    ].map(text => multiaddr(text))
    found({ peerId: OTHER, addrs, toldBy: PUBLIC })
    found({ peerId: honest.id, addrs: honest.getMultiaddrs(), toldBy: multiaddr(addrOf(honest)) })
    const said = []
    const [one] = dialers
    for await (const event of one!) {
      said.push(event)
      if (event.type === 'peer.identify') stopper.abort()
    }
    assert.deepEqual(
      said.map(event => (event.type === 'dial.attempt' ? event.peer_id : event.type)),
      [honest.id, 'peer.identify']
    )
    assert.equal(dialed.count, 0)
  })

  test('one who does not speak what is wanted is let go; one that was tried waits', async () => {
    await using plain = await plainNode()
    const stopper = new AbortController()
    await using node = await openNode({})
    const { found, dialers } = createFoundDialer(
      node,
      { timeout: 5000 },
      { wanted: protocol => protocol.startsWith('/meshsub/'), isMet: () => false },
      stopper.signal
    )
    const gone = new Promise(resolve => plain.addEventListener('peer:disconnect', resolve))
    const told: Found = { peerId: plain.peerId.toString(), addrs: plain.getMultiaddrs(), toldBy: null }
    for (let i = 0; i < 3; i++) found(told)
    const said = []
    const [one] = dialers
    void gone.then(() => stopper.abort())
    for await (const event of one!) said.push(event.type)
    assert.deepEqual(said, ['dial.attempt'])
  })
})

test('gossipsub and pubsub-peer-discovery of js-libp2p hear p2pctl at once, not after 10 s', patient, async () => {
  // its own announcements are an hour apart, so that what is dialed was heard
  const services = { pubsub: gossipsub(), discovery: pubsubPeerDiscovery({ interval: 3_600_000 }) }
  await using node = await plainNode({ services: services as never })
  await using running = subscribe({ discover: true, for: 8000 })
  const { addrs, peer_id } = await running.next('listen.ready')
  const heard = hears(node, peer_id)
  await node.dial(multiaddr(addrs[0]!))
  assert.deepEqual(await Promise.race([heard, running.done]), addrs)
})
