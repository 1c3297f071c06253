/** What DNS may cost, and which of the addresses that others name are dialed. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ping as answerPing } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { parseAddr } from '../src/addr.ts'
import addrResolve from '../src/commands/addr-resolve.ts'
import dial from '../src/commands/dial.ts'
import ping from '../src/commands/ping.ts'
import { Failure } from '../src/errors.ts'
import type { Event } from '../src/events.ts'
import { type LimitName, limitTable } from '../src/limits.ts'
import { mayDial } from '../src/dht-dial.ts'
import { openings } from '../src/meet.ts'
import { type Found, type ResolveOptions, resolveAddr } from '../src/resolve.ts'
import { run } from './helpers/cli.ts'
import { collect, one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'

const patient = { timeout: 30_000 }
const A = '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu'
const B = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X'
const never = new AbortController().signal

interface Outcome {
  addrs: string[]
  events: Event<'dial.resolve'>[]
  faults: Event<'dns.fault'>[]
  failure: Failure | undefined
}

async function resolve(addr: string, options: ResolveOptions): Promise<Outcome> {
  const all: Found[] = []
  const events: Event<'dial.resolve'>[] = []
  const steps = resolveAddr(parseAddr(addr), { onFound: found => void all.push(found), ...options }, never)
  const faults = () => all.filter(found => found.type === 'dns.fault')
  try {
    for (;;) {
      const { done, value } = await steps.next()
      if (done) return { addrs: value.map(String), events, faults: faults(), failure: undefined }
      events.push(value)
    }
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    return { addrs: [], events, faults: faults(), failure }
  }
}

const faultsOf = ({ faults }: Outcome) => faults.map(({ addr, fault }) => [addr, fault])
const most = (name: LimitName): number => limitTable[name].default

describe('what a name may cost', patient, () => {
  /** `/dnsaddr/lN.example` leads to the level below, and the lowest to an address. */
  const levels = () =>
    startDns(name => {
      const level = Number(/^_dnsaddr\.l(\d+)/.exec(name)?.[1])
      return { TXT: [level === 1 ? 'dnsaddr=/ip4/192.0.2.1/tcp/1' : `dnsaddr=/dnsaddr/l${level - 1}.example`] }
    })

  test('limit dns-depth: 4 levels, and not 5, unless more are asked for', async () => {
    await using dns = await levels()
    for (const [limit, depth] of [
      [{}, 4],
      [{ 'dns-depth': 1 }, 1],
      [{ 'dns-depth': 9 }, 9]
    ] as const) {
      const at = await resolve(`/dnsaddr/l${depth}.example`, { dns: dns.address, limit })
      assert.deepEqual(at.addrs, ['/ip4/192.0.2.1/tcp/1'])
      const asked = dns.questions.length
      const over = await resolve(`/dnsaddr/l${depth + 1}.example`, { dns: dns.address, limit })
      assert.deepEqual(faultsOf(over), [['/dnsaddr/l1.example', 'limit']])
      assert.ok(over.failure!.message.includes(`more than ${depth} level`))
      assert.equal(dns.questions.length - asked, depth)
    }
  })

  test('limit dns-queries: 32 questions for one target, and not 33, unless more are asked for', async () => {
    /** As many names in one answer as the server is asked for, each with an address. */
    const fan = (count: number) =>
      startDns(name =>
        name === '_dnsaddr.fan.example'
          ? { TXT: Array.from({ length: count }, (_, nth) => `dnsaddr=/dns4/h${nth}.example/tcp/${nth + 1}`) }
          : { A: ['192.0.2.1'] }
      )
    for (const [limit, queries] of [
      [{ 'dns-addrs': 100 }, most('dns-queries')],
      [{ 'dns-addrs': 100, 'dns-queries': 5 }, 5],
      [{ 'dns-addrs': 100, 'dns-queries': 40 }, 40]
    ] as const) {
      await using at = await fan(queries - 1)
      const all = await resolve('/dnsaddr/fan.example', { dns: at.address, limit })
      assert.equal(all.addrs.length, queries - 1)
      assert.deepEqual(all.faults, [])
      assert.equal(at.questions.length, queries)
      await using over = await fan(queries)
      const some = await resolve('/dnsaddr/fan.example', { dns: over.address, limit })
      assert.equal(some.addrs.length, queries - 1)
      assert.deepEqual(
        some.faults.map(({ fault, message }) => [fault, message]),
        [['limit', `more than ${queries} DNS queries`]]
      )
      assert.equal(over.questions.length, queries)
    }
    assert.equal(most('dns-queries'), 32)
    // a name of either family is two questions
    await using both = await startDns({ 'a.example': { A: ['192.0.2.1'] } })
    assert.equal(
      (await resolve('/dns/a.example/tcp/1', { dns: both.address, limit: { 'dns-queries': 1 } })).addrs.length,
      0
    )
    assert.equal(
      (await resolve('/dns/a.example/tcp/1', { dns: both.address, limit: { 'dns-queries': 2 } })).addrs.length,
      1
    )
  })

  test('limit dns-addrs: 16 addresses of one name, and not 17, unless more are asked for', async () => {
    const named = (count: number) => Array.from({ length: count }, (_, nth) => `/ip4/192.0.2.${nth + 1}/tcp/1`)
    await using dns = await startDns(name => {
      const count = Number(/^_dnsaddr\.n(\d+)/.exec(name)?.[1])
      return { TXT: named(count).map(addr => `dnsaddr=${addr}`) }
    })
    for (const [limit, addrs] of [
      [{}, 16],
      [{ 'dns-addrs': 1 }, 1],
      [{ 'dns-addrs': 20 }, 20]
    ] as const) {
      const at = await resolve(`/dnsaddr/n${addrs}.example`, { dns: dns.address, limit })
      assert.deepEqual(at.addrs.sort(), named(addrs).sort())
      assert.deepEqual(at.faults, [])
      const over = await resolve(`/dnsaddr/n${addrs + 1}.example`, { dns: dns.address, limit })
      assert.equal(over.addrs.length, addrs)
      assert.deepEqual(
        over.faults.map(({ fault, message }) => [fault, message]),
        [['limit', `more than ${addrs} addresses`]]
      )
    }
  })

  test('--limit reaches the look-ups of a dial, of a ping and of addr resolve', async () => {
    await using dns = await levels()
    const target = '/dnsaddr/l2.example'
    const argv = [target, '--dns', dns.address, '--limit', 'dns-depth=1', '--json']
    for (const command of [['dial'], ['ping', '-c', '1'], ['addr', 'resolve']]) {
      const { code, events } = await run([...command, ...argv])
      assert.equal(code, 1, command.join(' '))
      assert.match(one(events, 'error').message, /more than 1 level/)
    }
    const { code, stdout } = await run(['addr', 'resolve', '-q', target, '--dns', dns.address], {
      env: { P2PCTL_LIMIT: 'dns-depth=2' }
    })
    assert.deepEqual([code, stdout], [0, '/ip4/192.0.2.1/tcp/1\n'])
  })

  test('a fan-out of 2^14 and more costs 32 questions, whatever the levels', async () => {
    const digits = [...'0123456789abcdef']
    await using dns = await startDns(name => {
      const label = /^_dnsaddr\.f([0-9a-f]*)\./.exec(name)?.[1] ?? ''
      return { TXT: digits.map(digit => `dnsaddr=/dnsaddr/f${label}${digit}.example`) }
    })
    const deep = await resolve('/dnsaddr/f.example', { dns: dns.address, limit: { 'dns-depth': 32 } })
    assert.equal(deep.failure?.code, 'dnsaddr_empty')
    assert.equal(dns.questions.length, 32)
    assert.equal(deep.events.length, 32)
    // 16 of the first level, 256 of the second, and 15 questions are left for them: nobody looks at the 16^4 below
    assert.ok(deep.faults.length <= 16 * 32, `${deep.faults.length} faults`)
  })

  test('loops of any length end, and no name is asked for twice', async () => {
    await using dns = await startDns(name => {
      const [, nth = '0', of = '1'] = /^_dnsaddr\.r(\d+)of(\d+)\./.exec(name) ?? []
      return { TXT: [`dnsaddr=/dnsaddr/r${(Number(nth) + 1) % Number(of)}of${of}.example`] }
    })
    for (const length of [1, 2, 3]) {
      const asked = dns.questions.length
      const ring = await resolve(`/dnsaddr/r0of${length}.example`, { dns: dns.address })
      assert.equal(ring.failure?.code, 'dnsaddr_empty')
      assert.deepEqual(faultsOf(ring), [[`/dnsaddr/r0of${length}.example`, 'loop']])
      assert.equal(dns.questions.length - asked, length)
    }
  })

  test('an answer of 64 KiB is read as far as 256 records, and each of its names counts', async () => {
    const record = (nth: number): string => `dnsaddr=/dnsaddr/n${nth}.example`
    const full = (from: number): string[] => Array.from({ length: 850 }, (_, nth) => record(from + nth))
    await using dns = await startDns(name => ({ TXT: full(850 * (Number(/n(\d+)/.exec(name)?.[1] ?? 0) + 1)) }))
    const cpu = process.cpuUsage()
    const heap = process.memoryUsage().heapUsed
    const outcome = await resolve('/dnsaddr/n0.example', { dns: dns.address, timeoutMs: 20_000 })
    const { user, system } = process.cpuUsage(cpu)
    assert.equal(outcome.failure?.code, 'dnsaddr_empty')
    assert.equal(dns.questions.length, 32)
    const cut = outcome.faults.filter(({ message }) => /more than the 256/.test(message))
    assert.equal(cut.length, 32)
    assert.equal(cut[0]!.message, '594 records more than the 256 of one name that are read')
    assert.ok(outcome.faults.length <= 32 * 257, `${outcome.faults.length} faults`)
    assert.ok((user + system) / 1e6 < 10, `${(user + system) / 1e6} s of CPU`)
    const grown = (process.memoryUsage().heapUsed - heap) / 2 ** 20
    assert.ok(grown < 128, `${grown} MiB`)
  })

  test('a record of 60 KiB, and ones that are malformed, cost no more than themselves', async () => {
    const TXT = [
      `dnsaddr=/ip4/192.0.2.1${'/p2p-circuit'.repeat(5000)}`,
      'dnsaddr=',
      'dnsaddr',
      '\0',
      'dnsaddr=/dnsaddr/',
      `dnsaddr=/dnsaddr/${'a'.repeat(300)}.example`,
      'dnsaddr=/dnsaddr/a..b',
      'dnsaddr=/dns4/\x1b]0;x\x07/tcp/1',
      'dnsaddr=/p2p/abc',
      'dnsaddr=/ip4/192.0.2.1/tcp/99999'
    ]
    await using dns = await startDns({
      '_dnsaddr.bad.example': { TXT },
      '_dnsaddr.some.example': { TXT: [...TXT, 'dnsaddr=/ip4/192.0.2.7/tcp/1'] }
    })
    const some = await resolve('/dnsaddr/some.example', { dns: dns.address })
    assert.deepEqual(some.addrs, ['/ip4/192.0.2.7/tcp/1'])
    const { failure } = await resolve('/dnsaddr/bad.example', { dns: dns.address })
    assert.equal(failure?.code, 'dnsaddr_empty')
    assert.match(failure.message, /it is longer than 4096 characters/)
    assert.ok(failure.message.length < 2000, `${failure.message.length} characters`)
    assert.doesNotMatch(failure.message, /\p{Cc}/u)
    // a name that DNS cannot have is no question for it
    assert.ok(dns.questions.length <= 6, dns.questions.join('\n'))
  })

  test('a slow server: what is asked at the end of the time is not waited for', async () => {
    const late = Promise.withResolvers<void>()
    await using dns = await startDns(async name => {
      if (name !== '_dnsaddr.slow.example') await late.promise
      return { TXT: [1, 2, 3].map(nth => `dnsaddr=/dnsaddr/s${nth}.example`), A: ['192.0.2.1'] }
    })
    const outcome = await resolve('/dnsaddr/slow.example', { dns: dns.address, timeoutMs: 200 })
    late.resolve()
    assert.equal(outcome.failure?.code, 'io_timeout')
    assert.equal(outcome.events.length, 4)
  })
})

