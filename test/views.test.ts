import assert from 'node:assert/strict'
import { test } from 'node:test'
import demo from '../src/views/demo.ts'
import dial from '../src/views/dial.ts'
import key from '../src/views/key.ts'
import peers from '../src/views/peers.ts'
import ping from '../src/views/ping.ts'
import schema from '../src/views/schema.ts'
import send from '../src/views/send.ts'
import version from '../src/views/version.ts'
import {
  ADDR,
  attempt,
  failedAttempt,
  failure,
  identified,
  OTHER,
  opened,
  PEER,
  start,
  summary
} from './helpers/sample-events.ts'
import { draw, drawError } from './helpers/screen.ts'
import type { Event } from '../src/events.ts'

test('dial: the waterfall, then who answered', () => {
  const { out, err } = draw(dial, [start, attempt(), identified(), summary()])
  assert.deepEqual(out, [
    `connected to ${PEER} via /ip4/203.0.113.7/tcp/4001`,
    '  resolve    18.4 ms  █████▋',
    '  connect    41.9 ms       █████████████',
    '  security   88.2 ms                    ███████████████████████████▎   noise',
    '  identify   45.7 ms                                               ██████████████▏',
    '  total     194.2 ms   muxer yamux',
    'agent kubo/0.43.1   observed /ip4/198.51.100.2/tcp/61234   signed record valid   2 protocols (-v lists them)',
    '  listens  public   /ip4/203.0.113.7/tcp/4001',
    '  listens  private  /ip4/192.168.1.9/tcp/4001'
  ])
  assert.deepEqual(err, [])
})

test('dial on a terminal: short IDs, within 80 columns, and with -v all that is known', () => {
  const { out } = draw(dial, [start, attempt(), identified()], { live: true, verbose: true })
  assert.deepEqual(out, [
    'connected to 12D3KooW...imQ5 via /ip4/203.0.113.7/tcp/4001',
    '  resolve    18.4 ms  ████▌',
    '  connect    41.9 ms      ██████████▍',
    '  security   88.2 ms                █████████████████████▊   noise',
    '  identify   45.7 ms                                      ███████████▎',
    '  total     194.2 ms   muxer yamux',
    'agent kubo/0.43.1   observed /ip4/198.51.100.2/tcp/61234   signed record valid',
    '2 protocols',
    'protocol version ipfs/0.1.0',
    '  listens  public   /ip4/203.0.113.7/tcp/4001',
    '  listens  private  /ip4/192.168.1.9/tcp/4001',
    '  speaks   /ipfs/id/1.0.0',
    '  speaks   /ipfs/ping/1.0.0'
  ])
})

test('dial: several addresses, a relay, a record that is not valid, and protocols', () => {
  const addrs = ['/ip6/2001:db8::1/tcp/4001', ADDR]
  const { lines } = draw(dial, [
    start,
    { type: 'dial.resolve', addr: '/dnsaddr/example.org', addrs, ms: 12.34 },
    failedAttempt(addrs[0]!, 'connection refused', 3),
    attempt({ number: 2, of: 2, limited: true, addr: '/ip4/203.0.113.7/tcp/4001' }),
    identified({
      signed_record: { valid: false, seq: 7, addrs: [] },
      agent_version: null,
      observed_addr: null,
      listen_addrs: [],
      protocols: ['/a']
    }),
    { type: 'dial.protocol', peer_id: PEER, protocol: '/a/1', ok: true, ms: 1 },
    { type: 'dial.protocol', peer_id: PEER, protocol: '/b/1', ok: false, ms: 1 }
  ])
  assert.deepEqual(lines, [
    'resolved /dnsaddr/example.org to 2 addresses in 12.3 ms',
    `connected to ${PEER} via /ip4/203.0.113.7/tcp/4001   (address 2 of 2)   unverified`,
    '  resolve    18.4 ms  █████▋',
    '  connect    41.9 ms       █████████████',
    '  security   88.2 ms                    ███████████████████████████▎   noise',
    '  identify   45.7 ms                                               ██████████████▏',
    '  total     194.2 ms   muxer yamux   limited by the relay',
    'before it /ip6/2001:db8::1/tcp/4001: connection refused',
    'agent unknown   observed nothing   signed record NOT valid   1 protocol (-v lists them)',
    '/a/1   spoken',
    '/b/1   not spoken'
  ])
})

