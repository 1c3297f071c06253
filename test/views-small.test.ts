import assert from 'node:assert/strict'
import { test } from 'node:test'
import addrView from '../src/views/addr.ts'
import keyView from '../src/views/key.ts'
import peersView from '../src/views/peers.ts'
import { createPen, type View } from '../src/views/screen.ts'
import type { Event } from '../src/events.ts'

/** What a view draws of some events where nothing is a terminal. */
function draw(view: View, events: Event[], options: { quiet?: boolean; verbose?: boolean } = {}) {
  const lines = { out: [] as string[], err: [] as string[] }
  const pen = (name: 'out' | 'err') =>
    createPen({ isTTY: false, columns: 0 }, text => void lines[name].push(text.slice(0, -1)), {
      color: 'never',
      env: {}
    })
  const status = () => {}
  const show = view({ out: pen('out'), err: pen('err'), quiet: false, verbose: false, status, ...options })
  for (const event of events) show(event, new Date(0))
  return lines
}

const A = '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu'

const parsed: Event<'addr.parse'> = {
  type: 'addr.parse',
  target: `/ip4/192.0.2.1/tcp/1/p2p/${A}`,
  valid: true,
  addr: `/ip4/192.0.2.1/tcp/1/p2p/${A}`,
  components: [
    { name: 'ip4', code: 4, value: '192.0.2.1' },
    { name: 'tcp', code: 6, value: '1' },
    { name: 'p2p', code: 421, value: A }
  ],
  peer: { peer_id: A, cid_base32: 'bafz', cid_base36: 'k51q', key_type: 'ed25519' },
  scope: 'public',
  transports: [
    { name: 'quic-v1', in_build: false },
    { name: 'circuit', in_build: true }
  ],
  problems: [{ level: 'warning', message: 'something is odd', hint: 'do this' }]
}

test('addr parse', () => {
  assert.deepEqual(draw(addrView, [parsed]).out, [
    `/ip4/192.0.2.1/tcp/1/p2p/${A}`,
    '  ip4  4    192.0.2.1                                             IPv4 address',
    '  tcp  6    1                                                     TCP port',
    `  p2p  421  ${A}  the peer that must answer`,
    `  peer ID     ${A}   ed25519`,
    '  as a CID    bafz   base32',
    '              k51q   base36',
    '  scope       public',
    '  dialed over quic-v1 (not in this build), then circuit',
    '  warning     something is odd',
    '  try         do this'
  ])
  assert.deepEqual(draw(addrView, [parsed], { quiet: true }).out, [`/ip4/192.0.2.1/tcp/1/p2p/${A}`])
})

test('addr parse of what is no address, hostile characters escaped', () => {
  const event: Event<'addr.parse'> = {
    ...parsed,
    target: '/ip4/\x1b[2J',
    valid: false,
    addr: null,
    components: [],
    peer: null,
    scope: null,
    transports: [],
    problems: [{ level: 'error', message: 'it is broken', hint: null }]
  }
  assert.deepEqual(draw(addrView, [event]).out, ['not a multiaddr: /ip4/\\x1b[2J', '  error       it is broken'])
})

test('addr resolve: the tree, each fault beside its record, then the addresses', () => {
  const record = { type: 'dns.record', under: '/dnsaddr/a', name: '_dnsaddr.a', fault: null, message: null } as const
  const events: Event[] = [
    { ...record, record: 'dnsaddr=/dnsaddr/b', addr: '/dnsaddr/b' },
    { ...record, record: 'x\x07', addr: null, fault: 'no_dnsaddr', message: 'it does not begin with "dnsaddr="' },
    { type: 'dial.resolve', target: '/dnsaddr/a', addr: '/dnsaddr/a', addrs: ['/dnsaddr/b'], ms: 1 },
    { ...record, under: '/dnsaddr/b', record: 'dnsaddr=/ip4/192.0.2.1/tcp/1', addr: '/ip4/192.0.2.1/tcp/1' },
    { ...record, under: '/dnsaddr/b', record: 'dnsaddr=/dnsaddr/a', addr: '/dnsaddr/a' },
    { type: 'dns.fault', addr: '/dnsaddr/a', fault: 'loop', message: '/dnsaddr/a leads back to itself' },
    { type: 'addr.resolve', target: '/dnsaddr/a', addr: '/dnsaddr/a', addrs: ['/ip4/192.0.2.1/tcp/1'] }
  ]
  assert.deepEqual(draw(addrView, events).out, [
    '/dnsaddr/a',
    '├─ /dnsaddr/b',
    '│  ├─ /ip4/192.0.2.1/tcp/1',
    '│  └─ /dnsaddr/a   leads back to itself',
    '└─ x\\x07   it does not begin with "dnsaddr="',
    '',
    '/ip4/192.0.2.1/tcp/1'
  ])
  assert.deepEqual(draw(addrView, events, { quiet: true }).out, ['/ip4/192.0.2.1/tcp/1'])
})

