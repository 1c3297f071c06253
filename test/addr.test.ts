import assert from 'node:assert/strict'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import {
  canonicalPeerId,
  familyOf,
  parseAddr,
  parseTarget,
  peerIdOf,
  relayPart,
  scopeOf,
  transportOf,
  withoutPeerId,
  withPeerId
} from '../src/addr.ts'
import { Failure } from '../src/errors.ts'

const A = '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu'
const B = 'QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N'
const spellings = [
  A,
  'bafzaajaiaejca3x5z6gosdndd67bpdyzmu3jzhia373plikzmnkkcprtgmk5iuhq',
  'k51qzi5uqu5diy6e93p27a30eze9dvyr54b0po7xm8rb4xqxia3jy6plr8zpps'
]
const C = '/ip4/192.0.2.1/tcp/4001'

function failureOf(run: () => unknown): Failure {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof Failure, String(error))
    return error
  }
  assert.fail('expected a failure')
}

test('an address is taken in its canonical form', () => {
  for (const [text, canonical] of [
    [C, C],
    [`${C}/`, C],
    [`${C}/p2p/${A}`, `${C}/p2p/${A}`],
    [`${C}/ipfs/${B}`, `${C}/p2p/${B}`],
    ['/ip6/2001:DB8:0::1/tcp/1', '/ip6/2001:db8::1/tcp/1'],
    ['/ip6zone/eth0/ip6/fe80::1/tcp/1', '/ip6zone/eth0/ip6/fe80::1/tcp/1'],
    ['/dns4/münchen.example/tcp/1', '/dns4/münchen.example/tcp/1'],
    ['/dns4/_srv-1.example.org./tcp/1', '/dns4/_srv-1.example.org./tcp/1'],
    ['/dns4/example.org/wss', '/dns4/example.org/wss'],
    ['/unix/%2Ftmp%2Fmy%20socket', '/unix/%2Ftmp%2Fmy%20socket'],
    ['/p2p-circuit', '/p2p-circuit'],
    ['/dnsaddr/bootstrap.libp2p.io', '/dnsaddr/bootstrap.libp2p.io']
  ] as const) {
    assert.equal(parseAddr(text).toString(), canonical)
  }
})

