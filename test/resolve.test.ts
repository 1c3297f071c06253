import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddr } from '../src/addr.ts'
import { Failure } from '../src/errors.ts'
import { hostsFile } from '../src/lookup.ts'
import { resolveAddr } from '../src/resolve.ts'
import { startDns } from './helpers/dns-server.ts'
import type { Event } from '../src/events.ts'
import type { ResolveOptions } from '../src/resolve.ts'

const A = '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu'
const B = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X'

interface Outcome {
  addrs: string[]
  events: Event<'dial.resolve'>[]
  failure: Failure | undefined
}

/** Drains a resolution: the addresses, what was said on the way, and the failure if it ended in one. */
async function resolve(addr: string, options: ResolveOptions, signal = new AbortController().signal): Promise<Outcome> {
  const events: Event<'dial.resolve'>[] = []
  const run = resolveAddr(parseAddr(addr), options, signal)
  try {
    for (;;) {
      const { done, value } = await run.next()
      if (done) return { addrs: value.map(String), events, failure: undefined }
      assert.ok(value.ms >= 0)
      events.push(value)
    }
  } catch (failure) {
    if (!(failure instanceof Failure)) throw failure
    assert.equal(failure.phase, 'resolve')
    return { addrs: [], events, failure }
  }
}

const said = ({ events }: Outcome) => events.map(({ addr, addrs }) => ({ addr, addrs }))

test('an IP address needs no look-up', async () => {
  const outcome = await resolve(`/ip4/192.0.2.1/tcp/4001/p2p/${A}`, {})
  assert.deepEqual(outcome, { addrs: [`/ip4/192.0.2.1/tcp/4001/p2p/${A}`], events: [], failure: undefined })
})

test('dns4 gives IPv4 addresses, dns6 IPv6, dns both, and the family narrows them', async () => {
  await using dns = await startDns({ 'both.example': { A: ['192.0.2.1', '192.0.2.2'], AAAA: ['2001:db8::1'] } })
  const v4 = ['/ip4/192.0.2.1/tcp/1', '/ip4/192.0.2.2/tcp/1']
  const v6 = ['/ip6/2001:db8::1/tcp/1']
  for (const [addr, family, addrs] of [
    ['/dns4/both.example/tcp/1', undefined, v4],
    ['/dns6/both.example/tcp/1', undefined, v6],
    ['/dns/both.example/tcp/1', undefined, [...v4, ...v6]],
    ['/dns/both.example/tcp/1', 4, v4],
    ['/dns/both.example/tcp/1', 6, v6]
  ] as const) {
    const outcome = await resolve(addr, { dns: dns.address, family })
    assert.deepEqual(outcome.addrs, addrs)
    assert.deepEqual(said(outcome), [{ addr, addrs }])
  }
})

test('a family that the address does not have leaves nothing to dial, without a look-up', async () => {
  await using dns = await startDns({})
  for (const addr of ['/dns6/both.example/tcp/1', '/ip6/::1/tcp/1']) {
    const { failure } = await resolve(addr, { dns: dns.address, family: 4 })
    assert.equal(failure?.code, 'no_addresses')
    assert.equal(failure.message, `${addr} is no IPv4 address`)
  }
  assert.deepEqual(dns.questions, [])
})

test('before udp transports the name is replaced too', async () => {
  await using dns = await startDns({ 'quic.example': { A: ['192.0.2.1'] } })
  const { addrs } = await resolve('/dns4/quic.example/udp/4001/quic-v1', { dns: dns.address })
  assert.deepEqual(addrs, ['/ip4/192.0.2.1/udp/4001/quic-v1'])
})

test('WebSocket addresses keep their name, and it is looked up all the same', async () => {
  await using dns = await startDns({ 'ws.example': { A: ['192.0.2.1'] } })
  for (const rest of ['/tcp/80/ws', '/tcp/443/wss', '/tcp/443/tls/ws', '/tcp/443/tls/sni/ws.example/ws']) {
    const addr = `/dns4/ws.example${rest}/p2p/${A}`
    const outcome = await resolve(addr, { dns: dns.address })
    assert.deepEqual(outcome.addrs, [addr])
    assert.deepEqual(said(outcome), [{ addr, addrs: [`/ip4/192.0.2.1${rest}/p2p/${A}`] }])
  }
  const missing = await resolve('/dns4/missing.example/tcp/443/wss', { dns: dns.address })
  assert.equal(missing.failure?.code, 'dns_not_found')
})

