import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import peers, { type Options } from '../src/commands/peers.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { startRelay } from './helpers/relay.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const start = (options: Partial<Options>) => begin(peers, { timeout: 10_000, ...options })
const run = (options: Partial<Options>): Promise<Said[]> => collect(peers, { timeout: 10_000, ...options })

describe('peers --bootstrap', patient, () => {
  test('every peer that is there is seen once, with where it is known from; a dead one is an error', async () => {
    await using a = await plainNode()
    await using b = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
    const dead = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const said = await run({ bootstrap: [addrOf(a), dead, addrOf(b), addrOf(a)] })
    assert.deepEqual(
      only(said, 'peer.add').map(({ peer_id, sources, connected }) => [peer_id, sources, connected]),
      [
        [a.peerId.toString(), ['bootstrap'], true],
        [b.peerId.toString(), ['bootstrap'], true]
      ]
    )
    const [first] = only(said, 'peer.add')
    assert.ok(first!.addrs.includes(addrOf(a)))
    assert.match(first!.agent_version!, /^js-libp2p/)
    const error = one(said, 'error')
    assert.deepEqual([error.code, error.target], ['connection_refused', dead])
    const { source, peers: count } = one(said, 'source.end')
    assert.deepEqual([source, count], ['bootstrap', 2])
    const { ok, peers: seen } = one(said, 'run.summary')
    assert.deepEqual([ok, seen], [true, 2])
  })

  test('nobody there: the source says so, and it is no success', async () => {
    const said = await run({ bootstrap: [`/ip4/127.0.0.1/tcp/${await closedPort()}`] })
    const end = one(said, 'source.end')
    assert.equal(end.peers, 0)
    assert.ok(end.message)
    const { ok, peers: seen } = one(said, 'run.summary')
    assert.deepEqual([ok, seen], [false, 0])
  })

  test('--min: as many as were wanted, or no success', async () => {
    await using a = await plainNode()
    assert.equal(one(await run({ bootstrap: [addrOf(a)], min: 1 }), 'run.summary').ok, true)
    assert.equal(one(await run({ bootstrap: [addrOf(a)], min: 2 }), 'run.summary').ok, false)
  })

  test('--watch tells who leaves', async () => {
    const a = await plainNode()
    await using running = start({ bootstrap: [addrOf(a)], watch: true })
    await running.next('peer.add')
    await a.stop()
    const gone = await running.next('peer.remove')
    assert.deepEqual([gone.peer_id, gone.connected, gone.sources], [a.peerId.toString(), false, ['bootstrap']])
    const said = await running.stop()
    assert.ok(one(said, 'run.summary'))
  })

  test('no source: wrong use', async () => {
    const failure = await failureOf(run({}))
    assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
  })
})

describe('peers --relay', patient, () => {
  test('the relay itself is a peer, and so is who comes through it', async () => {
    await using relay = await startRelay()
    await using running = start({ relay: relay.addr, min: 2, for: 20_000 })
    const { addr } = await running.next('reservation.open')
    const first = await running.next('peer.add')
    assert.deepEqual([first.peer_id, first.sources], [relay.node.peerId.toString(), ['relay']])
    await using other = await plainNode()
    await other.dial(multiaddr(addr!))
    const second = await running.next('peer.add')
    assert.deepEqual([second.peer_id, second.sources], [other.peerId.toString(), ['relay']])
    assert.match(second.addrs[0]!, /p2p-circuit/)
    assert.match(second.agent_version!, /^js-libp2p/)
    const said = await running.done
    const { ok, peers: count } = one(said, 'run.summary')
    assert.deepEqual([ok, count], [true, 2])
    assert.deepEqual([one(said, 'source.end').source, one(said, 'source.end').peers], ['relay', 2])
  })

  test('a relay that is not there is a source that gave nothing', async () => {
    const said = await run({ relay: `/ip4/127.0.0.1/tcp/${await closedPort()}`, for: 20_000 })
    assert.match(one(said, 'source.end').message!, /connection refused/)
    assert.equal(one(said, 'run.summary').ok, false)
  })

  test('a peer that two sources know is one peer', async () => {
    await using relay = await startRelay()
    await using running = start({ relay: relay.addr, bootstrap: [relay.addr], watch: true })
    const changed = await running.next('peer.change')
    assert.equal(changed.peer_id, relay.node.peerId.toString())
    assert.deepEqual([...changed.sources].sort(), ['bootstrap', 'relay'])
    const said = await running.stop()
    assert.equal(only(said, 'peer.add').length, 1)
    assert.equal(one(said, 'run.summary').peers, 1)
  })
})