test('what is no address is refused with what is wrong, and with what may have been meant', () => {
  for (const [text, reason, hint] of [
    [
      '/unix/tmp/p2p.sock',
      'unknown protocol "p2p.sock"',
      'write each slash of the path as %2F: /unix/%2Ftmp%2Fp2p.sock'
    ],
    ['/ip4/1.2.3.4/tpc/4001', 'unknown protocol "tpc"', '/ip4/1.2.3.4/tcp/4001'],
    ['/ip4/1.2.3.4/TCP/4001', 'unknown protocol "TCP"', '/ip4/1.2.3.4/tcp/4001'],
    ['/ipv4/1.2.3.4/tcp/4001', 'unknown protocol "ipv4"', '/ip4/1.2.3.4/tcp/4001'],
    ['/ip4/1.2.3.4/tcp/80/wsss', 'unknown protocol "wsss"', '/ip4/1.2.3.4/tcp/80/wss'],
    [`/ip4/1.2.3.4/tcp/80/wsss/p2p/abc`, 'unknown protocol "wsss"', 'did you mean /wss?'],
    ['/ip4/1.2.3.4/4001', 'unknown protocol "4001"', '/ip4/1.2.3.4/tcp/4001'],
    ['/ip4/1.2.3.4/bittorrent/1', 'unknown protocol "bittorrent"', null],
    ['/constructor/1', 'unknown protocol "constructor"', null],
    ['/ip4/1.2.3.4', 'no port after "1.2.3.4"', '/ip4/1.2.3.4/tcp/4001'],
    [`/ip4/1.2.3.4/p2p/${A}`, 'no port after "1.2.3.4"', `/ip4/1.2.3.4/tcp/4001/p2p/${A}`],
    ['/ip4/1.2.3.4/quic-v1', 'no port after "1.2.3.4"', '/ip4/1.2.3.4/udp/4001/quic-v1'],
    ['/ip4/1.2.3.4/tcp', '"/tcp" has no port', '/ip4/1.2.3.4/tcp/4001'],
    ['/ip4/1.2.3.4/tcp/', '"/tcp" has no port', '/ip4/1.2.3.4/tcp/4001'],
    ['/ip4/1.2.3.4/tcp/ws', '"/tcp" has no port', '/ip4/1.2.3.4/tcp/4001/ws'],
    ['/ip4', '"/ip4" has no value', null],
    ['/ip4/1.2.3.4/tcp/65536', 'bad port "65536"', 'a port is a number from 0 to 65535'],
    ['/ip4/1.2.3.4/tcp/4001a', 'bad port "4001a"', 'a port is a number from 0 to 65535'],
    ['/ip4/1.2.3/tcp/1', 'bad IPv4 address "1.2.3"', null],
    ['/ip4/example.org/tcp/1', 'bad IPv4 address "example.org"', '/dns4/example.org/tcp/1'],
    ['/ip4/::1/tcp/4', 'bad IPv4 address "::1"', '/ip6/::1/tcp/4'],
    ['/ip6/fe80::1%eth0/tcp/1', 'bad IPv6 address "fe80::1%eth0"', '/ip6zone/eth0/ip6/fe80::1/tcp/1'],
    ['/dns4/example.org:4001/ws', 'bad host name "example.org:4001"', '/dns4/example.org/tcp/4001/ws'],
    ['/dns4/a..b/tcp/1', 'bad host name "a..b"', null],
    ['/dns4/a"b/tcp/1', 'bad host name "a"b"', null],
    [`${C}/p2p/abc`, 'bad peer ID "abc"', 'a peer ID looks like 12D3KooW... or Qm...'],
    [`${C}/p2p/12D3KooW`, 'bad peer ID "12D3KooW"', 'a peer ID looks like 12D3KooW... or Qm...'],
    ['/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/xx', 'bad value "xx" of /certhash', null],
    ['/onion3/abc:1', 'bad value "abc:1" of /onion3', null],
    ['/unix/%zz', 'bad value "%zz" of /unix', null],
    ['/unix/%2ftmp%00', 'bad value "%2ftmp%00" of /unix', null],
    ['', 'it is empty', null],
    ['/', 'a protocol name is missing', null],
    ['ip4/1.2.3.4/tcp/1', 'it does not begin with "/"', '/ip4/1.2.3.4/tcp/1'],
    ['example.org:4001', 'it does not begin with "/"', '/dns4/example.org/tcp/4001'],
    ['example.org', 'it does not begin with "/"', '/dns4/example.org/tcp/4001'],
    ['1.2.3.4:4001', 'it does not begin with "/"', '/ip4/1.2.3.4/tcp/4001'],
    ['[::1]:4001', 'it does not begin with "/"', '/ip6/::1/tcp/4001'],
    ['https://example.org/path?query', 'it does not begin with "/"', '/dns4/example.org/tcp/443/wss'],
    ['wss://example.org:8443', 'it does not begin with "/"', '/dns4/example.org/tcp/8443/wss'],
    ['ws://[::1]', 'it does not begin with "/"', '/ip6/::1/tcp/80/ws'],
    ['http://1.2.3.4:8080', 'it does not begin with "/"', '/ip4/1.2.3.4/tcp/8080/ws'],
    ['hello', 'it does not begin with "/"', null]
  ] as const) {
    const failure = failureOf(() => parseAddr(text))
    assert.equal(failure.code, 'invalid_multiaddr')
    assert.equal(failure.exitCode, 2)
    assert.equal(failure.message, `invalid multiaddr "${text}": ${reason}`)
    assert.equal(failure.hint, hint ?? 'a multiaddr looks like /ip4/127.0.0.1/tcp/4001/p2p/12D3KooW...', text)
    if (hint?.startsWith('/')) parseAddr(hint)
  }
})

test('what multiaddr() lets through is refused, and shown escaped', () => {
  for (const text of [
    '/dns4/a\x1b[2Jb/tcp/1',
    '/dns4/a\nb/tcp/1',
    '/ip4/1.2.3.4/tcp/1/tls/sni/a\x07b/ws',
    '/dns4/a\u202eb/tcp/1',
    '/dns4/a\u200bb/tcp/1',
    '/dns4/a\ud800b/tcp/1',
    ' /ip4/1.2.3.4/tcp/1',
    '/dns4/a b/tcp/1',
    '/unix/%2ftmp%1b',
    '/ip4/1.2.3.4/tcp/1/p2p/bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
  ]) {
    const { code, message, hint } = failureOf(() => parseAddr(text))
    assert.equal(code, 'invalid_multiaddr')
    assert.doesNotMatch(`${message}${hint}`, /[\p{Cc}\p{Cf}\p{Cs}]/u)
  }
  assert.match(failureOf(() => parseAddr(`${'/'.repeat(100_000)}x`)).message, /longer than 4096 characters$/)
  // the day this fails, one of our own checks has become superfluous
  for (const text of ['', '/dns4/a\x1b[2Jb/tcp/1', '/ip4/1.2.3.4/tcp/1/tls/sni/a\x07b/ws', `${C}/p2p/abc`])
    multiaddr(text)
})

