import assert from 'node:assert/strict'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { parseAddr } from '../src/addr.ts'
import addrDnsaddr from '../src/commands/addr-dnsaddr.ts'
import addrParse from '../src/commands/addr-parse.ts'
import addrResolve, { type Options as ResolveOptions } from '../src/commands/addr-resolve.ts'
import { Failure } from '../src/errors.ts'
import { collect, failureOf, one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import type { Said } from '../src/events.ts'

const A = '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu'
const B = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
const parse = async (...addr: string[]) => only(await collect(addrParse, { addr }), 'addr.parse')
const problemsOf = async (addr: string) =>
  (await parse(addr))[0]!.problems.map(({ level, message, hint }) => [level, message, hint])

describe('addr parse', () => {
  test('an address is taken apart: components with their codes, the peer ID in its forms, what dials it', async () => {
    const [facts] = await parse(`/ip4/192.0.2.1/tcp/4001/p2p/${A}`)
    assert.deepEqual(facts, {
      type: 'addr.parse',
      target: `/ip4/192.0.2.1/tcp/4001/p2p/${A}`,
      valid: true,
      addr: `/ip4/192.0.2.1/tcp/4001/p2p/${A}`,
      components: [
        { name: 'ip4', code: 4, value: '192.0.2.1' },
        { name: 'tcp', code: 6, value: '4001' },
        { name: 'p2p', code: 421, value: A }
      ],
      peer: {
        peer_id: A,
        cid_base32: 'bafzaajaiaejca3x5z6gosdndd67bpdyzmu3jzhia373plikzmnkkcprtgmk5iuhq',
        cid_base36: 'k51qzi5uqu5diy6e93p27a30eze9dvyr54b0po7xm8rb4xqxia3jy6plr8zpps',
        key_type: 'ed25519'
      },
      scope: 'public',
      transports: [{ name: 'tcp', in_build: true }],
      problems: []
    })
  })

  test('a bare peer ID in any spelling is shown in all of them; of a hashed one the key type is not known', async () => {
    const forms = await parse(A, (await parse(A))[0]!.peer!.cid_base36, B)
    assert.deepEqual(
      forms.map(({ peer, scope, transports }) => [peer!.peer_id, peer!.key_type, scope, transports]),
      [
        [A, 'ed25519', null, []],
        [A, 'ed25519', null, []],
        [B, null, null, []]
      ]
    )
  })

  test('the transports say what it takes, and whether this build has it', async () => {
    const relay = `/ip4/192.0.2.1/udp/4001/quic-v1/p2p/${A}/p2p-circuit/p2p/${B}`
    const [circuit, wss, names] = await parse(relay, `/dns4/a.example/tcp/443/wss/p2p/${A}`, `/dnsaddr/a.example`)
    assert.deepEqual(circuit!.transports, [
      { name: 'quic-v1', in_build: true },
      { name: 'circuit', in_build: true }
    ])
    assert.deepEqual([circuit!.scope, circuit!.problems], ['circuit', []])
    assert.deepEqual(wss!.transports, [{ name: 'wss', in_build: true }])
    assert.deepEqual(names!.transports, [])
  })

  test('every fault of an address is told, each with what to do, and what stands before the first is read', async () => {
    const text = '/ip4/192.0.2.1/tpc/4001/p2p/abc'
    const said = await collect(addrParse, { addr: [text] })
    const { valid, addr, components } = one(said, 'addr.parse')
    assert.deepEqual([valid, addr, components], [false, null, [{ name: 'ip4', code: 4, value: '192.0.2.1' }]])
    assert.deepEqual(await problemsOf(text), [
      ['error', 'unknown protocol "tpc"', 'did you mean /tcp?'],
      ['error', 'bad peer ID "abc"', 'a peer ID looks like 12D3KooW... or Qm...']
    ])
    const { code, exit_code, target } = one(said, 'error')
    assert.deepEqual([code, exit_code, target], ['invalid_multiaddr', 2, text])
    const summary = one(said, 'run.summary')
    assert.deepEqual([summary.ok, summary.exit_code], [false, 2])
  })

  test('the last fault proposes the whole address, when those before it could be mended', async () => {
    assert.deepEqual(await problemsOf('/ipv4/192.0.2.1/tpc/4001'), [
      ['error', 'unknown protocol "ipv4"', 'did you mean /ip4?'],
      ['error', 'unknown protocol "tpc"', '/ip4/192.0.2.1/tcp/4001']
    ])
    assert.deepEqual(await problemsOf('/ip4/1.2.3.4/4001/wsss'), [
      ['error', 'unknown protocol "4001"', 'did you mean /tcp/4001?'],
      ['error', 'unknown protocol "wsss"', '/ip4/1.2.3.4/tcp/4001/wss']
    ])
  })

  test('an address that is well spelt and cannot be dialed says why', async () => {
    for (const [addr, level, message] of [
      [`/ip4/0.0.0.0/tcp/1/p2p/${A}`, 'error', /0\.0\.0\.0 is every address of a machine/],
      [`/ip4/192.0.2.1/tcp/0/p2p/${A}`, 'error', /port 0/],
      [`/ip4/239.1.2.3/tcp/1/p2p/${A}`, 'error', /many machines/],
      [`/ip6/ff02::1/tcp/1/p2p/${A}`, 'error', /many machines/],
      [`/ip6/fe80::1/tcp/1/p2p/${A}`, 'warning', /link-local/],
      [`/ip4/192.0.2.1/udp/1/p2p/${A}`, 'error', /UDP alone/],
      [`/ip4/192.0.2.1/udp/1/quic/p2p/${A}`, 'error', /draft/],
      [`/ip4/192.0.2.1/udp/1/webrtc-direct/p2p/${A}`, 'error', /certhash/],
      [`/ip4/192.0.2.1/tcp/1/p2p/${A}/p2p/${B}`, 'error', /two peers/],
      [`/ip4/192.0.2.1/tcp/1/p2p-circuit/p2p/${A}`, 'error', /relay has no peer ID/],
      [`/ip4/192.0.2.1/tcp/1/p2p/${A}/p2p-circuit`, 'error', /which peer is behind/],
      [`/ip4/0.0.0.0/tcp/1/p2p/${A}/p2p-circuit/p2p/${B}`, 'error', /^the relay: 0\.0\.0\.0/],
      ['/p2p-circuit', 'error', /which relay/],
      [`/ip4/192.0.2.1/tcp/1/ipfs/${A}`, 'warning', /old spelling/],
      ['/ip4/192.0.2.1/tcp/1', 'warning', /names no peer/]
    ] as const) {
      const problems = await problemsOf(addr)
      assert.equal(problems.length, 1, `${addr}: ${JSON.stringify(problems)}`)
      assert.equal(problems[0]![0], level)
      assert.match(problems[0]![1]!, message)
      assert.ok(problems[0]![2])
    }
  })

  test('@file gives one a line, and any that is invalid makes it wrong use', async () => {
    const file = join(await mkdtemp(join(tmpdir(), 'p2pctl-')), 'addrs')
    await writeFile(file, `# two\n/ip4/192.0.2.1/tcp/1/p2p/${A}\nhello # none\n`)
    const said = await collect(addrParse, { addr: [`@${file}`] })
    assert.deepEqual(
      only(said, 'addr.parse').map(({ valid }) => valid),
      [true, false]
    )
    assert.equal(one(said, 'run.summary').exit_code, 2)
  })

  test('what is called invalid is what every command refuses', async () => {
    for (const text of [
      '',
      '/',
      'x',
      '/tcp',
      '/ip4/1.2.3.4',
      '/ip4//tcp/1',
      '/tcp/tcp',
      '/foo/bar/baz',
      '/ip4/1.2.3.4/'
    ]) {
      assert.throws(() => parseAddr(text), Failure)
      const [facts] = await parse(text)
      assert.ok(facts!.problems.length > 0 && !facts!.valid, text)
    }
  })
})

describe('addr resolve', () => {
  const resolve = (addr: string, options: Partial<ResolveOptions>) =>
    collect(addrResolve, { addr, timeout: 5000, ...options })
  const faultsOf = (said: Said[]) => [
    ...only(said, 'dns.record').flatMap(({ record, fault }) => (fault == null ? [] : [[record, fault]])),
    ...only(said, 'dns.fault').map(({ addr, fault }) => [addr, fault])
  ]

  test('the tree of records is told with the fault of each, then the addresses that are left', async () => {
    const good = `/ip4/192.0.2.1/tcp/1/p2p/${A}`
    await using dns = await startDns({
      '_dnsaddr.a.example': {
        TXT: [
          `dnsaddr=/dnsaddr/b.example/p2p/${A}`,
          `dnsaddr=/ip4/192.0.2.9/tcp/1/p2p/${B}`,
          'dnsaddr=/ip4/x',
          'v=spf1'
        ]
      },
      '_dnsaddr.b.example': { TXT: [`dnsaddr=${good}`, `dnsaddr=/dnsaddr/a.example/p2p/${A}`] }
    })
    const said = await resolve(`/dnsaddr/a.example/p2p/${A}`, { dns: dns.address })
    assert.deepEqual(faultsOf(said), [
      [`dnsaddr=/ip4/192.0.2.9/tcp/1/p2p/${B}`, 'ending'],
      ['dnsaddr=/ip4/x', 'invalid'],
      ['v=spf1', 'no_dnsaddr'],
      [`/dnsaddr/a.example/p2p/${A}`, 'loop']
    ])
    const fine = only(said, 'dns.record').filter(({ fault }) => fault == null)
    assert.deepEqual(
      fine.map(({ under, addr }) => [under, addr]),
      [
        [`/dnsaddr/a.example/p2p/${A}`, `/dnsaddr/b.example/p2p/${A}`],
        [`/dnsaddr/b.example/p2p/${A}`, good],
        [`/dnsaddr/b.example/p2p/${A}`, `/dnsaddr/a.example/p2p/${A}`]
      ]
    )
    assert.deepEqual(one(said, 'addr.resolve').addrs, [good])
    assert.equal(one(said, 'run.summary').ok, true)
  })

  test('what the limits cut off is told', async () => {
    const ips = Array.from({ length: 18 }, (_, i) => `/ip4/192.0.2.${i + 1}/tcp/1`)
    await using dns = await startDns(name => {
      if (name === '_dnsaddr.many.example') return { TXT: ips.map(ip => `dnsaddr=${ip}`) }
      const level = Number(/^_dnsaddr\.l(\d+)\./.exec(name)?.[1])
      return { TXT: [`dnsaddr=/dnsaddr/l${level + 1}.example`, `dnsaddr=/ip4/192.0.2.1/tcp/${level}`] }
    })
    const many = await resolve('/dnsaddr/many.example', { dns: dns.address })
    assert.equal(one(many, 'addr.resolve').addrs.length, 16)
    assert.deepEqual(faultsOf(many), [
      [ips[16], 'limit'],
      [ips[17], 'limit']
    ])
    const deep = await resolve('/dnsaddr/l1.example', { dns: dns.address })
    assert.deepEqual(faultsOf(deep), [['/dnsaddr/l5.example', 'limit']])
  })

  test('-4 leaves the other family out, and says so', async () => {
    await using dns = await startDns({
      '_dnsaddr.a.example': { TXT: ['dnsaddr=/ip6/2001:db8::1/tcp/1', 'dnsaddr=/dns/b.example/tcp/2'] },
      'b.example': { A: ['192.0.2.2'], AAAA: ['2001:db8::2'] }
    })
    const said = await resolve('/dnsaddr/a.example', { dns: dns.address, ipv4: true })
    assert.deepEqual(one(said, 'addr.resolve').addrs, ['/ip4/192.0.2.2/tcp/2'])
    assert.deepEqual(faultsOf(said), [['/ip6/2001:db8::1/tcp/1', 'family']])
  })

  test('a name that leads nowhere: dnsaddr_empty or dns_not_found, exit 1, and the faults are told first', async () => {
    await using dns = await startDns({ '_dnsaddr.a.example': { TXT: [`dnsaddr=/ip4/192.0.2.9/tcp/1/p2p/${B}`] } })
    const said: Said[] = []
    const run = addrResolve(
      { addr: `/dnsaddr/a.example/p2p/${A}`, timeout: 5000, dns: dns.address },
      new AbortController().signal
    )
    const failure = await failureOf(
      (async () => {
        for await (const event of run) said.push(event)
      })()
    )
    assert.deepEqual([failure.code, failure.exitCode], ['dnsaddr_empty', 1])
    assert.deepEqual(faultsOf(said), [[`dnsaddr=/ip4/192.0.2.9/tcp/1/p2p/${B}`, 'ending']])
    const missing = await failureOf(resolve('/dns4/none.example/tcp/1', { dns: dns.address }))
    assert.deepEqual([missing.code, missing.exitCode], ['dns_not_found', 1])
  })

  test('an address without a name is its own answer', async () => {
    const said = await resolve(`/ip4/192.0.2.1/tcp/1/p2p/${A}`, {})
    assert.deepEqual(one(said, 'addr.resolve').addrs, [`/ip4/192.0.2.1/tcp/1/p2p/${A}`])
  })
})

describe('addr dnsaddr', () => {
  const write = (domain: string, addr: string[], options = {}) =>
    collect(addrDnsaddr, { domain, addr, ttl: 300_000, ...options })

  test('what it prints is what resolves to the same addresses', async () => {
    const addrs = [`/ip4/192.0.2.1/tcp/4001/p2p/${A}`, `/dns4/ws.example.org/tcp/443/wss/p2p/${A}`]
    const records = only(await write('example.org', addrs, { ttl: 3_600_000 }), 'addr.dnsaddr')
    assert.deepEqual(
      records.map(({ name, ttl_s, strings }) => [name, ttl_s, strings]),
      addrs.map(addr => ['_dnsaddr.example.org.', 3600, [`dnsaddr=${addr}`]])
    )
    await using dns = await startDns({
      '_dnsaddr.example.org': { TXT: records.map(({ strings }) => strings.join('')) },
      'ws.example.org': { A: ['192.0.2.2'] }
    })
    const said = await collect(addrResolve, { addr: '/dnsaddr/example.org', timeout: 5000, dns: dns.address })
    assert.deepEqual(one(said, 'addr.resolve').addrs, addrs)
  })

  test('a long address is split into strings of 255 bytes at most, whole characters each', async () => {
    const name = `${'ü'.repeat(20)}.`.repeat(5)
    const addr = `/dns4/${name}example/tcp/443/wss/p2p/${A}`
    const { strings } = one(await write('example.org', [addr]), 'addr.dnsaddr')
    assert.ok(strings.length > 1)
    for (const part of strings) assert.ok(Buffer.byteLength(part) <= 255)
    assert.equal(strings.join(''), `dnsaddr=${addr}`)
  })

  test('the domain is taken with _dnsaddr. or a dot at its end, and in any script', async () => {
    for (const [domain, name] of [
      ['_dnsaddr.example.org.', '_dnsaddr.example.org.'],
      ['münchen.example', '_dnsaddr.xn--mnchen-3ya.example.']
    ] as const) {
      assert.equal(one(await write(domain, [`/ip4/192.0.2.1/tcp/1/p2p/${A}`]), 'addr.dnsaddr').name, name)
    }
    for (const domain of ['', 'a..b', '-a.example', 'a b', '/dnsaddr/example.org', `${'a'.repeat(64)}.example`]) {
      const failure = await failureOf(write(domain, [`/ip4/192.0.2.1/tcp/1/p2p/${A}`]))
      assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2], domain)
    }
  })

  test('an address without a peer ID is refused unless asked for, and one that nobody can dial always', async () => {
    const failure = await failureOf(write('example.org', ['/ip4/192.0.2.1/tcp/1']))
    assert.deepEqual([failure.code, failure.exitCode], ['invalid_multiaddr', 2])
    assert.match(failure.hint, /--any-peer/)
    assert.ok(one(await write('example.org', ['/ip4/192.0.2.1/tcp/1'], { anyPeer: true }), 'addr.dnsaddr'))
    const never = await failureOf(write('example.org', [`/ip4/0.0.0.0/tcp/1/p2p/${A}`], { anyPeer: true }))
    assert.match(never.message, /nobody could dial/)
  })
})
