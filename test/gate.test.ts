import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { createGate } from '../src/gate.ts'
import { type Limits, limitsOf, limitTable } from '../src/limits.ts'
import { byWorth, watchMemory } from '../src/memory.ts'
import { openNode } from '../src/node.ts'
import { isLoopback, originOf } from '../src/origins.ts'
import { createPenalties } from '../src/penalties.ts'
import { createRefusals, type Refused } from '../src/refusals.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'

const KIB = 1024
const MIB = 1024 * KIB

test('an IPv4 address is a host, and so is an IPv6 /56, however they are written', () => {
  for (const [ip, origin] of [
    ['203.0.113.7', '203.0.113.7'],
    ['::ffff:203.0.113.7', '203.0.113.7'],
    ['2001:db8:1:2ff::1', '2001:db8:1:200::/56'],
    ['2001:db8:1:200:a:b:c:d', '2001:db8:1:200::/56'],
    ['2001:db8:1:300::1', '2001:db8:1:300::/56'],
    ['2001:db8::', '2001:db8:0:0::/56'],
    ['fe80::1%eth0', 'fe80:0:0:0::/56'],
    ['64:ff9b::203.0.113.7', '64:ff9b:0:0::/56']
  ] as const) {
    assert.equal(originOf(ip), origin, ip)
  }
  assert.deepEqual(['127.0.0.2', '::1', '::ffff:127.0.0.1', '::ffff:7f00:1'].map(isLoopback), [true, true, true, true])
  assert.deepEqual(['128.0.0.1', '::2', 'fe80::1%lo'].map(isLoopback), [false, false, false])
})

/** A clock that the test turns, and the penalties that it is for. */
function timed(limits: Partial<Limits>, most?: number) {
  const clock = { ms: 0 }
  const { refuses } = createPenalties(limitsOf(limits), () => clock.ms, most)
  return { clock, refuses }
}

/** How many a host gets through until it is refused. */
function runOf(refuses: (origin: string) => unknown): number {
  for (let count = 0; ; count++) if (refuses('a') != null) return count
}

test('limit new-per-ip-burst: so many at once and not one more', () => {
  assert.equal(runOf(timed({}).refuses), limitTable['new-per-ip-burst'].default)
  assert.equal(runOf(timed({ 'new-per-ip-burst': 3 }).refuses), 3)
})

test('limit new-per-ip: so many a second on average', () => {
  const { clock, refuses } = timed({})
  const perSecond = limitTable['new-per-ip'].default
  for (let count = 0; count < 20; count++) assert.equal(refuses('a'), null)
  for (let count = 1; count <= 60; count++) {
    clock.ms = (count * 1000) / perSecond
    assert.equal(refuses('a'), null)
  }
  clock.ms += 1000 / perSecond - 1
  assert.equal(refuses('a'), 'new-per-ip')
})

test('limit penalty: an address gets none for so long, others are served; and limit penalty-most: twice as long each time up to it', () => {
  const { clock, refuses } = timed({ penalty: 10_000, 'penalty-most': 30_000 })
  for (const ms of [10_000, 20_000, 30_000, 30_000]) {
    const from = clock.ms
    runOf(refuses)
    clock.ms = from + ms - 1
    assert.equal(refuses('a'), 'penalty')
    assert.equal(refuses('b'), null)
    clock.ms = from + ms
    assert.equal(refuses('a'), null)
  }
  // and is forgiven once it has kept to the rules for as long
  clock.ms += 61_000
  const from = clock.ms
  runOf(refuses)
  clock.ms = from + 10_000
  assert.equal(refuses('a'), null)
})

test('so many hosts are remembered, and the one that was seen least lately is forgotten', () => {
  const { refuses } = timed({ 'new-per-ip-burst': 1 }, 2)
  for (const host of ['a', 'b']) refuses(host)
  assert.equal(refuses('a'), 'new-per-ip')
  refuses('c')
  assert.equal(refuses('b'), null)
  assert.equal(refuses('b'), 'new-per-ip')
})

test('a flood of refusals is a few events, and none of it is lost', t => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const said: Refused[] = []
  const refusals = createRefusals(event => said.push(event))
  for (let host = 0; host < 100; host++) {
    for (let count = 0; count < 10; count++)
      refusals.add('pending', `10.0.0.${host}`, `/ip4/10.0.0.${host}/tcp/${count}`)
  }
  // 32 by name, and one for all the others
  assert.equal(said.length, 33)
  assert.deepEqual(said[0], {
    type: 'connection.refused',
    reason: 'pending',
    remote_addr: '/ip4/10.0.0.0/tcp/0',
    count: 1
  })
  assert.equal(said[32]?.remote_addr, null)
  t.mock.timers.tick(1000)
  assert.equal(said.length, 66)
  assert.deepEqual([said[33]?.remote_addr, said[33]?.count], ['/ip4/10.0.0.0/tcp/9', 9])
  refusals.add('pending', '10.0.0.1', '/ip4/10.0.0.1/tcp/1')
  refusals[Symbol.dispose]()
  const counted = said.reduce((sum, { count }) => sum + count, 0)
  assert.equal(counted, 1001)
})