test('any text is an address that survives its own text and bytes, or a failure with a sentence', () => {
  const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
  console.error(`# seed ${seed} (SEED=${seed} repeats this run)`)
  let state = seed
  // Numerical Recipes' generator: the high bits are good enough to choose with
  const below = (n: number) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * n)
  }
  const pieces = [
    '/',
    '//',
    'ip4',
    'ip6',
    'dns4',
    'dnsaddr',
    'tcp',
    'udp',
    'ws',
    'p2p',
    'p2p-circuit',
    'unix',
    'sni',
    'tls'
  ]
  pieces.push('1.2.3.4', '::1', '4001', 'a.b', A, B, 'abc', '%2f', '%', '\x1b', '\u202e', '\ud800', ' ', ':', '-', '😀')
  let good = 0
  for (let i = 0; i < 20_000; i++) {
    const parts = Array.from({ length: below(9) }, () => pieces[below(pieces.length)]!)
    const text = below(4) === 0 ? parts.join('') : `/${parts.join('/')}`
    try {
      const addr = parseAddr(text)
      good++
      assert.ok(multiaddr(addr.bytes).equals(addr))
      assert.equal(parseAddr(addr.toString()).toString(), addr.toString())
      transportOf(addr)
      scopeOf(addr)
    } catch (error) {
      assert.ok(error instanceof Failure, `${JSON.stringify(text)}: ${error}`)
      assert.doesNotMatch(`${error.message}${error.hint}`, /[\p{Cc}\p{Cf}\p{Cs}]/u)
    }
  }
  assert.ok(good > 0)
})

test('a target is an address or a bare peer ID, in any of its spellings', () => {
  const { text, addr, peerId } = parseTarget(`${C}/p2p/${A}`)
  assert.deepEqual([text, addr?.toString(), peerId], [`${C}/p2p/${A}`, `${C}/p2p/${A}`, A])
  assert.equal(parseTarget(C).peerId, null)
  for (const bare of [A, B, `/p2p/${A}`]) {
    assert.deepEqual(parseTarget(bare), { text: bare, addr: null, peerId: bare.replace('/p2p/', '') })
  }
  for (const bad of ['12D3KooWx', 'Qm', '/p2p/abc', 'hello', '']) {
    assert.equal(failureOf(() => parseTarget(bad)).code, 'invalid_multiaddr')
  }
})

test('a peer ID is the same one in base58, base32 and base36', () => {
  for (const spelling of spellings) {
    assert.equal(canonicalPeerId(spelling), A)
    assert.equal(parseTarget(spelling).peerId, A)
    assert.equal(peerIdOf(parseAddr(`${C}/p2p/${spelling}`)), A)
  }
})

test('the peer of an address is the one at its far end', () => {
  for (const [text, peerId] of [
    [C, undefined],
    [`${C}/p2p/${A}`, A],
    [`${C}/p2p/${A}/p2p-circuit`, undefined],
    [`${C}/p2p/${A}/p2p-circuit/p2p/${B}`, B],
    [`${C}/p2p/${A}/p2p-circuit/webrtc/p2p/${B}`, B]
  ] as const) {
    assert.equal(peerIdOf(parseAddr(text)), peerId)
  }
})

test('a peer ID is added where none is, and taken off again; the one of a relay stays', () => {
  for (const text of [C, `${C}/p2p/${A}/p2p-circuit`]) {
    const named = withPeerId(parseAddr(text), B)
    assert.equal(named.toString(), `${text}/p2p/${B}`)
    assert.equal(withPeerId(named, A).toString(), `${text}/p2p/${B}`)
    assert.equal(withoutPeerId(named).toString(), text)
    assert.equal(withoutPeerId(parseAddr(text)).toString(), text)
  }
})

test('the relay of a circuit is what stands before it', () => {
  assert.equal(relayPart(parseAddr(`${C}/p2p/${A}/p2p-circuit/p2p/${B}`))?.toString(), `${C}/p2p/${A}`)
  assert.equal(relayPart(parseAddr('/p2p-circuit')), undefined)
  assert.equal(relayPart(parseAddr(C)), undefined)
})