test('dial through a relay: its limits, and that there is a direct way', () => {
  const circuit = { transport: 'circuit', limited: true, limit_s: 120, limit_bytes: 1 << 17 } as const
  const identity = identified({ listen_addrs: [], protocols: ['/webrtc-signaling/0.0.1'] })
  const { out, err } = draw(dial, [start, attempt(circuit), identity, summary()])
  assert.equal(out[5], '  total     194.2 ms   muxer yamux   limited: 2 min, 128 KiB each way')
  assert.deepEqual(err, ['the peer takes WebRTC: --upgrade makes a direct connection of this one'])
  const js = draw(dial, [attempt({ ...circuit, limit_s: 120_000, limit_bytes: null })]).out
  assert.match(js[5]!, /limited: 2 min \(it says 120000 seconds, and seems to mean milliseconds\)$/)
})

test('dial over WebRTC: the way through the relay, then both times', () => {
  const phases = {
    ...{ resolve_ms: null, relay_ms: 40, signal_ms: 20, connect_ms: 60, security_ms: null, muxer_ms: null },
    identify_ms: 10
  }
  const webrtc = attempt({ transport: 'webrtc', phases, total_ms: 130, security: 'native', muxer: 'webrtc' })
  const upgrade: Event<'connection.upgrade'> = {
    ...{ type: 'connection.upgrade', peer_id: PEER, from_addr: ADDR, to_addr: ADDR, by: 'webrtc' },
    ...{ relayed_ms: 40, direct_ms: 80 }
  }
  const rtts = { relayed_rtt_ms: 1.36, direct_rtt_ms: 0.73 }
  const { lines } = draw(dial, [start, webrtc, upgrade, { ...upgrade, ...rtts }, summary()])
  assert.deepEqual(lines, [
    `connected to ${PEER} via /ip4/203.0.113.7/tcp/4001`,
    '  relay      40.0 ms  ██████████████████▌',
    '  signal     20.0 ms                    █████████▎',
    '  connect    60.0 ms                             ███████████████████████████▊',
    '  identify   10.0 ms                                                         ████▋',
    '  total     130.0 ms   security native   muxer webrtc',
    'direct by WebRTC   relayed after 40.0 ms, direct 80.0 ms later',
    'direct by WebRTC   relayed after 40.0 ms, direct 80.0 ms later   round trip 1.36 ms relayed, 0.73 ms direct'
  ])
})

test('dial -q: the result and nothing else', () => {
  assert.deepEqual(draw(dial, [start, attempt(), identified(), summary()], { quiet: true }).lines, [
    `connected to ${PEER} via /ip4/203.0.113.7/tcp/4001`
  ])
})

const rtt = { min: 41.2, mean: 48.512, p50: 41.902, p90: 88.113, p95: 88.113, p99: 88.113, max: 88.113, stddev: 14.73 }
const reply = (seq: number, rtt_ms: number, target = ADDR): Event => {
  return { type: 'ping.reply', target, seq, rtt_ms, peer_id: PEER, addr: target }
}
const pings: Event[] = [
  start,
  attempt(),
  reply(1, 41.902),
  { type: 'ping.timeout', target: ADDR, seq: 2, after_ms: 2000 },
  { type: 'ping.fail', target: ADDR, seq: 3, reason: 'reset', after_ms: 1 },
  { type: 'ping.fail', target: ADDR, seq: 4, reason: 'wrong', after_ms: 1 },
  reply(5, 88.113),
  summary({ target: ADDR, sent: 5, received: 2, loss_pct: 60, connect_ms: 94.1, rtt_ms: rtt })
]

test('ping: as ping(8), with percentiles and a sparkline', () => {
  assert.deepEqual(draw(ping, pings).out, [
    `PING ${PEER} via /ip4/203.0.113.7/tcp/4001 (noise, yamux), connected in 194.2 ms`,
    'seq=1 time=41.902 ms',
    'seq=2 no reply within 2 s',
    'seq=3 the peer reset the stream',
    'seq=4 wrong answer',
    'seq=5 time=88.113 ms',
    `--- ${PEER} ping statistics ---`,
    '5 sent, 2 received, 60% loss, time TIME',
    'rtt min/avg/max/mdev = 41.200/48.512/88.113/14.730 ms   p50 41.902  p95 88.113  p99 88.113',
    '▁×××█'
  ])
})

test('ping -q on a terminal: the head and the summary, within 80 columns', () => {
  assert.deepEqual(draw(ping, pings, { live: true, quiet: true }).out, [
    'PING 12D3KooW...imQ5 via /ip4/203.0.113.7/tcp/4001 (noise, yamux), connected in 194.2 ms',
    '--- 12D3KooW...imQ5 ping statistics ---',
    '5 sent, 2 received, 60% loss, time TIME',
    'rtt min/avg/max/mdev = 41.200/48.512/88.113/14.730 ms',
    'p50 41.902  p95 88.113  p99 88.113',
    '▁×××█'
  ])
})