test('addr dnsaddr: a line of a zone, escaped as a zone file wants it', () => {
  const event: Event<'addr.dnsaddr'> = {
    type: 'addr.dnsaddr',
    name: '_dnsaddr.example.org.',
    ttl_s: 300,
    strings: ['dnsaddr=/unix/a"b\\ü', 'rest'],
    addr: '/ip4/10.0.0.1/tcp/1',
    scope: 'private'
  }
  assert.deepEqual(draw(addrView, [event]), {
    out: ['_dnsaddr.example.org. 300 IN TXT "dnsaddr=/unix/a\\"b\\\\\\195\\188" "rest"'],
    err: ['/ip4/10.0.0.1/tcp/1 is private: it leads nowhere for everybody else']
  })
})

test('key show -v and key convert', () => {
  const shown: Event<'key.show'> = {
    type: 'key.show',
    path: 'id.key',
    peer_id: A,
    key_type: 'ed25519',
    format: 'pem',
    public_key: 'CAES',
    cid_base32: 'bafz',
    cid_base36: 'k51q'
  }
  assert.deepEqual(draw(keyView, [shown]).out, [A])
  assert.deepEqual(draw(keyView, [shown], { verbose: true }).out, [
    A,
    '  type        ed25519',
    '  kept as     pem',
    '  as a CID    bafz   base32',
    '              k51q   base36',
    '  public key  CAES   base64 of the protobuf'
  ])
  const converted = { path: 'a', out: 'b\x1b', from: 'pem', to: 'kubo', peer_id: A, key_type: 'rsa' }
  assert.deepEqual(draw(keyView, [{ type: 'key.convert', ...converted }]), {
    out: [A],
    err: ['wrote b\\x1b (rsa, kubo), readable by you alone']
  })
})

test('peers with --dial: a column for the round trip, what has changed and who has gone', () => {
  const peer = {
    peer_id: A,
    addrs: [`/ip4/192.0.2.1/tcp/1/p2p/${A}`, '/ip4/192.0.2.2/tcp/1'],
    sources: ['bootstrap'],
    connected: true,
    rtt_ms: 0.414,
    agent_version: 'kubo/\x1b',
    protocols: ['/ipfs/ping/1.0.0']
  }
  const events: Event[] = [
    { type: 'peer.add', ...peer },
    { type: 'peer.change', ...peer, rtt_ms: null },
    { type: 'peer.remove', ...peer, connected: false }
  ]
  const row = (rtt: string) => `${A}  bootstrap   ${rtt}  kubo/\\x1b                           /ip4/192.0.2.1/tcp/1 +1`
  assert.deepEqual(draw(peersView, events).out, [
    'PEER                                                  SOURCE      RTT        AGENT                               ADDRESS',
    row('0.41 ms  '),
    `${row('-        ')}  changed`,
    `${row('0.41 ms  ')}  gone`
  ])
  assert.deepEqual(draw(peersView, [events[0]!], { verbose: true, quiet: true }).out, [
    row('0.41 ms  '),
    `  at       /ip4/192.0.2.1/tcp/1/p2p/${A}`,
    '  at       /ip4/192.0.2.2/tcp/1',
    '  speaks   /ipfs/ping/1.0.0'
  ])
})