test('the transport of an address', () => {
  const hash = '/certhash/uEiAsGPzpiPGQzSlVHRXrUCT5EkTV7YFrV4VZ3hpEKTd_zg'
  for (const [text, transport] of [
    [C, 'tcp'],
    ['/dns4/example.org/tcp/1', 'tcp'],
    ['/ip6zone/eth0/ip6/fe80::1/tcp/1', 'tcp'],
    [`${C}/ws`, 'ws'],
    [`${C}/wss`, 'wss'],
    [`${C}/tls/ws`, 'wss'],
    [`${C}/tls/sni/example.org/ws`, 'wss'],
    [`${C}/tls`, null],
    ['/ip4/1.2.3.4/udp/1', null],
    ['/ip4/1.2.3.4/udp/1/quic-v1', 'quic-v1'],
    ['/ip4/1.2.3.4/udp/1/quic', null],
    [`/ip4/1.2.3.4/udp/1/quic-v1/webtransport${hash}${hash}`, 'webtransport'],
    [`/ip4/1.2.3.4/udp/1/webrtc-direct${hash}`, 'webrtc-direct'],
    ['/p2p-circuit', 'circuit'],
    [`${C}/p2p/${A}/p2p-circuit`, 'circuit'],
    [`${C}/p2p/${A}/p2p-circuit/webrtc`, 'webrtc'],
    ['/webrtc', 'webrtc'],
    ['/unix/%2Ftmp%2Fa', 'unix'],
    ['/memory/a', 'memory'],
    ['/dnsaddr/example.org', null]
  ] as const) {
    assert.equal(transportOf(parseAddr(text)), transport, text)
    assert.equal(transportOf(parseAddr(`${text}/p2p/${B}`)), transport, text)
  }
})

test('the scope of an address', () => {
  const scopes = {
    private: [
      ...['127.0.0.1', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.1.1', '169.254.169.254', '0.0.0.0'],
      ...['100.64.0.1', '100.127.255.255', '::1', '::', 'fe80::1', 'fec0::1', 'fd00::1', 'fc00::1', '168.63.129.16'],
      // the same place as the IPv4 address in them
      ...[
        '::ffff:10.0.0.1',
        '::ffff:7f00:1',
        '64:ff9b::127.0.0.1',
        '64:ff9b::a9fe:a9fe',
        '64:ff9b:1::1',
        '2002:c0a8:101::'
      ],
      ...['localhost', 'LOCALHOST', 'printer', 'printer.local', 'a.localhost', 'printer.local.']
    ],
    public: [
      ...['1.1.1.1', '172.15.255.255', '172.32.0.1', '100.63.255.255', '100.128.0.0', '192.169.0.1', '11.0.0.1'],
      ...[
        '2001:db8::1',
        '::ffff:1.1.1.1',
        '64:ff9b::1.1.1.1',
        '2002:101:101::1',
        '168.63.129.15',
        'example.org',
        'local.example',
        'notlocal.org'
      ]
    ]
  }
  for (const [scope, hosts] of Object.entries(scopes)) {
    for (const host of hosts) {
      const name = host.includes(':') ? 'ip6' : /^[\d.]+$/.test(host) ? 'ip4' : 'dns'
      assert.equal(scopeOf(parseAddr(`/${name}/${host}/tcp/1`)), scope, host)
    }
  }
  assert.equal(scopeOf(parseAddr('/ip6zone/eth0/ip6/fe80::1/tcp/1')), 'private')
  assert.equal(scopeOf(parseAddr('/unix/%2Ftmp%2Fa')), 'private')
  assert.equal(scopeOf(parseAddr('/dnsaddr/example.org')), 'public')
  assert.equal(scopeOf(parseAddr(`/ip4/127.0.0.1/tcp/1/p2p/${A}/p2p-circuit`)), 'circuit')
})

test('the IP family of an address, where it has one', () => {
  for (const [text, family] of [
    ['/ip4/1.2.3.4/tcp/1', 4],
    ['/dns4/example.org/tcp/1', 4],
    ['/ip6/::1/tcp/1', 6],
    ['/ip6zone/eth0/ip6/fe80::1/tcp/1', 6],
    ['/dns6/example.org/tcp/1', 6],
    ['/dns/example.org/tcp/1', null],
    ['/dnsaddr/example.org', null],
    [`/ip6/::1/tcp/1/p2p/${A}/p2p-circuit`, 6],
    ['/p2p-circuit', null]
  ] as const) {
    assert.equal(familyOf(parseAddr(text)), family, text)
  }
})
