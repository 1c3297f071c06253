/** What the peers of a relay may cost it, and what becomes of the others meanwhile. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { before, describe, mock, test } from 'node:test'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { HOP_PROTOCOL, STATUS, statusName, STOP_PROTOCOL } from '../src/protocols/circuit.ts'
import { limitOf } from '../src/protocols/hop-messages.ts'
import { reservations } from '../src/protocols/reservations.ts'
import { bin, cleanEnv } from './helpers/cli.ts'
import { only } from './helpers/collect.ts'
import { defaultOf } from './helpers/limits.ts'
import { type PlainNode, plainNode } from './helpers/plain-node.ts'
import {
  callee,
  circuit,
  connectTo,
  drain,
  hop,
  openHop,
  type Relay,
  RESERVE,
  reserve,
  startRelay
} from './helpers/relay.ts'
import type { PeerId, Stream } from '@libp2p/interface'

const patient = { timeout: 60_000 }
const ours = (long: string): number => defaultOf('relay', long)

/** A peer that opens streams by hand. */
const caller = (): Promise<PlainNode> => plainNode({ listen: [], circuit: false })

async function ask(from: PlainNode, relay: Relay, to: PeerId): Promise<string> {
  return await lastWord(await openHop(from, relay), connectTo(to))
}

/** The status that a request gets, with which its stream is over. */
async function lastWord(stream: Stream, request: Uint8Array): Promise<string> {
  const { status } = await hop(stream, request)
  await stream.close()
  return statusName(status!)
}