test('ping of several: each line says whose it is, and a table ends it, the worst last', () => {
  const second = `/ip4/192.0.2.1/tcp/1/p2p/${OTHER}`
  const stats = { sent: 1, received: 1, loss_pct: 0, connect_ms: 1, rtt_ms: null }
  const { out } = draw(
    ping,
    [
      start,
      attempt(),
      attempt({ target: second, addr: second, peer_id: OTHER }),
      reply(1, 1),
      reply(1, 2, second),
      summary({
        targets: [
          { target: ADDR, ok: true, ...stats },
          { target: second, ok: true, ...stats },
          { target: '/dead', ok: false, error: 'connection_refused', ...stats, sent: 0, received: 0, loss_pct: 100 }
        ]
      })
    ],
    { live: true }
  )
  assert.deepEqual(out.slice(2), [
    '12D3KooW...imQ5 seq=1 time=1.000 ms',
    '12D3KooW...7NNH seq=1 time=2.000 ms',
    'TARGET                                         SENT  RECEIVED  LOSS  MIN  AVG  P95  ERROR',
    '/ip4/192.0.2.1/tcp/1/p2p/12D3KooW...7NNH          1         1    0%    -    -    -  -',
    '/ip4/203.0.113.7/tcp/4001/p2p/12D3KooW...imQ5     1         1    0%    -    -    -  -',
    '/dead                                             0         0  100%    -    -    -  connection_refused'
  ])
})

const peer = { peer_id: PEER, addrs: [ADDR, '/ip6/2001:db8::1/tcp/4001'], sources: ['bootstrap'] }
const seen = { connected: true, agent_version: 'kubo/0.43.1' }
const found: Event[] = [
  start,
  { type: 'peer.add', ...peer, ...seen },
  { type: 'peer.add', peer_id: OTHER, addrs: [], sources: ['relay'], connected: true, agent_version: null },
  { type: 'peer.remove', ...peer, ...seen, connected: false },
  { type: 'source.end', source: 'bootstrap', peers: 2, message: null },
  { type: 'source.end', source: 'relay', peers: 0, message: 'nobody was seen' },
  summary({ peers: 2 })
]

test('peers: one a line, and a source that gave nothing says so', () => {
  const { out, err } = draw(peers, found)
  assert.deepEqual(out, [
    'PEER                                                  SOURCE      AGENT                               ADDRESS',
    `${PEER}  bootstrap   kubo/0.43.1                         /ip4/203.0.113.7/tcp/4001 +1`,
    `${OTHER}  relay       -                                   -`,
    `${PEER}  bootstrap   kubo/0.43.1                         /ip4/203.0.113.7/tcp/4001 +1  gone`
  ])
  assert.deepEqual(err, ['relay: nobody was seen', '2 peers'])
})

test('peers on a terminal, quiet: short IDs and no heading', () => {
  assert.deepEqual(draw(peers, found, { live: true, quiet: true }).out, [
    '12D3KooW...imQ5  bootstrap   kubo/0.43.1                         /ip4/203.0.113.7/tcp/4001 +1',
    '12D3KooW...7NNH  relay       -                                   -',
    '12D3KooW...imQ5  bootstrap   kubo/0.43.1                         /ip4/203.0.113.7/tcp/4001 +1  gone'
  ])
})

test('peers of several sources: there is room for one that all of them know', () => {
  const sources = ['bootstrap', 'pubsub']
  const both: Event[] = [
    { type: 'peer.add', ...peer, ...seen },
    { type: 'peer.change', ...peer, ...seen, sources }
  ]
  assert.deepEqual(draw(peers, both, { live: true, options: { bootstrap: [ADDR], pubsub: true } }).out, [
    'PEER             SOURCE            AGENT                               ADDRESS',
    '12D3KooW...imQ5  bootstrap         kubo/0.43.1                         /ip4/203.0.113.7/tcp/4001 +1',
    '12D3KooW...imQ5  bootstrap,pubsub  kubo/0.43.1                         /ip4/203.0.113.7/tcp/4001 +1  changed'
  ])
})

test('send: one line, once the receiver has confirmed', () => {
  const sent = { bytes: 12_999_999, total_bytes: 12_999_999, bytes_per_s: 3_250_585 }
  const { lines } = draw(send, [
    start,
    attempt(),
    opened({ direction: 'outbound' }),
    { type: 'send.progress', ...sent },
    { type: 'send.done', ...sent, sha256: 'ab'.repeat(32), confirmed: true },
    summary()
  ])
  assert.deepEqual(lines, ['sent 12.4 MiB in TIME, sha256 abababababab…, confirmed by the receiver'])
})

