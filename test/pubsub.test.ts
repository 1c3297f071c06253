import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import peers, { type Options as PeersOptions } from '../src/commands/pubsub-peers.ts'
import pub, { type Options as PubOptions } from '../src/commands/pubsub-pub.ts'
import sub, { type Options as SubOptions } from '../src/commands/pubsub-sub.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { startRelay } from './helpers/relay.ts'
import { rpc, topicNode } from './helpers/topics.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const LOCAL = ['/ip4/127.0.0.1/tcp/0']
const subscribe = (options: Partial<SubOptions>) => begin(sub, { timeout: 10_000, topic: ['news'], ...options })
const publish = (options: Partial<PubOptions>): Promise<Said[]> =>
  collect(pub, { timeout: 10_000, topic: 'news', text: 'hello', wait: 1, ...options })
const look = (options: Partial<PeersOptions>): Promise<Said[]> =>
  collect(peers, { timeout: 10_000, for: 10_000, ...options })

describe('pubsub sub', patient, () => {
  test('a message of two hops: who signed it, its sequence number, and who passed it on', async () => {
    await using far = await topicNode()
    await using near = await topicNode()
    near.pubsub.subscribe('news')
    await far.meet(addrOf(near))
    await using running = subscribe({ bootstrap: [addrOf(near)] })
    await running.next('listen.ready')
    await near.meshed('news', 1)
    await far.subscribers('news', 1)
    await far.publish('news', 'hello from afar')
    const message = await running.next('message.received')
    const [passed] = near.received
    assert.ok(passed?.msg.type === 'signed')
    assert.deepEqual(message, {
      type: 'message.received',
      peer_id: far.id,
      topic: 'news',
      seq: passed.msg.sequenceNumber.toString(),
      received_from: near.id,
      text: 'hello from afar',
      bytes: 15
    })
    const summary = one(await running.stop(), 'run.summary')
    assert.deepEqual([summary.ok, summary.messages, summary.dropped, summary.rejected], [true, 1, 0, 0])
  })

  test('who joins and is in our mesh, and who leaves, by word or with the connection', async () => {
    await using a = await topicNode()
    await using running = subscribe({ listen: LOCAL })
    const { addrs } = await running.next('listen.ready')
    await a.meet(addrs[0]!)
    const at = { peer_id: a.id, topic: 'news' }
    a.pubsub.subscribe('news')
    assert.deepEqual(await running.next('pubsub.join'), { type: 'pubsub.join', ...at })
    assert.deepEqual(await running.next('pubsub.graft'), { type: 'pubsub.graft', ...at })
    a.pubsub.unsubscribe('news')
    assert.deepEqual(await running.next('pubsub.prune'), { type: 'pubsub.prune', ...at })
    assert.deepEqual(await running.next('pubsub.leave'), { type: 'pubsub.leave', ...at })

    const b = await topicNode()
    await b.meet(addrs[0]!)
    b.pubsub.subscribe('news')
    await running.next('pubsub.graft', ({ peer_id }) => peer_id === b.id)
    await b.stop()
    await running.next('pubsub.prune', ({ peer_id }) => peer_id === b.id)
    await running.next('pubsub.leave', ({ peer_id }) => peer_id === b.id)
    const types = (await running.stop()).map(({ type }) => type)
    assert.ok(types.lastIndexOf('pubsub.prune') < types.lastIndexOf('pubsub.leave'))
  })

  test('--count ends it; topics that were not asked for are not told', async () => {
    await using a = await topicNode()
    await using running = subscribe({ topic: ['news', 'sport', 'news'], listen: LOCAL, count: 2 })
    await a.meet((await running.next('listen.ready')).addrs[0]!)
    await a.subscribers('news', 1)
    await a.subscribers('sport', 1)
    a.pubsub.subscribe('other')
    for (const topic of ['sport', 'news', 'news']) await a.publish(topic, topic)
    const said = await running.done
    assert.deepEqual(
      only(said, 'message.received').map(({ topic, text }) => [topic, text]),
      [
        ['sport', 'sport'],
        ['news', 'news']
      ]
    )
    assert.deepEqual(one(said, 'run.summary').messages, 2)
    assert.ok(only(said, 'pubsub.join').every(({ topic }) => topic !== 'other'))
  })

  test('what is no UTF-8 comes as base64, and control characters as they are: the view escapes them', async () => {
    await using a = await topicNode()
    await using running = subscribe({ listen: LOCAL })
    await a.meet((await running.next('listen.ready')).addrs[0]!)
    await a.subscribers('news', 1)
    await a.publish('news', Buffer.from([0xff, 0]))
    const { base64, text, bytes } = await running.next('message.received')
    assert.deepEqual([base64, text, bytes], ['/wA=', undefined, 2])
    await a.publish('news', '\x1b[2J')
    assert.equal((await running.next('message.received')).text, '\x1b[2J')
  })

  test('a peer that leaves is dialed again', async () => {
    const first = await topicNode()
    // whoever is there is right
    const listen = [addrOf(first).replace(/\/p2p\/.*/, '')]
    await using running = subscribe({ bootstrap: listen })
    await running.next('connection.open')
    await first.subscribers('news', 1)
    await first.stop()
    await running.next('connection.close')
    await using second = await topicNode({}, listen)
    await second.subscribers('news', 1)
    assert.equal((await running.next('connection.open')).peer_id, second.id)
  })

  test('nobody to dial: the failure of the only peer, or one for each', async () => {
    const dead = async () => `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const alone = await collect(sub, { timeout: 10_000, topic: ['news'], bootstrap: [await dead()] })
    assert.equal(one(alone, 'error').code, 'connection_refused')
    assert.deepEqual([one(alone, 'run.summary').ok, one(alone, 'run.summary').exit_code], [false, 1])
    assert.equal(only(alone, 'listen.ready').length, 0)
    const both = await collect(sub, { timeout: 10_000, topic: ['news'], bootstrap: [await dead(), await dead()] })
    assert.equal(only(both, 'error').length, 2)
  })

  test('one of two peers is enough', async () => {
    await using a = await topicNode()
    await using running = subscribe({ bootstrap: [`/ip4/127.0.0.1/tcp/${await closedPort()}`, addrOf(a)] })
    await running.next('listen.ready')
    assert.equal(one(await running.stop(), 'run.summary').ok, true)
  })

  test('--no-sign takes unsigned messages only, and counts the others', async () => {
    await using unsigned = await topicNode({ globalSignaturePolicy: 'StrictNoSign' })
    await using signed = await topicNode()
    await using running = subscribe({ listen: LOCAL, sign: false })
    const [addr = ''] = (await running.next('listen.ready')).addrs
    for (const node of [signed, unsigned]) {
      await node.meet(addr)
      await node.subscribers('news', 1)
      await node.publish('news', 'hello')
    }
    const { peer_id, seq, received_from } = await running.next('message.received')
    assert.deepEqual([peer_id, seq, received_from], [null, undefined, unsigned.id])
    assert.deepEqual(await running.next('pubsub.reject'), {
      type: 'pubsub.reject',
      reason: 'signature_present',
      messages: 1
    })
  })

  test('a topic that is none', async () => {
    assert.equal((await failureOf(collect(sub, { timeout: 1000, topic: [''] }))).code, 'invalid_option')
    assert.equal((await failureOf(collect(sub, { timeout: 1000, topic: ['x'.repeat(1025)] }))).code, 'invalid_option')
  })
})

describe('pubsub sub and hostile peers', patient, () => {
  test('unsigned, wrongly signed and malformed messages are counted, and nobody sees them', async () => {
    await using hostile = await plainNode()
    await using running = subscribe({ listen: LOCAL })
    const [addr = ''] = (await running.next('listen.ready')).addrs
    const stream = await hostile.dialProtocol(multiaddr(addr), '/meshsub/1.1.0')
    const topic = 'news'
    const data = Buffer.from('hello')
    const from = hostile.peerId.toMultihash().bytes
    const seqno = Buffer.alloc(8)
    stream.send(rpc({ messages: [{ topic, data }] }))
    stream.send(rpc({ messages: [{ topic, data, from, seqno, signature: Buffer.alloc(64) }] }))
    stream.send(Buffer.from([3, 0xff, 0xff, 0xff]))
    const reasons = new Set<string>()
    while (reasons.size < 3) reasons.add((await running.next('pubsub.reject')).reason)
    assert.deepEqual([...reasons].sort(), ['invalid_seqno', 'invalid_signature', 'malformed'])
    const said = await running.stop()
    assert.equal(only(said, 'message.received').length, 0)
    assert.equal(one(said, 'run.summary').rejected, 3)
  })

  test('a message that is too large: its sender is sent away, and may come again', async () => {
    await using hostile = await plainNode()
    await using running = subscribe({ listen: LOCAL })
    const [addr = ''] = (await running.next('listen.ready')).addrs
    const data = Buffer.alloc(4 * 2 ** 20)
    for (let visit = 0; visit < 2; visit++) {
      const stream = await hostile.dialProtocol(multiaddr(addr), '/meshsub/1.2.0')
      const gone = once(hostile as unknown as EventTarget, 'peer:disconnect')
      stream.send(rpc({ messages: [{ topic: 'news', data }] }))
      const { reason, peer_id } = await running.next('pubsub.reject')
      assert.deepEqual([reason, peer_id], ['unreadable', hostile.peerId.toString()])
      await gone
    }
    assert.equal(one(await running.stop(), 'run.summary').rejected, 2)
  })

  for (const [what, count, bytes] of [
    ['messages', 1500, 10],
    ['bytes', 16, 3 * 2 ** 20]
  ] as const) {
    test(`a flood of ${what} while nobody reads: what waits is bounded, and what is lost is told`, async () => {
      await using flooder = await topicNode()
      await using witness = await topicNode()
      witness.pubsub.subscribe('news')
      const stopper = new AbortController()
      const events = sub({ timeout: 10_000, topic: ['news'], listen: LOCAL }, stopper.signal)[Symbol.asyncIterator]()
      let event = await events.next()
      while (event.value.type !== 'listen.ready') event = await events.next()
      const [addr] = event.value.addrs
      await witness.meet(addr)
      await flooder.meet(addr)
      await flooder.subscribers('news', 1)
      await witness.meshed('news', 1)
      const payload = Buffer.alloc(bytes)
      for (let index = 0; index < count; index++) {
        payload.writeUInt32LE(index)
        await flooder.publish('news', payload)
      }
      // that it has passed all of them on says that it has seen them
      await witness.until(() => witness.received.length === count)
      stopper.abort()
      const said: Said[] = []
      for (event = await events.next(); event.done !== true; event = await events.next()) said.push(event.value)
      const { messages = 0, dropped = 0 } = one(said, 'run.summary')
      assert.equal(only(said, 'message.received').length, messages)
      assert.equal(messages + dropped, count)
      assert.ok(messages <= 1000 && messages * bytes <= 32 * 2 ** 20 && dropped > 0, `${messages} ${dropped}`)
      const told = only(said, 'pubsub.drop')
      assert.equal(
        told.reduce((sum, one) => sum + one.messages, 0),
        dropped
      )
    })
  }
})

describe('pubsub pub', patient, () => {
  test('sent to every subscriber, once as many are there as were waited for', async () => {
    await using a = await topicNode()
    await using b = await topicNode()
    for (const node of [a, b]) node.pubsub.subscribe('news')
    const said = await publish({ bootstrap: [addrOf(a), addrOf(b)], wait: 2 })
    const sent = one(said, 'pubsub.sent')
    assert.deepEqual([sent.topic, sent.bytes, sent.peers], ['news', 5, 2])
    assert.deepEqual(sent.peer_ids.toSorted(), [a.id, b.id].sort())
    for (const node of [a, b]) {
      assert.deepEqual(await node.texts(1), ['hello'])
      const { msg } = node.received[0]!
      assert.ok(msg.type === 'signed')
      assert.equal(msg.from.toString(), (said[0] as { peer_id: string }).peer_id)
    }
    assert.deepEqual([one(said, 'run.summary').ok, one(said, 'run.summary').sent], [true, 1])
  })

  test('the largest message arrives whole, though the publisher is gone at once', async () => {
    await using a = await topicNode()
    a.pubsub.subscribe('news')
    const text = 'x'.repeat(4 * 2 ** 20 - 8192)
    await publish({ bootstrap: [addrOf(a)], text })
    const [got] = await a.texts(1)
    assert.ok(got === text)
  })

  test('one that is larger is refused before anybody is dialed', async () => {
    const bootstrap = [`/ip4/127.0.0.1/tcp/${await closedPort()}`]
    const failure = await failureOf(publish({ bootstrap, text: 'x'.repeat(4 * 2 ** 20) }))
    assert.deepEqual([failure.code, failure.exitCode], ['too_large', 1])
  })

  test('nobody subscribes, or too few: nothing is sent', async () => {
    await using a = await topicNode()
    a.pubsub.subscribe('other')
    const none = await failureOf(publish({ bootstrap: [addrOf(a)], timeout: 1000 }))
    assert.deepEqual([none.code, none.exitCode], ['no_subscribers', 1])
    assert.match(none.message, /^nobody subscribes to news within 1 s/)
    a.pubsub.subscribe('news')
    const few = await failureOf(publish({ bootstrap: [addrOf(a)], timeout: 1000, wait: 2 }))
    assert.match(few.message, /^1 of 2 subscribe to news/)
    assert.equal(a.received.length, 0)
  })

  test('a subscriber that comes while it waits', async () => {
    await using a = await topicNode()
    const running = begin(pub, { timeout: 10_000, topic: 'news', text: 'late', wait: 1, bootstrap: [addrOf(a)] })
    await running.next('connection.open')
    a.pubsub.subscribe('news')
    assert.deepEqual(await a.texts(1), ['late'])
    assert.equal(one(await running.done, 'run.summary').ok, true)
  })

  test('it can be dialed instead', async () => {
    await using a = await topicNode()
    a.pubsub.subscribe('news')
    const running = begin(pub, { timeout: 10_000, topic: 'news', text: 'hi', wait: 1, listen: LOCAL })
    await a.meet((await running.next('listen.ready')).addrs[0]!)
    assert.deepEqual(await a.texts(1), ['hi'])
    assert.equal(one(await running.done, 'pubsub.sent').peers, 1)
  })

  test('--no-sign', async () => {
    await using a = await topicNode({ globalSignaturePolicy: 'StrictNoSign' })
    a.pubsub.subscribe('news')
    await publish({ bootstrap: [addrOf(a)], sign: false })
    await a.texts(1)
    assert.equal(a.received[0]!.msg.type, 'unsigned')
  })

  test('listening on anything at all is a way to meet somebody', async () => {
    await using a = await topicNode()
    const folder = mkdtempSync(join(tmpdir(), 'p2pctl-pubsub-'))
    for (const where of [{ quic: true }, { webrtcDirect: true }, { unix: join(folder, 'a.sock') }] as const) {
      for (const bootstrap of [undefined, [addrOf(a)]]) {
        const options: PubOptions = { timeout: 10_000, topic: 'news', text: 'hi', wait: 1, ...where }
        await using running = begin(pub, { ...options, ...(bootstrap && { bootstrap }) })
        const { addrs } = await running.next('listen.ready')
        assert.match(addrs[0]!, /\/quic-v1\/|\/webrtc-direct\/|^\/unix\//)
      }
    }
  })

  test('no way to meet anybody, and nothing to say, are wrong use', async () => {
    for (const options of [{}, { bootstrap: ['-'] }, { bootstrap: ['x'], lines: true }]) {
      assert.equal((await failureOf(publish(options))).code, 'invalid_option')
    }
  })
})

describe('pubsub peers', patient, () => {
  test('everybody, with what each subscribes to', async () => {
    await using a = await topicNode()
    await using b = await topicNode()
    for (const topic of ['news', 'a\x1b']) a.pubsub.subscribe(topic)
    const said = await look({ bootstrap: [addrOf(a), addrOf(b)], for: 500 })
    const found = only(said, 'pubsub.peer')
    const topics = Object.fromEntries(found.map(one => [one.peer_id, one.topics]))
    assert.deepEqual(topics, { [a.id]: ['a\x1b', 'news'], [b.id]: [] })
    assert.ok(found.every(({ agent_version, mesh }) => agent_version?.startsWith('js-libp2p') && mesh.length === 0))
    assert.deepEqual([one(said, 'run.summary').ok, one(said, 'run.summary').peers], [true, 2])
  })

  test('the subscribers of a topic, as many as are wanted', async () => {
    await using a = await topicNode()
    await using b = await topicNode()
    a.pubsub.subscribe('news')
    const bootstrap = [addrOf(a), addrOf(b)]
    const found = await look({ bootstrap, topic: 'news', min: 1 })
    assert.deepEqual(
      only(found, 'pubsub.peer').map(one => one.peer_id),
      [a.id]
    )
    assert.equal(one(await look({ bootstrap, topic: 'news', min: 2, for: 300 }), 'run.summary').ok, false)
    assert.equal(one(await look({ bootstrap, topic: 'other', for: 300 }), 'run.summary').ok, false)
    // who looks is no subscriber
    assert.equal(a.pubsub.getSubscribers('news').length, 0)
  })

  test('--join: who takes us into its mesh', async () => {
    await using a = await topicNode()
    a.pubsub.subscribe('news')
    const [found] = only(await look({ bootstrap: [addrOf(a)], topic: 'news', join: true, for: 1500 }), 'pubsub.peer')
    assert.deepEqual(found?.mesh, ['news'])
  })
})

describe('pubsub through a relay', patient, () => {
  test('to a subscriber that nobody can dial, over a circuit', async () => {
    await using relay = await startRelay()
    await using running = subscribe({ relay: relay.addr })
    const { peer_id, addrs } = await running.next('listen.ready')
    assert.deepEqual(addrs, [`${relay.addr}/p2p-circuit/p2p/${peer_id}`])
    const said = await publish({ bootstrap: [peer_id], relay: relay.addr })
    assert.deepEqual(one(said, 'pubsub.sent').peer_ids, [peer_id])
    const opened = await running.next('connection.open', ({ direction }) => direction === 'inbound')
    assert.equal(opened.transport, 'circuit')
    assert.equal((await running.next('message.received')).text, 'hello')
  })
})