test('limit memory-refuse: at so many bytes somebody is let in, and with one more nobody', () => {
  const limits = limitsOf()
  const reasons: string[] = []
  let bytes = limits['memory-refuse']
  using gate = createGate(limits, { memory: () => bytes, onRefused: ({ reason }) => reasons.push(reason) })
  assert.notEqual(gate.arrive('/ip4/203.0.113.7/tcp/1', '203.0.113.7'), null)
  bytes++
  assert.equal(gate.arrive('/ip4/203.0.113.8/tcp/1', '203.0.113.8'), null)
  assert.deepEqual(reasons, ['memory-refuse'])
})

test('who waits for others of its host gives its place to another host', () => {
  const reasons: string[] = []
  const limits = limitsOf({ pending: 3, 'pending-per-ip': 1 })
  using gate = createGate(limits, { onRefused: ({ reason }) => reasons.push(reason) })
  const come = (ip: string) => gate.arrive(`/ip4/${ip}/tcp/1`, ip, true)!
  const begun: string[] = []
  const [first, second, third] = ['first', 'second', 'third'].map(name => {
    const guest = come('203.0.113.7')
    gate.begin(guest, () => begun.push(name))
    return guest
  })
  assert.deepEqual(begun, ['first'])
  assert.notEqual(come('203.0.113.8'), null)
  assert.deepEqual([first!.gone, second!.gone, third!.gone, ...reasons], [false, false, true, 'pending-per-ip'])
  gate.leave(first!)
  assert.deepEqual(begun, ['first', 'second'])
})

test('where no descriptor is left to look at the memory with, somebody is let in all the same', t => {
  const look = t.mock.method(process, 'memoryUsage', () => {
    throw Object.assign(new Error('EMFILE: too many open files, uv_resident_set_memory'), { code: 'EMFILE' })
  })
  using gate = createGate(limitsOf(), {})
  const before = look.mock.callCount()
  assert.notEqual(gate.arrive('/ip4/203.0.113.7/tcp/1', '203.0.113.7'), null)
  assert.equal(look.mock.callCount(), before + 1)
})

test('who has left while it was upgraded holds no place', () => {
  using gate = createGate(limitsOf({ connections: 1 }), {})
  const first = gate.arrive('/ip4/203.0.113.7/tcp/1', '203.0.113.7')!
  gate.leave(first)
  assert.equal(gate.opens(first, 'a'), null)
  const second = gate.arrive('/ip4/203.0.113.7/tcp/2', '203.0.113.7')!
  assert.equal(gate.opens(second, 'b'), null)
  assert.equal(gate.arrive('/ip4/203.0.113.7/tcp/3', '203.0.113.7'), null)
})

test('limit memory-refuse: what a flood has left behind, and nobody uses any more, keeps nobody out', t => {
  const before = process.memoryUsage.rss()
  const limits = limitsOf({ 'memory-refuse': before + 96 * MIB })
  // what stays in between holds malloc to all of it
  const flooded = (): Uint8Array[] => {
    const flood = Array.from({ length: 4096 }, () => new Uint8Array(64 * KIB).fill(1))
    using full = createGate(limits, {})
    assert.equal(full.arrive('/ip4/203.0.113.7/tcp/1', '203.0.113.7'), null)
    return flood.filter((_, at) => at % 64 === 0)
  }
  const kept = flooded()
  using gate = createGate(limits, {})
  assert.notEqual(gate.arrive('/ip4/203.0.113.8/tcp/1', '203.0.113.8'), null)
  if (process.memoryUsage.rss() <= limits['memory-refuse']) t.skip('the system has its memory back already')
  assert.equal(kept.length, 64)
})

test('limit memory-close: with one byte more than that a connection is closed', async () => {
  await using server = await plainNode()
  await using client = await plainNode()
  await client.dial(multiaddr(addrOf(server)))
  const most = limitTable['memory-close'].default
  let looks = 0
  const closed = Promise.withResolvers<string>()
  using _ = watchMemory(server, {
    most,
    memory: () => most + looks++,
    closes: ({ remotePeer }) => closed.resolve(remotePeer.toString())
  })
  assert.equal(await closed.promise, client.peerId.toString())
  assert.equal(looks, 2)
})

test('limit memory-close: who has a reservation or a stream goes last, and who has been idle for longest first', () => {
  const idle = { name: 'idle', tagged: 0, streams: 0, busyAt: 0, openedAt: 2 }
  const all = [
    { ...idle, name: 'reserved', tagged: 1, openedAt: 1 },
    { ...idle, name: 'talking', streams: 1, openedAt: 1 },
    { ...idle, name: 'was busy', busyAt: 9, openedAt: 1 },
    { ...idle, name: 'new', openedAt: 3 },
    idle
  ]
  assert.deepEqual(
    all.sort(byWorth).map(({ name }) => name),
    ['idle', 'new', 'was busy', 'talking', 'reserved']
  )
})

test('limit stop-in-order: what hangs is waited for so long, and no longer', async () => {
  const ms = 1500
  const stuck = () => ({ start() {}, stop: () => new Promise(() => {}) })
  const node = await openNode({ services: { stuck }, limit: { 'stop-in-order': ms } })
  await node.libp2p.start()
  const from = performance.now()
  await node[Symbol.asyncDispose]()
  const took = performance.now() - from
  assert.ok(took > ms - 100 && took < 2 * ms - 100, `it took ${took} ms`)
})
