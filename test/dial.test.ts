import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { ping } from '@libp2p/ping'
import dial, { type Options } from '../src/commands/dial.ts'
import { generateKeyFile } from '../src/keys.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort, rawServer } from './helpers/raw-server.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const run = (target: string | string[], options: Partial<Options> = {}): Promise<Said[]> =>
  collect(dial, { target: [target].flat(), timeout: 10_000, ...options })

describe('dial', patient, () => {
  for (const [name, listen] of [
    ['TCP over IPv4', '/ip4/127.0.0.1/tcp/0'],
    ['TCP over IPv6', '/ip6/::1/tcp/0'],
    ['WebSocket over IPv4', '/ip4/127.0.0.1/tcp/0/ws'],
    ['WebSocket over IPv6', '/ip6/::1/tcp/0/ws']
  ] as const) {
    test(`${name}: every phase is measured, and identify is what the peer announces`, async () => {
      await using peer = await plainNode({ listen: [listen], services: { ping: ping() } })
      const addr = addrOf(peer)
      const said = await run(addr)
      assert.deepEqual(
        said.map(({ type }) => type),
        ['run.start', 'dial.attempt', 'connection.open', 'peer.identify', 'run.summary']
      )
      const { phases, ...attempt } = one(said, 'dial.attempt')
      const transport = listen.endsWith('/ws') ? 'ws' : 'tcp'
      assert.deepEqual(
        { ...attempt, total_ms: 0 },
        {
          type: 'dial.attempt',
          target: addr,
          addr,
          transport,
          ok: true,
          total_ms: 0,
          security: 'noise',
          muxer: 'yamux',
          limited: false,
          error: null,
          peer_id: peer.peerId.toString(),
          number: 1,
          of: 1
        }
      )
      assert.equal(phases.resolve_ms, null)
      assert.equal(phases.muxer_ms, null, 'noise brings the muxer with it')
      const { connect_ms, security_ms, identify_ms } = phases
      for (const ms of [connect_ms, security_ms, identify_ms]) assert.ok(ms != null && ms > 0)
      // the parts are the whole, but for the moments between them
      assert.ok(connect_ms! + security_ms! + identify_ms! <= attempt.total_ms)
      const { direction, remote_addr, limited, ...open } = one(said, 'connection.open')
      assert.deepEqual([direction, remote_addr, limited, open.transport], ['outbound', addr, false, transport])
      const { agent_version, protocols, signed_record, listen_addrs, observed_addr, protocol_version } = one(
        said,
        'peer.identify'
      )
      assert.match(agent_version!, /^js-libp2p\//)
      assert.equal(protocol_version, 'ipfs/0.1.0')
      assert.deepEqual(protocols, peer.getProtocols())
      const bare = addr.replace(/\/p2p\/.*/, '')
      assert.deepEqual(listen_addrs, [bare])
      assert.match(observed_addr!, listen.startsWith('/ip6') ? /^\/ip6\/::1\/tcp\/\d+/ : /^\/ip4\/127.0.0.1\/tcp\/\d+/)
      assert.deepEqual([signed_record?.valid, signed_record?.addrs], [true, [bare]])
      assert.deepEqual(one(said, 'run.summary'), { type: 'run.summary', ok: true, exit_code: 0, target: addr })
    })
  }

  test('an address without a peer ID takes whoever answers', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer).replace(/\/p2p\/.*/, ''))
    assert.equal(one(said, 'dial.attempt').peer_id, peer.peerId.toString())
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('--require-peer-id refuses it, and nothing is sent', async () => {
    await using server = await rawServer()
    const failure = await failureOf(run(server.addr, { requirePeerId: true }))
    assert.deepEqual([failure.code, failure.exitCode, server.count], ['invalid_multiaddr', 2, 0])
  })

  test('localhost is looked up, timed and dialed', async () => {
    await using peer = await plainNode()
    const target = addrOf(peer).replace('/ip4/127.0.0.1', '/dns4/localhost')
    const said = await run(target)
    const looked = one(said, 'dial.resolve')
    assert.deepEqual(looked.addrs, [addrOf(peer)])
    const { addr, phases } = one(said, 'dial.attempt')
    assert.equal(addr, addrOf(peer))
    assert.ok(phases.resolve_ms != null && phases.resolve_ms >= 0)
    assert.ok(one(said, 'run.summary').ok)
  })

  test('a WebSocket address keeps its name', async () => {
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
    const target = addrOf(peer).replace('/ip4/127.0.0.1', '/dns4/localhost')
    const said = await run(target)
    assert.equal(one(said, 'dial.attempt').addr, target)
    assert.ok(one(said, 'run.summary').ok)
  })

  test('of the addresses of a dnsaddr each is tried in turn, and the one that works ends it', async () => {
    await using peer = await plainNode()
    const dead = `/ip4/127.0.0.1/tcp/${await closedPort()}/p2p/${peer.peerId}`
    const never = `/ip4/127.0.0.1/tcp/${await closedPort()}/ws/p2p/${peer.peerId}`
    const TXT = [dead, addrOf(peer), never].map(addr => `dnsaddr=${addr}`)
    await using dns = await startDns({ '_dnsaddr.example.test': { TXT } })
    const target = `/dnsaddr/example.test/p2p/${peer.peerId}`
    const said = await run(target, { dns: dns.address, allowPrivate: true })
    assert.deepEqual(one(said, 'dial.resolve').addrs.length, 3)
    const attempts = only(said, 'dial.attempt')
    assert.deepEqual(
      attempts.map(({ addr, ok, number, of, error }) => [addr, ok, number, of, error?.code]),
      [
        [dead, false, 1, 3, 'connection_refused'],
        [addrOf(peer), true, 2, 3, undefined]
      ]
    )
    assert.deepEqual(one(said, 'run.summary'), { type: 'run.summary', ok: true, exit_code: 0, target })
  })

  test('-4, -6 and --transport narrow what a name stands for', async () => {
    await using peer = await plainNode()
    const dead = `/ip6/::1/tcp/${await closedPort()}/p2p/${peer.peerId}`
    const ws = `/ip4/127.0.0.1/tcp/${await closedPort()}/ws/p2p/${peer.peerId}`
    const TXT = [dead, ws, addrOf(peer)].map(addr => `dnsaddr=${addr}`)
    await using dns = await startDns({ '_dnsaddr.example.test': { TXT } })
    const named = { dns: dns.address, allowPrivate: true }
    const said = await run('/dnsaddr/example.test', { ...named, ipv4: true, transport: ['tcp'] })
    assert.deepEqual([one(said, 'dial.attempt').addr, one(said, 'dial.attempt').of], [addrOf(peer), 1])
    const none = await run('/dnsaddr/example.test', { ...named, transport: ['circuit'] })
    const { code, phase, hint } = one(none, 'error')
    assert.deepEqual([code, phase, hint], ['no_addresses', 'resolve', 'leave out --transport, or give another address'])
  })

  test('the address that was given is dialed, and no other that the peer has', async () => {
    const port = await closedPort()
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] })
    const dead = `/ip4/127.0.0.1/tcp/${port}/p2p/${peer.peerId}`
    // both in one run: the node has a connection to this very peer when it comes to the dead address
    const said = await run([addrOf(peer), dead])
    assert.deepEqual(
      only(said, 'dial.attempt').map(({ ok, error }) => [ok, error?.code]),
      [
        [true, undefined],
        [false, 'connection_refused']
      ]
    )
    assert.equal(one(said, 'error').target, dead)
    assert.equal(one(said, 'run.summary').exit_code, 1)
  })

  test('protocols are negotiated: those that are spoken and one that is not', async () => {
    await using peer = await plainNode({ services: { ping: ping() } })
    const spoken = await run(addrOf(peer), { protocol: ['/ipfs/ping/1.0.0', '/ipfs/id/1.0.0'] })
    assert.deepEqual(
      only(spoken, 'dial.protocol').map(({ protocol, ok }) => [protocol, ok]),
      [
        ['/ipfs/ping/1.0.0', true],
        ['/ipfs/id/1.0.0', true]
      ]
    )
    assert.equal(one(spoken, 'run.summary').exit_code, 0)
    const missing = await run(addrOf(peer), { protocol: ['/no/such/1.0.0', '/ipfs/ping/1.0.0'] })
    assert.deepEqual(
      only(missing, 'dial.protocol').map(({ ok }) => ok),
      [false, true]
    )
    const { code, phase, message, exit_code } = one(missing, 'error')
    assert.deepEqual([code, phase, exit_code], ['protocol_not_supported', 'protocol', 6])
    assert.match(message, /\/no\/such\/1\.0\.0$/)
    assert.equal(one(missing, 'run.summary').exit_code, 6)
  })

  test('several targets: all of them are dialed, and the answer is 0 or 1', async () => {
    await using peer = await plainNode()
    await using other = await plainNode()
    const wrong = addrOf(peer).replace(/[^/]+$/, other.peerId.toString())
    const some = await run([wrong, addrOf(peer), addrOf(other)])
    assert.equal(one(some, 'error').code, 'peer_id_mismatch')
    assert.equal(only(some, 'peer.identify').length, 2)
    assert.deepEqual(one(some, 'run.summary'), { type: 'run.summary', ok: false, exit_code: 1 })
    const all = await run([addrOf(peer), addrOf(other)])
    assert.deepEqual(one(all, 'run.summary'), { type: 'run.summary', ok: true, exit_code: 0 })
  })

  test('a node does not dial itself', async () => {
    const identity = join(await mkdtemp(join(tmpdir(), 'p2pctl-')), 'id.key')
    const { peerId } = await generateKeyFile(identity)
    await using server = await rawServer()
    const said = await run(`${server.addr}/p2p/${peerId}`, { identity })
    assert.equal(one(said, 'run.start').peer_id, peerId)
    const { code, exit_code } = one(said, 'error')
    assert.deepEqual([code, exit_code, server.count], ['dial_self', 2, 0])
  })

  test('a dial that is stopped throws, and its socket is closed', async () => {
    await using silent = await rawServer(() => stopper.abort())
    const stopper = new AbortController()
    const running = begin(dial, { target: [silent.addr], timeout: 30_000 }, stopper)
    await assert.rejects(running.done, { name: 'AbortError' })
    assert.deepEqual(only(running.said, 'dial.attempt'), [])
    await silent.closed
  })

  test('a dial that is stopped in identify throws, and its connection is closed', async () => {
    await using peer = await plainNode({ identify: false })
    const stopper = new AbortController()
    await peer.handle('/ipfs/id/1.0.0', () => stopper.abort())
    const closed = once(peer as unknown as EventTarget, 'connection:close')
    const running = begin(dial, { target: [addrOf(peer)], timeout: 30_000 }, stopper)
    await assert.rejects(running.done, { name: 'AbortError' })
    await closed
  })
})
