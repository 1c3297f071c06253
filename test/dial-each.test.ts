import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import dial, { type Options } from '../src/commands/dial.ts'
import listen from '../src/commands/listen.ts'
import type { Said } from '../src/events.ts'
import { merge } from '../src/flow.ts'
import { whyNotFromHere } from '../src/reach.ts'
import { certificates } from './helpers/certificates.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort, rawServer } from './helpers/raw-server.ts'

const patient = { timeout: 30_000 }
const ID = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const bare = (addr: string): string => addr.replace(/\/p2p\/[^/]*$/, '')
const run = (target: string | string[], options: Partial<Options> = {}): Promise<Said[]> =>
  collect(dial, { target: [target].flat(), timeout: 10_000, each: true, ...options })

/** What each address came to, in the order in which they were named. */
function outcomes(said: Said[]): unknown[] {
  return only(said, 'dial.attempt')
    .filter(({ scope }) => scope != null)
    .toSorted((a, b) => a.number! - b.number!)
    .map(({ addr, ok, error, skipped }) => [bare(addr), ok ? 'ok' : (error?.code ?? skipped)])
}

describe('dial --each', patient, () => {
  test('every address of a name is dialed on its own, also behind one that works', async () => {
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws'] })
    const [tcp, ws] = peer.getMultiaddrs().map(String) as [string, string]
    const dead = `/ip4/127.0.0.1/tcp/${await closedPort()}/p2p/${peer.peerId}`
    const quic = `/ip4/127.0.0.1/udp/4001/quic-v1/webtransport/p2p/${peer.peerId}`
    const TXT = [tcp, dead, ws, quic].map(addr => `dnsaddr=${addr}`)
    await using dns = await startDns({ '_dnsaddr.example.test': { TXT } })
    const target = '/dnsaddr/example.test'
    const said = await run(target, { dns: dns.address, allowPrivate: true })
    assert.deepEqual(outcomes(said), [
      [bare(tcp), 'ok'],
      [bare(dead), 'connection_refused'],
      [bare(ws), 'ok'],
      [bare(quic), 'Node has no WebTransport, neither to dial nor to listen: only browsers dial it']
    ])
    for (const { ok, phases, scope, security } of only(said, 'dial.attempt')) {
      assert.equal(scope, 'private')
      if (ok) assert.ok(phases.resolve_ms != null && phases.connect_ms! > 0 && phases.identify_ms! > 0)
      assert.equal(security, ok ? 'noise' : null)
    }
    const { ok, working, failed, skipped } = one(said, 'dial.target')
    assert.deepEqual([ok, working, failed, skipped], [false, 2, 1, 1])
    const error = one(said, 'error')
    assert.deepEqual([error.code, error.exit_code], ['connection_refused', 1])
    assert.match(error.message, /^1 of 3 addresses of \/dnsaddr\/example\.test do not work$/)
    assert.deepEqual(one(said, 'run.summary'), {
      type: 'run.summary',
      ok: false,
      exit_code: 1,
      target,
      reason: 'error'
    })
  })

  test('what this machine cannot dial does not count, and --any is content with one that works', async () => {
    await using peer = await plainNode()
    const dead = `/ip4/127.0.0.1/tcp/${await closedPort()}/p2p/${peer.peerId}`
    const quic = `/ip4/127.0.0.1/udp/4001/quic-v1/webtransport/p2p/${peer.peerId}`
    const zone = (addrs: string[]) => ({ TXT: addrs.map(addr => `dnsaddr=${addr}`) })
    await using dns = await startDns({
      '_dnsaddr.good.test': zone([addrOf(peer), quic]),
      '_dnsaddr.half.test': zone([addrOf(peer), dead])
    })
    const good = await run('/dnsaddr/good.test', { dns: dns.address, allowPrivate: true })
    assert.deepEqual([one(good, 'dial.target').skipped, one(good, 'run.summary').exit_code], [1, 0])
    const half = await run('/dnsaddr/half.test', { dns: dns.address, allowPrivate: true, any: true })
    assert.deepEqual([one(half, 'dial.target').failed, one(half, 'run.summary').exit_code], [1, 0])
    assert.equal(only(half, 'error').length, 0)
  })

  test('if nothing is left to count, that is no success', async () => {
    const said = await run(`/ip4/127.0.0.1/udp/4001/quic-v1/webtransport/p2p/${ID}`)
    const { code, exit_code, message } = one(said, 'error')
    assert.deepEqual([code, exit_code], ['no_addresses', 1])
    assert.match(message, /Node has no WebTransport/)
  })

  test('an address alone ends in the code of its failure', async () => {
    await using peer = await plainNode()
    const said = await run(`${bare(addrOf(peer))}/p2p/${ID}`)
    const { code, actual, exit_code } = one(said, 'error')
    assert.deepEqual([code, actual, exit_code], ['peer_id_mismatch', peer.peerId.toString(), 5])
    assert.equal(one(said, 'run.summary').exit_code, 5)
  })

  test('each attempt is made by a peer of its own, and no more at once than was asked for', async () => {
    const peers = new Set<string>()
    let open = 0
    let most = 0
    await using peer = await plainNode()
    peer.addEventListener('connection:open', ({ detail }) => {
      peers.add(detail.remotePeer.toString())
      most = Math.max(most, ++open)
    })
    peer.addEventListener('connection:close', () => open--)
    const targets = Array.from({ length: 6 }, (_, at) => bare(addrOf(peer)).replace('127.0.0.1', `127.0.0.${at + 1}`))
    await using all = await plainNode({ listen: ['/ip4/0.0.0.0/tcp/0'] })
    const port = all.getMultiaddrs()[0]!.toString().split('/')[4]
    all.addEventListener('connection:open', ({ detail }) => {
      peers.add(detail.remotePeer.toString())
      most = Math.max(most, ++open)
    })
    all.addEventListener('connection:close', () => open--)
    const said = await run(
      targets.map(addr => addr.replace(/\d+$/, port!)),
      { concurrency: 2 }
    )
    assert.deepEqual(one(said, 'run.summary'), { type: 'run.summary', ok: true, exit_code: 0 })
    assert.equal(peers.size, 6)
    assert.ok(most <= 2, `${most} at once`)
  })

  test('a failing name does not keep the other targets from being dialed', async () => {
    await using peer = await plainNode()
    await using dns = await startDns({})
    const said = await run(['/dns4/nowhere.test/tcp/1', addrOf(peer)], { dns: dns.address })
    assert.deepEqual(
      only(said, 'dial.target').map(({ ok }) => ok),
      [false, true]
    )
    assert.equal(one(said, 'error').code, 'dns_not_found')
    assert.equal(one(said, 'run.summary').exit_code, 1)
  })

  test('stopped early it says what is known', async () => {
    const stopper = new AbortController()
    await using silent = await rawServer(() => stopper.abort())
    const running = begin(dial, { target: [silent.addr], timeout: 30_000, each: true }, stopper)
    await assert.rejects(running.done, { name: 'AbortError' })
    assert.equal(one(running.said, 'dial.target').working, 0)
    await silent.closed
  })

  test('expectations are held against each address', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer), { expectAgent: 'kubo' })
    assert.deepEqual([one(said, 'dial.attempt').ok, one(said, 'error').code], [true, 'assertion_failed'])
    assert.equal(one(said, 'run.summary').exit_code, 1)
  })

  test('what is for one connection is refused with it', async () => {
    for (const options of [{ hold: 1000 }, { protocol: ['/a'] }]) {
      const failure = await failureOf(run('/ip4/127.0.0.1/tcp/1', options))
      assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
    }
    assert.equal((await failureOf(run('/ip4/127.0.0.1/tcp/1', { each: false, any: true }))).code, 'invalid_option')
  })
})

