import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { accessOf } from '../src/access.ts'
import relay, { type Options } from '../src/commands/relay.ts'
import { HOP_PROTOCOL, statusName } from '../src/protocols/circuit.ts'
import { begin, failureOf } from './helpers/collect.ts'
import { plainNode } from './helpers/plain-node.ts'
import { callee, connectTo, hop, RESERVE, type startRelay } from './helpers/relay.ts'
import type { Libp2p } from '@libp2p/interface'

const patient = { timeout: 30_000 }
const defaults = { maxReservations: 16, ttl: 3_600_000, limitDuration: 120_000, limitData: 1 << 17 }
const start = (options: Partial<Options> = {}) =>
  begin(relay, { listen: ['/ip4/127.0.0.1/tcp/0'], ...defaults, ...options })

async function ask(node: Libp2p, addr: string, bytes: Uint8Array) {
  const stream = await node.dialProtocol(multiaddr(addr), HOP_PROTOCOL)
  const reply = await hop(stream, bytes)
  return { ...reply, status: statusName(reply.status!) }
}

const nobody = () => plainNode({ listen: [], circuit: false })

describe('relay: who may use it', patient, () => {
  test('--deny PEER: no reservation and no circuit, with PERMISSION_DENIED', async () => {
    await using alice = await nobody()
    await using bob = await nobody()
    await using running = start({ deny: [alice.peerId.toString()] })
    const addr = (await running.next('listen.ready')).addrs[0]!
    assert.equal((await ask(bob, addr, RESERVE)).status, 'OK')
    assert.equal((await ask(alice, addr, RESERVE)).status, 'PERMISSION_DENIED')
    assert.equal((await running.next('reservation.refused')).status, 'PERMISSION_DENIED')
    assert.equal((await ask(alice, addr, connectTo(bob.peerId))).status, 'PERMISSION_DENIED')
    const { src_peer_id, status } = await running.next('circuit.refused')
    assert.deepEqual([src_peer_id, status], [alice.peerId.toString(), 'PERMISSION_DENIED'])
  })

  test('--allow PEER: this one and nobody else', async () => {
    await using alice = await nobody()
    await using bob = await nobody()
    await using running = start({ allow: [alice.peerId.toString()] })
    const addr = (await running.next('listen.ready')).addrs[0]!
    assert.equal((await ask(alice, addr, RESERVE)).status, 'OK')
    assert.equal((await ask(bob, addr, RESERVE)).status, 'PERMISSION_DENIED')
  })

  test('--allow and --deny CIDR, and a denial is the stronger one', async () => {
    await using alice = await nobody()
    const cases: [Partial<Options>, string][] = [
      [{ allow: ['127.0.0.0/8'] }, 'OK'],
      [{ allow: ['192.0.2.0/24'] }, 'PERMISSION_DENIED'],
      [{ deny: ['127.0.0.1'] }, 'PERMISSION_DENIED'],
      [{ allow: ['127.0.0.0/8'], deny: [alice.peerId.toString()] }, 'PERMISSION_DENIED']
    ]
    for (const [options, status] of cases) {
      await using running = start(options)
      const addr = (await running.next('listen.ready')).addrs[0]!
      assert.equal((await ask(alice, addr, RESERVE)).status, status, JSON.stringify(options))
    }
  })

  test('a block is IPv4 or IPv6, and counts for IPv4 addresses however they are written', async () => {
    await using alice = await nobody()
    const may = accessOf({ allow: ['192.0.2.0/24', '2001:db8::/32', '198.51.100.7'] })
    const from = (host: string) => may(alice.peerId, multiaddr(`${host}/tcp/1`))
    assert.deepEqual(['/ip4/192.0.2.9', '/ip6/::ffff:192.0.2.9', '/ip6/2001:db8::1', '/ip4/198.51.100.7'].map(from), [
      true,
      true,
      true,
      true
    ])
    assert.deepEqual(['/ip4/192.0.3.9', '/ip6/2001:db9::1', '/ip4/198.51.100.8'].map(from), [false, false, false])
  })

  test('what is neither a peer ID nor an address is refused before anything listens', async () => {
    for (const wrong of ['example.org', '192.0.2.0/33', '12D3KooW', '']) {
      const failure = await failureOf(start({ deny: [wrong] }).done)
      assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2], wrong)
    }
  })
})

describe('relay: how much', patient, () => {
  test('--no-limits advertises none', async () => {
    await using alice = await nobody()
    await using running = start({ limits: false })
    const addr = (await running.next('listen.ready')).addrs[0]!
    assert.equal((await ask(alice, addr, RESERVE)).limit, undefined)
  })

  test('--max-circuits and --max-circuits-per-peer: RESOURCE_LIMIT_EXCEEDED', async () => {
    for (const limits of [{ maxCircuits: 1 }, { maxCircuitsPerPeer: 1 }]) {
      await using running = start(limits)
      const { addrs, peer_id } = await running.next('listen.ready')
      const it = { node: { getMultiaddrs: () => [multiaddr(addrs[0]!)] } } as Awaited<ReturnType<typeof startRelay>>
      await using alice = await callee(it)
      await using bob = await nobody()
      assert.equal((await ask(bob, addrs[0]!, connectTo(alice.peerId))).status, 'OK', peer_id)
      await running.next('circuit.open')
      assert.equal((await ask(bob, addrs[0]!, connectTo(alice.peerId))).status, 'RESOURCE_LIMIT_EXCEEDED')
      assert.equal((await running.next('circuit.refused')).status, 'RESOURCE_LIMIT_EXCEEDED')
    }
  })

  test('what passes through an open circuit is told while it is open', async () => {
    await using running = start({ limits: false })
    const addr = (await running.next('listen.ready')).addrs[0]!
    const it = { node: { getMultiaddrs: () => [multiaddr(addr)] } } as Awaited<ReturnType<typeof startRelay>>
    await using alice = await callee(it)
    await using bob = await nobody()
    const stream = await bob.dialProtocol(multiaddr(addr), HOP_PROTOCOL)
    await hop(stream, connectTo(alice.peerId))
    stream.send(new Uint8Array(1000))
    const { in_bytes, out_bytes, dst_peer_id } = await running.next('circuit.traffic')
    assert.deepEqual([in_bytes, out_bytes, dst_peer_id], [1000, 0, alice.peerId.toString()])
  })
})