test('in a circuit the relay is looked up, and what lies behind it stays', async () => {
  await using dns = await startDns({
    'relay.example': { A: ['192.0.2.1'] },
    '_dnsaddr.relay.example': {
      TXT: [`dnsaddr=/ip4/192.0.2.9/tcp/1/p2p/${A}`, `dnsaddr=/ip4/192.0.2.8/tcp/1/p2p/${B}`]
    }
  })
  const host = await resolve(`/dns4/relay.example/tcp/1/p2p/${A}/p2p-circuit/p2p/${B}`, { dns: dns.address })
  assert.deepEqual(host.addrs, [`/ip4/192.0.2.1/tcp/1/p2p/${A}/p2p-circuit/p2p/${B}`])
  const listed = await resolve(`/dnsaddr/relay.example/p2p/${A}/p2p-circuit/p2p/${B}`, { dns: dns.address })
  assert.deepEqual(listed.addrs, [`/ip4/192.0.2.9/tcp/1/p2p/${A}/p2p-circuit/p2p/${B}`])
})

test('a name that does not exist, and one without the wanted family, are dns_not_found', async () => {
  await using dns = await startDns({ 'v4.example': { A: ['192.0.2.1'] } })
  const missing = await resolve('/dns/missing.example/tcp/1', { dns: dns.address })
  assert.equal(missing.failure?.code, 'dns_not_found')
  assert.equal(missing.failure.message, 'cannot resolve missing.example: no such name')
  assert.deepEqual(said(missing), [{ addr: '/dns/missing.example/tcp/1', addrs: [] }])
  const v6 = await resolve('/dns6/v4.example/tcp/1', { dns: dns.address })
  assert.match(v6.failure?.message ?? '', /no IPv6 address$/)
})

test('one family that is not there, fails or gets no answer does not hide the other', async () => {
  const A = ['192.0.2.1']
  await using dns = await startDns({
    'none.example': { A },
    'fails.example': { A, AAAA: 'servfail' },
    'silent.example': { A, AAAA: 'silent' },
    'worse.example': { AAAA: 'servfail' }
  })
  for (const name of ['none', 'fails', 'silent']) {
    const { addrs } = await resolve(`/dns/${name}.example/tcp/1`, { dns: dns.address })
    assert.deepEqual(addrs, ['/ip4/192.0.2.1/tcp/1'])
  }
  const { failure } = await resolve('/dns/worse.example/tcp/1', { dns: dns.address })
  assert.match(failure?.message ?? '', /SERVFAIL/)
})

test('a server that fails, refuses or is not there is named', async () => {
  const dns = await startDns({ 'bad.example': 'servfail', 'closed.example': 'refused' })
  const servfail = await resolve('/dns4/bad.example/tcp/1', { dns: dns.address })
  assert.equal(servfail.failure?.code, 'dns_not_found')
  assert.ok(servfail.failure.message.includes(`the DNS server failed (SERVFAIL) (DNS server ${dns.address})`))
  const refused = await resolve('/dns4/closed.example/tcp/1', { dns: dns.address })
  assert.match(refused.failure?.message ?? '', /REFUSED/)
  await dns[Symbol.asyncDispose]()
  const gone = await resolve('/dns4/bad.example/tcp/1', { dns: dns.address })
  assert.equal(gone.failure?.code, 'dns_not_found')
  assert.match(gone.failure.message, /refused the connection/)
})

test('a silent server is io_timeout', async () => {
  await using dns = await startDns(() => 'silent')
  for (const addr of ['/dns/silent.example/tcp/1', '/dnsaddr/silent.example']) {
    const outcome = await resolve(addr, { dns: dns.address, timeoutMs: 100 })
    assert.equal(outcome.failure?.code, 'io_timeout')
    assert.match(outcome.failure.message, /silent\.example: no answer.* \(DNS server 127\.0\.0\.1:\d+\)$/)
    assert.deepEqual(said(outcome), [{ addr, addrs: [] }])
  }
})

test('an answer that came before the time was over counts', async () => {
  await using dns = await startDns({
    '_dnsaddr.example.org': { TXT: [`dnsaddr=/ip4/192.0.2.1/tcp/1/p2p/${A}`, `dnsaddr=/dns4/silent.example/tcp/1`] },
    'silent.example': 'silent'
  })
  const { addrs } = await resolve('/dnsaddr/example.org', { dns: dns.address, timeoutMs: 200 })
  assert.deepEqual(addrs, [`/ip4/192.0.2.1/tcp/1/p2p/${A}`])
})

test('the signal ends a look-up, with its own reason', async () => {
  await using dns = await startDns(() => 'silent')
  for (const addr of ['/dns/silent.example/tcp/1', '/dnsaddr/silent.example']) {
    const controller = new AbortController()
    const asked = dns.asked()
    const outcome = resolve(addr, { dns: dns.address, timeoutMs: 60_000 }, controller.signal)
    await Promise.race([asked, outcome])
    const reason = new Error('interrupted')
    controller.abort(reason)
    await assert.rejects(outcome, error => error === reason)
    await assert.rejects(resolve(addr, { dns: dns.address }, controller.signal), error => error === reason)
  }
})