describe('limits of a relay', patient, () => {
  const newPeer = async (): Promise<PeerId> => peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  const peers: PeerId[] = []
  before(async () => void peers.push(...(await Promise.all(Array.from({ length: 129 }, newPeer)))))

  /** The books alone, of peers that come from anywhere. */
  const books = (rules: { max?: number; maxPerIp: number; ttlMs?: number }) => {
    const told: string[] = []
    const slots = reservations({
      max: 1000,
      ttlMs: 60_000,
      ...rules,
      report: ({ type, status }) => void told.push(`${type} ${status}`)
    })
    const put = (nth: number, addr: string): boolean => {
      const at = multiaddr(addr)
      if (!slots.admits(peers[nth]!, at)) return false
      slots.put(peers[nth]!, at, slots.expiry())
      return true
    }
    return { slots, told, put }
  }

  test('limit --max-reservations: 128 peers, and not 129; who leaves makes room, who renews needs none', () => {
    const { slots, told, put } = books({ max: ours('--max-reservations'), maxPerIp: 8 })
    const addr = (nth: number): string => `/ip4/192.0.2.${nth}/tcp/1`
    for (let nth = 0; nth < 128; nth++) assert.ok(put(nth, addr(nth)), `${nth}`)
    assert.equal(put(128, addr(128)), false)
    assert.ok(put(0, addr(0)))
    assert.equal(slots.size, 128)
    slots.drop(peers[1]!, 'disconnected')
    assert.ok(put(128, addr(128)))
    assert.deepEqual(told.slice(-3), [
      'reservation.refresh OK',
      'reservation.close disconnected',
      'reservation.open OK'
    ])
    slots.clear('stopped')
  })

  test('limit --max-reservations-per-ip: 8 peers of one IPv4 address or IPv6 /56, and not 9', () => {
    const maxPerIp = ours('--max-reservations-per-ip')
    for (const [near, other] of [
      [(nth: number) => `/ip4/192.0.2.1/tcp/${nth + 1}`, '/ip4/192.0.2.2/tcp/1'],
      [(nth: number) => `/ip6/2001:db8:0:${nth.toString(16)}::1/tcp/1`, '/ip6/2001:db8:0:100::1/tcp/1'],
      [(nth: number) => (nth % 2 ? `/ip4/192.0.2.1/tcp/1` : '/ip6/::ffff:192.0.2.1/tcp/1'), '/ip4/192.0.2.2/tcp/1']
    ] as const) {
      const { slots, put } = books({ maxPerIp })
      for (let nth = 0; nth < 8; nth++) assert.ok(put(nth, near(nth)))
      assert.equal(put(8, near(8)), false)
      assert.ok(put(0, near(0)), 'one for each peer, which it may renew')
      assert.equal(slots.size, 8)
      assert.ok(put(8, other), 'another host has its own')
      slots.drop(peers[3]!, 'disconnected')
      assert.ok(put(9, near(9)), 'who leaves makes room')
      slots.clear('stopped')
    }
    const { slots, put } = books({ maxPerIp: 1 })
    for (const nth of [0, 1, 2]) assert.ok(put(nth, '/ip4/127.0.0.1/tcp/1'), 'this machine is exempt')
    slots.clear('stopped')
  })

  test('limit --ttl: a reservation of 1 h is there for an hour, and no longer', () => {
    mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_800_000_000_000 })
    try {
      const ttlMs = ours('--ttl')
      const { slots, told, put } = books({ maxPerIp: 8, ttlMs })
      put(0, '/ip4/192.0.2.1/tcp/1')
      assert.equal(slots.expiry(), 1_800_003_600)
      mock.timers.tick(3_599_999)
      assert.ok(slots.has(peers[0]!))
      mock.timers.tick(1)
      assert.ok(!slots.has(peers[0]!))
      assert.deepEqual(told, ['reservation.open OK', 'reservation.close expired'])
      put(1, '/ip4/192.0.2.1/tcp/1')
      mock.timers.tick(3_599_999)
      put(1, '/ip4/192.0.2.1/tcp/1')
      mock.timers.tick(3_599_999)
      assert.ok(slots.has(peers[1]!), 'renewed, it begins anew')
      slots.clear('stopped')
    } finally {
      mock.timers.reset()
    }
  })

  test('limit --max-circuits-per-peer: 16 from and to one peer, and not 17; and limit --max-circuits: 64, and not 65', async () => {
    await using relay = await startRelay({
      maxCircuits: ours('--max-circuits'),
      maxCircuitsPerPeer: ours('--max-circuits-per-peer')
    })
    const pairs = await Promise.all(
      Array.from({ length: 5 }, async () => ({ from: await caller(), to: await callee(relay) }))
    )
    const open: Stream[] = []
    try {
      for (const [nth, { from, to }] of pairs.slice(0, 4).entries()) {
        for (let one = 0; one < 16; one++) open.push((await circuit(relay, from, to)).src)
        assert.equal(relay.node.services.relay.circuits, (nth + 1) * 16)
        if (nth > 0) continue
        assert.equal(await ask(from, relay, pairs[4]!.to.peerId), 'RESOURCE_LIMIT_EXCEEDED')
        assert.equal(await ask(pairs[4]!.from, relay, to.peerId), 'RESOURCE_LIMIT_EXCEEDED')
        // both ways count: this one is called 16 times, and calls
        await reserve(from, relay)
        assert.equal(await ask(to, relay, pairs[4]!.to.peerId), 'RESOURCE_LIMIT_EXCEEDED')
      }
      const last = pairs[4]!
      assert.equal(await ask(last.from, relay, last.to.peerId), 'RESOURCE_LIMIT_EXCEEDED')
      assert.equal(only(relay.events, 'circuit.refused').length, 4)
      const closed = relay.event('circuit.close')
      open[0]!.abort(new Error('enough'))
      await closed
      assert.equal((await circuit(relay, last.from, last.to)).reply.status, STATUS.OK)
    } finally {
      await Promise.all(pairs.flatMap(({ from, to }) => [from.stop(), to.stop()]))
    }
  })

  test('limit --limit-data: 128 KiB pass each way, and not one byte more', async () => {
    const limitDataBytes = ours('--limit-data')
    await using relay = await startRelay({ limitDataBytes })
    await using alice = await callee(relay)
    await using bob = await caller()
    for (const [more, end, status] of [
      [0, 'end', 'closed'],
      [1, 'reset', 'data_limit']
    ] as const) {
      const { src, dst, reply } = await circuit(relay, bob, alice)
      assert.equal(reply.limit?.data, 131_072)
      const whole = Promise.withResolvers<void>()
      let came = 0
      const there = drain(dst, false, bytes => {
        came += bytes
        if (came === 131_072) whole.resolve()
      })
      const back = drain(src)
      src.send(new Uint8Array(131_072))
      // too much one way ends both, with what is under way
      await whole.promise
      dst.send(new Uint8Array(131_072 + more))
      if (more === 0) await Promise.all([src.close(), dst.close()])
      assert.deepEqual([(await there).bytes.byteLength, (await back).bytes.byteLength], [131_072, 131_072])
      assert.equal((await back).end, end)
      const close = await relay.event('circuit.close', more + 1)
      assert.deepEqual([close.in_bytes, close.out_bytes, close.status], [131_072, 131_072, status])
    }
  })

  test('limit --limit-duration: a circuit may last 2 m, and ends then', async () => {
    const limitDurationMs = ours('--limit-duration')
    assert.deepEqual(limitOf({ limitDurationMs, limitDataBytes: 0 }), { duration: 120, data: undefined })
    await using relay = await startRelay({ limitDurationMs })
    await using alice = await callee(relay)
    await using bob = await caller()
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const { reply } = await circuit(relay, bob, alice)
      assert.equal(reply.limit?.duration, 120)
      await relay.event('circuit.open')
      mock.timers.tick(119_999)
      assert.equal(relay.node.services.relay.circuits, 1)
      mock.timers.tick(1)
      assert.equal((await relay.event('circuit.close')).status, 'duration_limit')
    } finally {
      mock.timers.reset()
    }
  })
})