describe('dial --announced', patient, () => {
  test('tells stale addresses from those of another peer and those that work', async () => {
    await using other = await plainNode()
    const port = await closedPort()
    const announce = [
      `/ip4/127.0.0.1/tcp/${port}`,
      bare(addrOf(other)),
      '/ip4/203.0.113.7/udp/4001/quic-v1/webtransport',
      '/ip4/10.255.254.253/tcp/4001',
      '/dns4/nowhere.test/tcp/4001'
    ]
    await using dns = await startDns({})
    const listen = ['/ip4/127.0.0.1/tcp/0']
    await using peer = await plainNode({ libp2p: { addresses: { listen, appendAnnounce: announce } } })
    const own = peer.getMultiaddrs().find(addr => !announce.some(one => addr.toString().startsWith(one)))!
    const said = await run(bare(own.toString()), { each: false, announced: true, dns: dns.address })
    const found = only(said, 'dial.attempt').filter(({ announced }) => announced)
    const of = (addr: string) => {
      const { ok, error, skipped, stale, scope } = found.find(one => bare(one.addr) === addr)!
      return [ok ? 'ok' : (error?.code ?? skipped), stale, scope]
    }
    assert.deepEqual(of(bare(own.toString())), ['ok', false, 'private'])
    assert.deepEqual(of(announce[0]!), ['connection_refused', true, 'private'])
    assert.deepEqual(of(announce[1]!), ['peer_id_mismatch', false, 'private'])
    assert.deepEqual(of(announce[2]!), [
      'Node has no WebTransport, neither to dial nor to listen: only browsers dial it',
      false,
      'public'
    ])
    assert.deepEqual(of(announce[3]!), ['a private address of another network', false, 'private'])
    assert.deepEqual(of(announce[4]!), ['dns_not_found', true, 'public'])
    const { working, failed, skipped, left_out, peer_id } = one(said, 'dial.target')
    assert.deepEqual([working, failed, skipped, left_out, peer_id], [1, 3, 2, 0, peer.peerId.toString()])
    const mismatch = found.find(({ error }) => error?.code === 'peer_id_mismatch')!
    assert.equal(mismatch.peer_id, other.peerId.toString())
    assert.match(one(said, 'error').message, /^3 of 4 addresses announced by /)
    assert.equal(one(said, 'run.summary').exit_code, 1)
  })

  test('what the options leave out is skipped, and is not stale', async () => {
    await using peer = await plainNode({
      listen: ['/ip4/127.0.0.1/tcp/0', '/ip6/::1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws']
    })
    const addr = peer.getMultiaddrs().find(one => /ip4.*tcp\/\d+\/p2p/.test(one.toString()))!
    const said = await run(addr.toString(), { each: false, announced: true, ipv4: true, transport: ['tcp'] })
    const found = only(said, 'dial.attempt').filter(({ announced }) => announced)
    assert.deepEqual(found.map(({ ok, skipped, stale }) => [ok, skipped ?? null, stale]).toSorted(), [
      [false, 'left out by --transport', false],
      [false, 'left out by -4', false],
      [true, null, false]
    ])
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('where a server shows a certificate that nobody trusts, somebody is there', async () => {
    using files = await certificates()
    const { cert, key } = await files.selfSigned('peer')
    const both = ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/tls/ws']
    await using peer = begin(listen, { listen: both, cert, key, maxMessage: 1 << 20 })
    const { addrs } = await peer.next('listen.ready')
    const said = await run(addrs.find(addr => !addr.includes('/ws'))!, { each: false, announced: true })
    const attempts = only(said, 'dial.attempt').filter(({ announced }) => announced)
    const { error, stale } = attempts.find(({ transport }) => transport === 'wss')!
    assert.deepEqual([error?.code, stale], ['tls_cert_invalid', false])
  })

  test('a peer that announces thousands does not have thousands dialed', async () => {
    const port = await closedPort()
    const announce = Array.from({ length: 60 }, (_, at) => `/ip4/127.0.1.${at + 1}/tcp/${port}`)
    const listen = ['/ip4/127.0.0.1/tcp/0']
    await using peer = await plainNode({ libp2p: { addresses: { listen, announce } } })
    const parts = peer as unknown as { components: { transportManager: { getAddrs(): object[] } } }
    const [addr] = parts.components.transportManager.getAddrs().map(String)
    const said = await run(addr!, { each: false, announced: true })
    assert.equal(only(said, 'dial.attempt').filter(({ announced }) => announced).length, 32)
    assert.equal(one(said, 'dial.target').left_out, 28)
  })

  test('a peer that does not speak identify announces nothing', async () => {
    await using peer = await plainNode({ identify: false, circuit: false })
    const said = await run(addrOf(peer), { each: false, announced: true })
    assert.deepEqual([one(said, 'error').code, one(said, 'run.summary').exit_code], ['protocol_not_supported', 6])
  })
})

describe('which addresses this machine can dial', () => {
  const lan = { address: '192.168.7.2', cidr: '192.168.7.2/24', netmask: '', mac: '', internal: false } as const
  const ula = { address: 'fd00::2', cidr: 'fd00::2/64', netmask: '', mac: '', internal: false, scopeid: 0 } as const
  const interfaces = { eth0: [{ ...lan, family: 'IPv4' as const }] }
  const why = (addr: string, announcedOver: string | null, more = {}) =>
    whyNotFromHere(multiaddr(addr), {
      announcedOver: announcedOver == null ? null : multiaddr(announcedOver),
      interfaces,
      ...more
    })
  const far = '/ip4/203.0.113.7/tcp/4001'
  const cases: [string, string | null, string | null][] = [
    [far, null, null],
    ['/ip4/10.0.0.1/tcp/1', null, null],
    ['/ip4/10.0.0.1/tcp/1', far, 'a private address of another network'],
    ['/ip4/192.168.7.9/tcp/1', far, 'a private address, which a public peer tells of (--allow-private dials it)'],
    ['/ip4/192.168.7.9/tcp/1', '/ip4/192.168.7.1/tcp/5', null],
    ['/dns4/printer.local/tcp/1', far, 'a private address, which a public peer tells of (--allow-private dials it)'],
    ['/dns4/printer.local/tcp/1', '/ip4/192.168.7.1/tcp/5', null],
    ['/ip4/127.0.0.1/tcp/1', far, 'loopback of another machine'],
    ['/ip4/127.0.0.1/tcp/1', '/ip4/192.168.7.2/tcp/5', null],
    ['/ip4/0.0.0.0/tcp/1', far, 'it names no machine'],
    ['/ip6/fe80::1/tcp/1', far, 'link-local, on a link that it does not name'],
    ['/ip6/2001:db8::1/tcp/1', null, 'this machine has no IPv6 address'],
    [
      '/ip4/203.0.113.7/udp/1/quic-v1/webtransport',
      null,
      'Node has no WebTransport, neither to dial nor to listen: only browsers dial it'
    ],
    ['/unix/%2Fpeer.sock', null, null],
    ['/unix/%2Fpeer.sock', '/unix/%2Fother.sock', null],
    ['/unix/%2Fpeer.sock', '/ip4/127.0.0.1/tcp/5', null],
    ['/unix/%2Fpeer.sock', '/ip4/192.168.7.2/tcp/5', null],
    ['/unix/%2Fpeer.sock', '/ip4/192.168.7.9/tcp/5', 'a socket of another machine'],
    ['/unix/%2Fpeer.sock', `/ip4/127.0.0.1/tcp/1/p2p/${ID}/p2p-circuit`, 'a socket of another machine'],
    [`/unix/%2Frelay.sock/p2p/${ID}/p2p-circuit`, `/ip4/127.0.0.1/tcp/1/p2p/${ID}/p2p-circuit`, null],
    ['/p2p-circuit', far, 'it names no relay'],
    [`/ip4/10.0.0.1/tcp/1/p2p/${ID}/p2p-circuit`, far, 'a private address of another network']
  ]
  for (const [addr, over, expected] of cases) {
    test(`${addr}${over == null ? '' : ' announced'}: ${expected ?? 'dialed'}`, () => {
      assert.equal(why(addr, over), expected)
    })
  }

  test('--allow-private asks for all of them but those that name no machine, or a socket of another', () => {
    for (const [addr, over, reason] of cases) {
      const expected = /names no|socket of another|no IPv6|WebTransport/.test(reason ?? '') ? reason : null
      assert.equal(why(addr, over, { allowPrivate: true }), expected, addr)
    }
  })

  test('with a global or local IPv6 address, IPv6 is dialed', () => {
    assert.equal(
      why('/ip6/2001:db8::1/tcp/1', null, { interfaces: { eth0: [{ ...ula, family: 'IPv6' as const }] } }),
      null
    )
  })
})

test('merge runs no more generators at once than it may, and all of them', async () => {
  let running = 0
  let most = 0
  async function* one(value: number) {
    most = Math.max(most, ++running)
    yield value
    await null
    running--
  }
  const generators = Array.from({ length: 9 }, (_, at) => one(at))
  const all: number[] = []
  for await (const value of merge(generators, 3)) all.push(value)
  assert.deepEqual([all.toSorted(), most, running], [[0, 1, 2, 3, 4, 5, 6, 7, 8], 3, 0])
})