test('localhost is never asked of a DNS server', async () => {
  await using dns = await startDns({})
  const { addrs } = await resolve('/dns4/localhost/tcp/1', { dns: dns.address })
  assert.deepEqual(addrs, ['/ip4/127.0.0.1/tcp/1'])
  assert.deepEqual(dns.questions, [])
})

test('an IP address written as a name needs no server', async () => {
  const { addrs } = await resolve('/dns/127.0.0.1/tcp/1', {})
  assert.deepEqual(addrs, ['/ip4/127.0.0.1/tcp/1'])
})

test('a DNS server that is no IP address is refused', async () => {
  const { failure } = await resolve('/dns4/example.org/tcp/1', { dns: 'dns.example' })
  assert.equal(failure?.code, 'invalid_option')
})

test('dnsaddr records lead to addresses, through other dnsaddr names, in their order', async () => {
  await using dns = await startDns({
    '_dnsaddr.example.org': {
      TXT: [`dnsaddr=/dnsaddr/a.example.org/p2p/${A}`, `dnsaddr=/ip4/192.0.2.7/tcp/1/p2p/${B}`]
    },
    '_dnsaddr.a.example.org': { TXT: [`dnsaddr=/dns4/host.example/tcp/1/p2p/${A}`, 'v=spf1 -all'] },
    'host.example': { A: ['192.0.2.1'] }
  })
  const outcome = await resolve('/dnsaddr/example.org', { dns: dns.address })
  // a TXT answer has no order of its own
  assert.deepEqual(outcome.addrs.sort(), [`/ip4/192.0.2.1/tcp/1/p2p/${A}`, `/ip4/192.0.2.7/tcp/1/p2p/${B}`])
  const lookedUp = outcome.events.map(({ addr }) => addr)
  assert.deepEqual(lookedUp, [
    '/dnsaddr/example.org',
    `/dnsaddr/a.example.org/p2p/${A}`,
    `/dns4/host.example/tcp/1/p2p/${A}`
  ])
  const one = await resolve(`/dnsaddr/example.org/p2p/${B}`, { dns: dns.address })
  assert.deepEqual(one.addrs, [`/ip4/192.0.2.7/tcp/1/p2p/${B}`])
})

test('the same address twice is one address', async () => {
  await using dns = await startDns({
    '_dnsaddr.example.org': { TXT: ['dnsaddr=/dns4/a.example/tcp/1', 'dnsaddr=/dns4/b.example/tcp/1'] },
    'a.example': { A: ['192.0.2.1'] },
    'b.example': { A: ['192.0.2.1'] }
  })
  const { addrs } = await resolve('/dnsaddr/example.org', { dns: dns.address })
  assert.deepEqual(addrs, ['/ip4/192.0.2.1/tcp/1'])
})

test('records for another peer are no use, and the failure says so', async () => {
  await using dns = await startDns({ '_dnsaddr.example.org': { TXT: [`dnsaddr=/ip4/192.0.2.7/tcp/1/p2p/${B}`] } })
  const { failure } = await resolve(`/dnsaddr/example.org/p2p/${A}`, { dns: dns.address })
  assert.equal(failure?.code, 'dnsaddr_empty')
  assert.ok(failure.message.includes(`/ip4/192.0.2.7/tcp/1/p2p/${B} does not end in /p2p/${A}`))
})

