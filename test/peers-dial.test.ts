import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import peers, { type Options } from '../src/commands/peers.ts'
import { createRoster, type Order } from '../src/roster.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import type { Event, Said } from '../src/events.ts'
import type { Identity } from '../src/protocols/identify.ts'

const patient = { timeout: 30_000 }
const start = (options: Partial<Options>) => begin(peers, { timeout: 10_000, ...options })
const run = (options: Partial<Options>): Promise<Said[]> => collect(peers, { timeout: 10_000, ...options })
const pong = { services: { ping: ping() } }

describe('peers --dial', patient, () => {
  test('each peer is pinged; one that does not speak ping has no round trip', async () => {
    await using a = await plainNode(pong)
    await using b = await plainNode()
    const added = only(await run({ bootstrap: [addrOf(a), addrOf(b)], dial: true }), 'peer.add')
    assert.deepEqual(
      added.map(({ peer_id, connected }) => [peer_id, connected]),
      [
        [a.peerId.toString(), true],
        [b.peerId.toString(), true]
      ]
    )
    const [first, second] = added
    assert.ok(first!.rtt_ms! > 0)
    assert.equal(second!.rtt_ms, null)
    assert.match(first!.agent_version!, /^js-libp2p/)
    assert.ok(first!.protocols!.includes('/ipfs/ping/1.0.0'))
  })

  test('without it nobody is pinged', async () => {
    await using a = await plainNode(pong)
    assert.equal(one(await run({ bootstrap: [addrOf(a)] }), 'peer.add').rtt_ms, undefined)
  })
})

describe('peers --protocol', patient, () => {
  test('only those that speak it count', async () => {
    await using a = await plainNode(pong)
    await using b = await plainNode()
    const bootstrap = [addrOf(a), addrOf(b)]
    const said = await run({ bootstrap, protocol: ['/ipfs/ping/1.0.0'] })
    assert.equal(one(said, 'peer.add').peer_id, a.peerId.toString())
    assert.equal(one(said, 'source.end').peers, 1)
    assert.deepEqual([one(said, 'run.summary').ok, one(said, 'run.summary').peers], [true, 1])
    const none = await run({ bootstrap, protocol: ['/ipfs/ping/1.0.0', '/nobody/1.0.0'] })
    assert.deepEqual([one(none, 'run.summary').ok, one(none, 'run.summary').peers], [false, 0])
  })
})

describe('peers --sort', patient, () => {
  test('they are told at the end, in order, and rtt means that each is pinged', async () => {
    await using a = await plainNode()
    await using b = await plainNode(pong)
    const said = await run({ bootstrap: [addrOf(a), addrOf(b)], sort: 'rtt' })
    assert.deepEqual(
      only(said, 'peer.add').map(({ peer_id, rtt_ms }) => [peer_id, rtt_ms == null]),
      [
        [b.peerId.toString(), false],
        [a.peerId.toString(), true]
      ]
    )
    assert.deepEqual(
      said.slice(-4).map(({ type }) => type),
      ['source.end', 'peer.add', 'peer.add', 'run.summary']
    )
  })

  test('each order, with what is not known last', () => {
    const roster = createRoster([], () => {})
    for (const [peerId, rttMs, agent] of [
      ['C', 2, 'b'],
      ['A', null, 'a'],
      ['D', 10, null],
      ['B', 2, 'b']
    ] as const) {
      const identity = { agent_version: agent, listen_addrs: [], protocols: [] as string[] } as unknown as Identity
      Array.from(roster.see(peerId, { source: 'test', identity, rttMs }))
    }
    const ids = (order: Order) =>
      roster
        .sorted(order)
        .map(({ peer_id }) => peer_id)
        .join('')
    assert.deepEqual([ids('peer'), ids('rtt'), ids('agent')], ['ABCD', 'BCDA', 'ABCD'])
  })

  test('not with --watch, which never has them all', async () => {
    const failure = await failureOf(run({ bootstrap: ['/ip4/127.0.0.1/tcp/1'], sort: 'peer', watch: true }))
    assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
  })
})

describe('peers --watch', patient, () => {
  test('who leaves and comes back is told, once each', async () => {
    const privateKey = await generateKeyPair('Ed25519')
    const first = await plainNode({ libp2p: { privateKey } })
    const addr = addrOf(first)
    await using running = start({ bootstrap: [addr], watch: true })
    const { peer_id } = await running.next('peer.add')
    await first.stop()
    assert.equal((await running.next('peer.remove')).peer_id, peer_id)
    await using _ = await plainNode({ listen: [addr.replace(/\/p2p\/.*/, '')], libp2p: { privateKey } })
    assert.equal((await running.next('peer.add')).peer_id, peer_id)
    const said = await running.stop()
    assert.equal(one(said, 'run.summary').peers, 1)
    // that it was away has been said with peer.remove
    assert.deepEqual(only(said, 'error'), [])
  })

  test('a peer that changes what it speaks is told, and joins where that is what was asked for', async () => {
    await using a = await plainNode({ services: { push: identifyPush() } })
    // it pushes to those that its own identify has shown to take it
    let asked = 0
    const known = Promise.withResolvers<void>()
    a.addEventListener('peer:identify', () => ++asked === 2 && known.resolve())
    await using all = start({ bootstrap: [addrOf(a)], watch: true })
    await all.next('peer.add')
    await using some = start({ bootstrap: [addrOf(a)], watch: true, protocol: ['/late/1.0.0'] })
    await some.next('connection.open')
    await known.promise
    await a.handle('/late/1.0.0', stream => stream.abort(new Error('no')))
    const changed = await all.next('peer.change')
    assert.ok(changed.protocols!.includes('/late/1.0.0'))
    assert.equal((await some.next('peer.add')).peer_id, a.peerId.toString())
    await a.unhandle('/late/1.0.0')
    const gone: Event<'peer.remove'> = await some.next('peer.remove')
    assert.deepEqual([gone.peer_id, gone.connected], [a.peerId.toString(), true])
  })
})