describe('a relay under attack', patient, () => {
  /** Honest peers go on to reserve and to be reached. */
  const isWell = async (relay: Relay): Promise<void> => {
    await using alice = await callee(relay)
    await using bob = await caller()
    const { src, dst } = await circuit(relay, bob, alice)
    const received = drain(dst)
    src.send(new Uint8Array(1000))
    await src.close()
    assert.equal((await received).bytes.byteLength, 1000)
    src.abort(new Error('done'))
  }

  test('a HOP message of 4 MiB is refused by its length, and nothing of it is kept', async () => {
    await using relay = await startRelay()
    await using mallory = await caller()
    const stream = await openHop(mallory, relay)
    // 4 MiB as a varint, and as much of it as is taken
    const { status } = await hop(stream, Uint8Array.of(0x80, 0x80, 0x80, 0x02))
    assert.equal(statusName(status!), 'MALFORMED_MESSAGE')
    // the relay reads no more of it: that is as much as is under way
    for (let sent = 0; sent < 4 * 2 ** 20 && stream.writeStatus === 'writable'; sent += 65_536) {
      if (!stream.send(new Uint8Array(65_536))) break
    }
    await isWell(relay)
    const [there] = relay.node.getConnections(mallory.peerId)
    const kept = there!.streams.map(one => one.readBufferLength)
    assert.ok(
      kept.every(bytes => bytes <= 4096),
      `${kept}`
    )
    stream.abort(new Error('enough'))
  })

  test('floods of RESERVE and of CONNECT cost one reservation and no circuit, and nobody else', async () => {
    await using relay = await startRelay({ maxReservationsPerIp: 1 })
    await using mallory = await caller()
    await using nobody = await caller()
    const flood = async (bytes: Uint8Array): Promise<string[]> => {
      const streams = await Promise.all(Array.from({ length: 50 }, () => openHop(mallory, relay)))
      return await Promise.all(streams.map(stream => lastWord(stream, bytes)))
    }
    // who opens many before the connection is whole on the other side has them reset (libp2p 3.3: 10 early streams)
    assert.equal((await reserve(mallory, relay)).status, STATUS.OK)
    const well = Promise.allSettled([isWell(relay)])
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(new Set(await flood(RESERVE)), new Set(['OK']))
      assert.deepEqual(new Set(await flood(connectTo(nobody.peerId))), new Set(['NO_RESERVATION']))
      assert.deepEqual(new Set(await flood(connectTo(mallory.peerId))), new Set(['PERMISSION_DENIED']))
      // the relay itself has none either
      assert.deepEqual(new Set(await flood(connectTo(relay.node.peerId))), new Set(['NO_RESERVATION']))
    }
    assert.deepEqual(await well, [{ status: 'fulfilled', value: undefined }])
    assert.equal(relay.node.services.relay.reservations, 1)
    assert.equal(
      only(relay.events, 'reservation.open').filter(({ peer_id }) => peer_id === `${mallory.peerId}`).length,
      1
    )
  })

  test('while more waits to be said than is read, nothing is begun and nothing more is said', async () => {
    let busy = false
    await using relay = await startRelay({ isBusy: () => busy })
    await using alice = await callee(relay)
    await using bob = await caller()
    busy = true
    const before = relay.events.length
    assert.equal(statusName((await reserve(bob, relay)).status!), 'RESERVATION_REFUSED')
    assert.equal(await ask(bob, relay, alice.peerId), 'RESOURCE_LIMIT_EXCEEDED')
    assert.equal(relay.events.length, before)
    busy = false
    assert.equal((await reserve(bob, relay)).status, STATUS.OK)
    await isWell(relay)
  })

  test('a relay whose stdout nobody reads refuses a flood, and goes on once it is read', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'p2pctl-relay-'))
    const ready = join(folder, 'ready.json')
    const argv = [bin, 'relay', '-l', '/ip4/127.0.0.1/tcp/0', '--json', '--ready-file', ready]
    const relay = spawn(process.execPath, [...argv, '--limit', 'new-streams=1000000'], {
      stdio: ['ignore', 'pipe', 'ignore'],
      env: cleanEnv()
    })
    try {
      while (!existsSync(ready)) await new Promise(resolve => setTimeout(resolve, 20))
      const [addr = ''] = (JSON.parse(readFileSync(ready, 'utf8')) as { addrs: string[] }).addrs
      await using mallory = await caller()
      const connection = await mallory.dial(multiaddr(addr))
      const one = async (): Promise<string> => {
        return await lastWord(await connection.newStream(HOP_PROTOCOL), RESERVE)
      }
      const round = (): Promise<string[]> => Promise.all(Array.from({ length: 50 }, one))
      let rounds = 0
      // what fits into the pipe and the queue, and no more
      while ((await round()).includes('OK')) assert.ok(++rounds < 200, 'it takes all of them')
      assert.ok(rounds > 10, `${rounds}`)
      relay.stdout.resume()
      while ((await one()) !== 'OK');
    } finally {
      relay.kill()
      rmSync(folder, { recursive: true, force: true })
    }
  })

  test('a destination that freezes holds its own places alone', async () => {
    await using relay = await startRelay({ maxCircuitsPerPeer: 2 })
    await using frozen = await caller()
    await using bob = await caller()
    const asked: Stream[] = []
    await frozen.handle(STOP_PROTOCOL, stream => void asked.push(stream))
    await reserve(frozen, relay)
    const waiting = await Promise.all([openHop(bob, relay), openHop(bob, relay)])
    for (const stream of waiting) stream.send(connectTo(frozen.peerId))
    while (asked.length < 2) await new Promise(resolve => setImmediate(resolve))
    // what is being set up counts, for the one that asks as well
    assert.equal(await ask(bob, relay, frozen.peerId), 'RESOURCE_LIMIT_EXCEEDED')
    assert.equal(relay.node.services.relay.circuits, 0)
    await isWell(relay)
    // who does not wait any longer gives the place back
    for (const stream of waiting) stream.abort(new Error('enough'))
    await relay.event('circuit.refused', 3)
    assert.deepEqual(
      only(relay.events, 'circuit.refused').map(({ status }) => status),
      ['RESOURCE_LIMIT_EXCEEDED', 'CONNECTION_FAILED', 'CONNECTION_FAILED']
    )
  })

  for (const way of ['source', 'destination'] as const) {
    test(`a ${way} that never reads: the relay keeps little for it, and the other circuits pass`, async () => {
      await using relay = await startRelay()
      await using alice = await callee(relay)
      await using bob = await caller()
      const { src, dst } = await circuit(relay, bob, alice)
      const [from, to] = way === 'source' ? [dst, src] : [src, dst]
      to.pause()
      let sent = 0
      const target = from as unknown as EventTarget
      const stuck = async (): Promise<void> => {
        for (; sent < 32 * 2 ** 20; sent += 65_536) {
          if (from.send(new Uint8Array(65_536))) continue
          const drained = await Promise.race([
            once(target, 'drain').then(() => true),
            isWell(relay).then(() => isWell(relay).then(() => false))
          ])
          if (!drained) return
        }
      }
      await stuck()
      // what is under way: the windows of two streams, and what libp2p keeps on both sides
      assert.ok(sent < 16 * 2 ** 20, `${sent} bytes were taken`)
      const kept = relay.node.getConnections().flatMap(({ streams }) => streams)
      const bytes = kept.reduce((sum, one) => sum + one.readBufferLength + one.writeBufferLength, 0)
      assert.ok(bytes <= 6 * 2 ** 20, `${bytes} bytes are kept`)
      src.abort(new Error('enough'))
      await relay.event('circuit.close', 2)
    })
  }

  test('over a circuit nothing is given, whether that has limits or none', async () => {
    for (const limits of [{}, { limitDataBytes: 1 << 20, limitDurationMs: 60_000 }]) {
      await using outer = await startRelay(limits)
      await using inner = await startRelay()
      const own = inner.node as unknown as { components: Parameters<ReturnType<typeof circuitRelayTransport>>[0] }
      const transport = circuitRelayTransport()(own.components)
      const manager = own.components.transportManager as unknown as { add(transport: unknown): void }
      manager.add(transport)
      await (transport as unknown as { start(): Promise<void> }).start()
      await own.components.transportManager.listen([multiaddr(`${outer.addr}/p2p-circuit`)])
      await using target = await callee(inner)
      await using alice = await plainNode({ listen: [] })
      const connection = await alice.dial(multiaddr(`${outer.addr}/p2p-circuit/p2p/${inner.node.peerId}`))
      for (const bytes of [RESERVE, connectTo(target.peerId)]) {
        const stream = await connection.newStream(HOP_PROTOCOL, { runOnLimitedConnection: true })
        assert.equal(statusName((await hop(stream, bytes)).status!), 'PERMISSION_DENIED')
      }
      assert.deepEqual(inner.log().slice(1), [
        'reservation.refused PERMISSION_DENIED',
        'circuit.refused PERMISSION_DENIED'
      ])
    }
  })
})