test('records that do not parse are skipped; if nothing else is there, the failure names them', async () => {
  const bad = ['dnsaddr=/ip4/1.2.3.4/tpc/1', 'dnsaddr=', 'dnsaddr=/dns4/\x1b[2J/tcp/1', 'x'.repeat(250)]
  await using dns = await startDns({
    '_dnsaddr.some.example': { TXT: [...bad, 'dnsaddr=/ip4/192.0.2.1/tcp/1'] },
    '_dnsaddr.none.example': { TXT: bad },
    '_dnsaddr.other.example': { TXT: ['v=spf1 -all'] },
    '_dnsaddr.empty.example': {}
  })
  const some = await resolve('/dnsaddr/some.example', { dns: dns.address })
  assert.deepEqual(some.addrs, ['/ip4/192.0.2.1/tcp/1'])
  for (const [name, why] of [
    ['none', /unknown protocol "tpc"/],
    ['none', /\\x1b\[2J/],
    ['other', /no TXT record that begins with "dnsaddr="/],
    ['empty', /no TXT record at _dnsaddr\.empty\.example/],
    ['missing', /no TXT record at _dnsaddr\.missing\.example/]
  ] as const) {
    const { failure } = await resolve(`/dnsaddr/${name}.example`, { dns: dns.address })
    assert.equal(failure?.code, 'dnsaddr_empty')
    assert.match(failure.message, why)
    assert.doesNotMatch(failure.message, /\p{Cc}/u)
  }
})

test('a name behind a dnsaddr that does not resolve is what the failure names', async () => {
  await using dns = await startDns({ '_dnsaddr.example.org': { TXT: ['dnsaddr=/dns4/gone.example/tcp/1'] } })
  const { failure } = await resolve('/dnsaddr/example.org', { dns: dns.address })
  assert.equal(failure?.code, 'dns_not_found')
  assert.match(failure.message, /gone\.example/)
})

test('a dnsaddr that leads back to itself ends', async () => {
  await using dns = await startDns({
    '_dnsaddr.a.example': { TXT: ['dnsaddr=/dnsaddr/b.example'] },
    '_dnsaddr.b.example': { TXT: ['dnsaddr=/dnsaddr/a.example'] }
  })
  const { failure } = await resolve('/dnsaddr/a.example', { dns: dns.address })
  assert.equal(failure?.code, 'dnsaddr_empty')
  assert.match(failure.message, /\/dnsaddr\/a\.example leads back to itself/)
  assert.deepEqual(dns.questions, ['TXT _dnsaddr.a.example', 'TXT _dnsaddr.b.example'])
})

test('four dnsaddr levels are followed, and no fifth', async () => {
  await using dns = await startDns(name => {
    const level = Number(name.match(/^_dnsaddr\.l(\d)/)?.[1])
    return { TXT: [level === 1 ? 'dnsaddr=/ip4/192.0.2.1/tcp/1' : `dnsaddr=/dnsaddr/l${level - 1}.example`] }
  })
  const four = await resolve('/dnsaddr/l4.example', { dns: dns.address })
  assert.deepEqual(four.addrs, ['/ip4/192.0.2.1/tcp/1'])
  const five = await resolve('/dnsaddr/l5.example', { dns: dns.address })
  assert.match(five.failure?.message ?? '', /more than 4 levels deep/)
})

test('a dnsaddr that fans out stays within its queries and addresses', async () => {
  await using dns = await startDns(name => {
    const label = name.split('.')[1] ?? ''
    if (label.length === 4)
      return { TXT: [1, 2, 3].map(n => `dnsaddr=/ip4/192.0.2.${n}/tcp/${label.replaceAll('f', '')}1`) }
    return { TXT: [...'2345678'].map(digit => `dnsaddr=/dnsaddr/${label}${digit}.example`) }
  })
  const { addrs, failure } = await resolve('/dnsaddr/f.example', { dns: dns.address })
  assert.ok(dns.questions.length <= 32, `${dns.questions.length} queries`)
  // all 32 went into names, and none was left for an address
  assert.match(failure?.message ?? '', /more than 32 DNS queries/)
  assert.deepEqual(addrs, [])

  await using wide = await startDns(name =>
    name === '_dnsaddr.wide.example'
      ? { TXT: [...'abcdef'].map(label => `dnsaddr=/dnsaddr/${label}.example`) }
      : { TXT: [1, 2, 3, 4].map(n => `dnsaddr=/ip4/192.0.2.${n}/tcp/${name.charCodeAt(9)}`) }
  )
  const many = await resolve('/dnsaddr/wide.example', { dns: wide.address })
  assert.equal(many.addrs.length, 16)
  assert.equal(wide.questions.length, 7)
})

test('the same name behind two records is asked for once', async () => {
  await using dns = await startDns({
    '_dnsaddr.example.org': { TXT: [`dnsaddr=/dnsaddr/all.example/p2p/${A}`, `dnsaddr=/dnsaddr/all.example/p2p/${B}`] },
    '_dnsaddr.all.example': { TXT: [`dnsaddr=/ip4/192.0.2.1/tcp/1/p2p/${A}`, `dnsaddr=/ip4/192.0.2.2/tcp/1/p2p/${B}`] }
  })
  const { addrs, events } = await resolve('/dnsaddr/example.org', { dns: dns.address })
  assert.deepEqual(addrs.sort(), [`/ip4/192.0.2.1/tcp/1/p2p/${A}`, `/ip4/192.0.2.2/tcp/1/p2p/${B}`])
  assert.equal(events.length, 2)
  assert.equal(dns.questions.length, 2)
})

test('a hosts file is read as the system reads it', () => {
  const text =
    '# 192.0.2.9 a.example\n127.0.0.1\tlocalhost  A.Example # b.example\r\n::1 a.example\nfe80::1%lo a.example\n'
  assert.deepEqual(hostsFile(text, 'a.example.', [4, 6]), ['127.0.0.1', '::1'])
  assert.deepEqual(hostsFile(text, 'a.example', [6]), ['::1'])
  assert.deepEqual(hostsFile(text, 'b.example', [4, 6]), [])
  assert.deepEqual(hostsFile('', 'a.example', [4]), [])
})