describe('private addresses that others name', patient, () => {
  const privates = [
    ...['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/172.16.0.1/tcp/1', '/ip4/192.168.0.1/tcp/1'],
    ...['/ip4/169.254.169.254/tcp/80', '/ip4/100.64.0.1/tcp/1', '/ip4/0.0.0.0/tcp/1', '/ip4/168.63.129.16/tcp/80'],
    ...['/ip6/::1/tcp/1', '/ip6/fe80::1/tcp/1', '/ip6/fd00::1/tcp/1', '/ip6/fd00:ec2::254/tcp/80'],
    ...['/ip6/64:ff9b::7f00:1/tcp/1', '/ip6/2002:a00:1::/tcp/1', '/ip6/::ffff:7f00:1/tcp/1'],
    ...['/ip6zone/eth0/ip6/fe80::1/tcp/1', '/dns4/localhost/tcp/1', '/dns4/printer.local/tcp/1', '/unix/%2Fsock'],
    `/ip4/10.0.0.1/tcp/1/p2p/${A}/p2p-circuit/p2p/${B}`,
    `/ip4/10.0.0.1/tcp/1/p2p/${A}/p2p-circuit/p2p/${B}/p2p-circuit/p2p/${A}`,
    '/ip4/127.0.0.1/tcp/1/ws',
    '/ip4/127.0.0.1/udp/1/quic-v1'
  ]
  const PUBLIC = '/ip4/192.0.2.7/tcp/1'

  test('those in a TXT record are left out, each with the reason, unless they are asked for', async () => {
    await using dns = await startDns({
      '_dnsaddr.some.example': { TXT: [...privates, PUBLIC].map(addr => `dnsaddr=${addr}`) }
    })
    const some = await resolve('/dnsaddr/some.example', { dns: dns.address })
    assert.deepEqual(some.addrs, [PUBLIC])
    assert.deepEqual(new Set(some.faults.map(({ addr }) => addr)), new Set(privates.map(addr => `${parseAddr(addr)}`)))
    for (const { addr, fault, message } of some.faults) {
      assert.deepEqual([fault, message], ['private', `${addr} is a private address that somebody else names`])
    }
    // neither were names in the local network looked up
    assert.deepEqual(dns.questions, ['TXT _dnsaddr.some.example'])
    const literal = privates.filter(addr => !addr.includes('dns'))
    await using free = await startDns({ '_dnsaddr.free.example': { TXT: literal.map(addr => `dnsaddr=${addr}`) } })
    const limit = { 'dns-addrs': 100 }
    const asked = await resolve('/dnsaddr/free.example', { dns: free.address, limit, allowPrivate: true })
    assert.deepEqual(new Set(asked.addrs), new Set(literal.map(addr => `${parseAddr(addr)}`)))
  })

  test('so are those that a name in a record leads to; a WebSocket keeps its name only if none is', async () => {
    await using dns = await startDns({
      '_dnsaddr.names.example': {
        TXT: ['in', 'out', 'mixed'].flatMap(name => [
          `dnsaddr=/dns4/${name}.example/tcp/1`,
          `dnsaddr=/dns4/${name}.example/tcp/443/wss`
        ])
      },
      'in.example': { A: ['127.0.0.1'] },
      'out.example': { A: ['192.0.2.1'] },
      'mixed.example': { A: ['192.0.2.2', '169.254.169.254'] }
    })
    const { addrs, faults } = await resolve('/dnsaddr/names.example', { dns: dns.address })
    assert.deepEqual(addrs.sort(), ['/dns4/out.example/tcp/443/wss', '/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1'])
    assert.deepEqual(faults.map(({ addr }) => addr).sort(), [
      '/ip4/127.0.0.1/tcp/1',
      '/ip4/127.0.0.1/tcp/443/wss',
      '/ip4/169.254.169.254/tcp/1',
      '/ip4/169.254.169.254/tcp/443/wss'
    ])
  })

  test('what a person typed is dialed, a name in the local network as well', async () => {
    await using peer = await plainNode()
    const [, , , , port] = addrOf(peer).split('/')
    await using dns = await startDns({ 'nas.example': { A: ['127.0.0.1'] } })
    for (const host of ['dns4/localhost', 'dns4/nas.example', 'ip4/127.0.0.1']) {
      const said = await collect(dial, { target: [`/${host}/tcp/${port}`], timeout: 10_000, dns: dns.address })
      assert.equal(one(said, 'run.summary').ok, true, host)
      assert.equal(only(said, 'dns.fault').length, 0)
    }
  })

  test('where nothing else is left it is no_addresses, says how to ask for it, and nobody was dialed', async () => {
    await using peer = await plainNode({ services: { ping: answerPing() } })
    let came = 0
    peer.addEventListener('connection:open', () => void came++)
    await using dns = await startDns({
      '_dnsaddr.lan.example': { TXT: [addrOf(peer), '/ip4/127.0.0.2/tcp/1'].map(addr => `dnsaddr=${addr}`) }
    })
    const target = ['/dnsaddr/lan.example']
    const options = { target, timeout: 10_000, dns: dns.address }
    const said = await collect(dial, options)
    const { code, phase, exit_code, message, hint } = one(said, 'error')
    assert.deepEqual([code, phase, exit_code], ['no_addresses', 'resolve', 1])
    assert.match(
      message,
      /^cannot dial \/dnsaddr\/lan\.example: .* is a private address that somebody else names, and so are 1 more$/
    )
    assert.match(hint!, /--allow-private/)
    assert.deepEqual(
      only(said, 'dns.fault').map(({ fault, target }) => [fault, target]),
      Array(2).fill(['private', target[0]])
    )
    assert.equal(only(said, 'dial.attempt').length, 0)
    assert.equal(came, 0)
    const asked = await collect(dial, { ...options, allowPrivate: true })
    assert.equal(one(asked, 'run.summary').ok, true)
    const pinged = await collect(ping, { ...options, count: 1, allowPrivate: true })
    assert.equal(one(pinged, 'run.summary').ok, true)
  })

  test('addr resolve shows which, and prints what a dial would dial', async () => {
    await using dns = await startDns({
      '_dnsaddr.a.example': { TXT: ['dnsaddr=/ip4/10.0.0.1/tcp/1', `dnsaddr=${PUBLIC}`] }
    })
    const options = { addr: '/dnsaddr/a.example', timeout: 5000, dns: dns.address }
    const said = await collect(addrResolve, options)
    assert.deepEqual(one(said, 'addr.resolve').addrs, [PUBLIC])
    assert.equal(one(said, 'dns.fault').fault, 'private')
    const argv = ['addr', 'resolve', '/dnsaddr/a.example', '--dns', dns.address]
    const shown = await run(argv)
    assert.match(shown.stdout, /─ \/ip4\/10\.0\.0\.1\/tcp\/1 {3}is a private address that somebody else names\n/)
    assert.match((await run([...argv, '-q', '--allow-private'])).stdout, /^\/ip4\/10\.0\.0\.1\/tcp\/1$/m)
  })

  test('a stranger that names a name is not believed either', async () => {
    await using dns = await startDns({ 'in.example': { A: ['127.0.0.1'] }, 'out.example': { A: ['192.0.2.1'] } })
    const told = { dns: dns.address, byStranger: true }
    assert.equal((await resolve('/dns4/in.example/tcp/1', told)).failure?.code, 'no_addresses')
    assert.equal((await resolve('/dns4/in.example/tcp/443/wss', told)).failure?.code, 'no_addresses')
    assert.equal((await resolve('/dns4/localhost/tcp/1', told)).failure?.code, 'no_addresses')
    assert.deepEqual((await resolve('/dns4/out.example/tcp/1', told)).addrs, ['/ip4/192.0.2.1/tcp/1'])
    assert.deepEqual((await resolve('/dns4/in.example/tcp/1', { ...told, allowPrivate: true })).addrs, [
      '/ip4/127.0.0.1/tcp/1'
    ])
  })

  test('nodes of a DHT, and what a node dials for its services', async () => {
    const far = multiaddr('/ip4/192.0.2.9/tcp/1')
    const options = { timeout: 1000 }
    for (const addr of privates.map(addr => multiaddr(addr)).filter(addr => !`${addr}`.includes('p2p-circuit'))) {
      const whole = addr.encapsulate(`/p2p/${A}`)
      assert.equal(mayDial(whole, A, far, options), false, `${addr}`)
    }
    assert.equal(mayDial(multiaddr(`/ip4/10.0.0.1/tcp/1/p2p/${A}`), A, far, { ...options, allowPrivate: true }), true)
    const topics = { topics: [], targets: [{ text: '', addr: far, peerId: null }] }
    const { mayDial: dials } = await openings(topics, {})
    assert.deepEqual(
      privates.filter(addr => dials!(multiaddr(addr))),
      []
    )
    assert.equal(dials!(multiaddr('/dns4/anywhere.example/tcp/1')), false)
    assert.equal(dials!(multiaddr(PUBLIC)), true)
    const open = await openings({ ...topics, allowPrivate: true }, {})
    assert.ok(privates.every(addr => open.mayDial!(multiaddr(addr))))
  })
})