test('demo: each step under what was measured in it, then what to try next', () => {
  const { out, err } = draw(demo, [
    start,
    attempt(),
    identified(),
    { type: 'demo.step', step: 'tcp', ok: true, ms: 20.12 },
    reply(1, 0.5),
    reply(2, 0.9),
    { type: 'demo.step', step: 'ping', ok: true, ms: 5 },
    { type: 'message.received', peer_id: PEER, text: 'hello over TCP', bytes: 14 },
    { type: 'demo.step', step: 'send', ok: true, ms: 5 },
    { type: 'demo.step', step: 'stop', ok: true, ms: 1205 },
    summary()
  ])
  assert.deepEqual(out.slice(0, 1), [`  connected to ${PEER} via /ip4/203.0.113.7/tcp/4001`])
  assert.deepEqual(out.slice(6), [
    '  agent kubo/0.43.1   observed /ip4/198.51.100.2/tcp/61234   signed record valid   2 protocols (-v lists them)',
    'ok  dialed over TCP  20.1 ms',
    '',
    '  2 replies   ▁█   0.50 ms  0.90 ms',
    'ok  pinged on one stream  5.00 ms',
    '',
    '  received   "hello over TCP"',
    'ok  sent a message, which the other process has shown  5.00 ms',
    '',
    'ok  all processes have ended in order  1.21 s'
  ])
  assert.match(err.join('\n'), /try next, in two terminals:\n {2}npx p2pctl listen\n/)
})

test('key, version and schema: the answer alone on stdout', () => {
  const shown = { type: 'key.show', path: 'id.key', peer_id: PEER, key_type: 'ed25519' } as const
  assert.deepEqual(draw(key, [start, shown]).lines, [PEER])
  const made = draw(key, [start, { ...shown, created: true }])
  assert.deepEqual([made.out, made.err], [[PEER], ['wrote id.key (ed25519), readable by you alone']])
  const psk = { type: 'key.psk', path: 'swarm.key', fingerprint: '45fc986b' } as const
  assert.deepEqual(draw(key, [start, psk]).lines, ['45fc986b'])
  const written = draw(key, [start, { ...psk, created: true }])
  assert.deepEqual([written.out, written.err], [['45fc986b'], ['wrote swarm.key (swarm key), readable by you alone']])
  const versions = { version: '0.1.0', node: '24.0.0', libp2p: '3.3.11', contract: '1.0' }
  assert.deepEqual(draw(version, [start, { type: 'version.show', ...versions }]).lines, [
    ...['p2pctl 0.1.0', 'node 24.0.0', 'libp2p 3.3.11', 'contract 1.0']
  ])
  assert.deepEqual(draw(schema, [start, { type: 'schema.show', schema: { a: 1 } }]).lines, ['{', '  "a": 1', '}'])
})

test('an error: what happened, what was tried, what to do, and the code', () => {
  assert.deepEqual(drawError(failure(), [failedAttempt(ADDR, 'connection refused', 38.04)]), [
    `p2pctl: cannot dial ${PEER}: connection refused`,
    `  tried  ${ADDR}   connection refused after 38.0 ms`,
    '  try    check that the peer listens on that port, or give another address',
    '  code   connection_refused   (p2pctl help errors)'
  ])
  assert.deepEqual(drawError(failure({ code: 'invalid_option', message: 'no source of peers is named', hint: null })), [
    'p2pctl: no source of peers is named',
    '  code   invalid_option   (p2pctl help errors)'
  ])
})

test('an error of several addresses, on a terminal', () => {
  const tried = [
    failedAttempt('/ip6/2001:db8::1/tcp/4001', 'timed out in the connect phase', 5000),
    failedAttempt('/ip4/203.0.113.7/tcp/4001', 'connection refused', 38.04)
  ]
  assert.deepEqual(drawError(failure(), tried, { live: true }), [
    'p2pctl: cannot dial 12D3KooW...imQ5: connection refused',
    '  tried  /ip6/2001:db8::1/tcp/4001   timed out in the connect phase after 5 s',
    '         /ip4/203.0.113.7/tcp/4001   connection refused after 38.0 ms',
    '  try    check that the peer listens on that port, or give another address',
    '  code   connection_refused   (p2pctl help errors)'
  ])
})

test('another peer: both IDs whole, on a terminal too', () => {
  const message = `wrong peer at /ip4/203.0.113.7/tcp/4001: expected ${PEER}, got ${OTHER}`
  const mismatch = { code: 'peer_id_mismatch', message, expected: PEER, actual: OTHER, hint: 'use it', exit_code: 5 }
  const lines = drawError(failure(mismatch), [], { live: true })
  assert.deepEqual(lines.slice(1), [
    `  wanted ${PEER}`,
    `  got    ${OTHER}`,
    '  try    use it',
    '  code   peer_id_mismatch   (p2pctl help errors)'
  ])
})
