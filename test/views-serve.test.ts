import assert from 'node:assert/strict'
import { test } from 'node:test'
import demo from '../src/views/demo.ts'
import dial from '../src/views/dial.ts'
import listen from '../src/views/listen.ts'
import peers from '../src/views/peers.ts'
import ping from '../src/views/ping.ts'
import relay from '../src/views/relay.ts'
import {
  attempt,
  failedAttempt,
  failure,
  HOSTILE,
  identified,
  OTHER,
  opened,
  PEER,
  start,
  summary
} from './helpers/sample-events.ts'
import { draw, drawError } from './helpers/screen.ts'
import type { Event } from '../src/events.ts'

const LOOPBACK = `/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`
const LAN = `/ip4/192.168.1.9/tcp/4001/p2p/${PEER}`
const ready = (addrs: string[]): Event => ({ type: 'listen.ready', pid: 1, peer_id: PEER, addrs })
const who = (agent_version: string | null): Event => identified({ peer_id: OTHER, agent_version })
const from = { peer_id: OTHER, remote_addr: `/ip4/192.168.1.20/tcp/51822/p2p/${OTHER}` }

test('listen: the addresses, and the line for the other machine on stderr', () => {
  const { out, err } = draw(listen, [start, ready([LOOPBACK, LAN])])
  assert.deepEqual(out, [`listening as ${PEER}`, `  ${LOOPBACK}`, `  ${LAN}`])
  assert.deepEqual(err, [`on another machine:  p2pctl ping ${LAN}`, 'ready in TIME, press ^C to stop'])
})

test('listen and relay: where --metrics and --health are, with -q too', () => {
  const at = { metrics_url: 'http://127.0.0.1:9464/metrics', health_url: 'http://127.0.0.1:9464/healthz' }
  const told = [start, { ...(ready([LAN]) as Event<'listen.ready'>), ...at }]
  const lines = [`  ${LAN}`, 'metrics at http://127.0.0.1:9464/metrics', 'health at  http://127.0.0.1:9464/healthz']
  assert.deepEqual(draw(listen, told, { quiet: true }).out, [`listening as ${PEER}`, ...lines])
  assert.deepEqual(draw(relay, told).out, [`relaying as ${PEER}`, ...lines])
})

test('listen and relay -v: who was refused, over which limit, and how many times', () => {
  const refused = (remote_addr: string | null, count: number): Event => ({
    type: 'connection.refused',
    reason: 'pending-per-ip',
    remote_addr,
    count
  })
  const told = [start, refused('/ip4/203.0.113.7/tcp/51822', 1), refused(null, 12)]
  const lines = [
    '05:33:07 refused /ip4/203.0.113.7/tcp/51822  pending-per-ip',
    '05:33:07 refused several hosts  pending-per-ip, 12 times'
  ]
  for (const view of [listen, relay]) {
    assert.deepEqual(draw(view, told, { verbose: true }).out, lines)
    assert.deepEqual(draw(view, told).out, [])
  }
})

test('listen in a private network: the fingerprint of its key', () => {
  const { out } = draw(listen, [start, { ...(ready([LAN]) as Event<'listen.ready'>), psk_fingerprint: '45fc986b' }])
  assert.deepEqual(out, [`listening as ${PEER}   private network 45fc986b`, `  ${LAN}`])
})

test('listen on loopback alone: the other side is another terminal', () => {
  const { err } = draw(listen, [start, ready([LOOPBACK])])
  assert.deepEqual(err[0], `in another terminal:  p2pctl ping ${LOOPBACK}`)
})

test('listen -v: who is heard of; else it stays with those who come', () => {
  const found = { connected: false, agent_version: null, sources: ['pubsub'] }
  const heard: Event[] = [
    { type: 'peer.add', peer_id: OTHER, ...found, addrs: [`/ip4/192.168.1.20/tcp/4001/p2p/${OTHER}`, LAN] },
    { type: 'peer.add', peer_id: PEER, ...found, addrs: [] }
  ]
  assert.deepEqual(draw(listen, heard, { live: true, verbose: true }).out, [
    '05:33:07 found 12D3KooW...7NNH  pubsub  /ip4/192.168.1.20/tcp/4001 +1',
    '05:33:07 found 12D3KooW...imQ5  pubsub  -'
  ])
  assert.deepEqual(draw(listen, heard, { live: true }).out, [])
})

const visit: Event[] = [
  opened(from),
  who('kubo/0.43.1'),
  { type: 'message.received', peer_id: OTHER, text: 'hello\n', bytes: 6 },
  { type: 'message.received', peer_id: OTHER, base64: '/wA=', bytes: 2 },
  { type: 'connection.close', ...from, duration_ms: 61_000 },
  { type: 'listen.addrs', addrs: [] },
  { type: 'listen.addrs', addrs: [LAN] }
]

test('listen: who comes and goes, what they say, and where we are now', () => {
  assert.deepEqual(draw(listen, visit, { live: true }).out, [
    '05:33:07 +in  12D3KooW...7NNH  /ip4/192.168.1.20/tcp/51822  noise yamux  kubo/0.43.1',
    '05:33:07 message from 12D3KooW...7NNH: hello',
    '05:33:07 message from 12D3KooW...7NNH: 2 bytes, not text: /wA=',
    '05:33:07 -in  12D3KooW...7NNH  /ip4/192.168.1.20/tcp/51822  after 1 min 1 s',
    '05:33:07 now reachable nowhere',
    '05:33:07 now reachable at',
    `  ${LAN}`
  ])
})

test('listen in a pipe shows whole IDs; -q shows messages only', () => {
  const { out } = draw(listen, visit)
  assert.equal(out[0], `05:33:07 +in  ${OTHER}  /ip4/192.168.1.20/tcp/51822  noise yamux  kubo/0.43.1`)
  assert.deepEqual(draw(listen, visit, { quiet: true, live: true }).out, [
    '05:33:07 message from 12D3KooW...7NNH: hello',
    '05:33:07 message from 12D3KooW...7NNH: 2 bytes, not text: /wA='
  ])
})

test('listen: a peer that does not say what it is, and one that goes before it has', () => {
  const limited = opened({ ...from, limited: true })
  assert.deepEqual(draw(listen, [limited, who(null)], { live: true }).out, [
    '05:33:07 +in  12D3KooW...7NNH  /ip4/192.168.1.20/tcp/51822  noise yamux limited  -'
  ])
  const gone: Event[] = [opened(from), { type: 'connection.close', ...from, duration_ms: 5 }]
  assert.deepEqual(draw(listen, gone, { live: true }).out, [
    '05:33:07 +in  12D3KooW...7NNH  /ip4/192.168.1.20/tcp/51822  noise yamux  -',
    '05:33:07 -in  12D3KooW...7NNH  /ip4/192.168.1.20/tcp/51822  after 5.00 ms'
  ])
})

test('relay: reservations and circuits, with how many there are', () => {
  const expires = new Date(2026, 0, 2, 6, 33, 7).toISOString()
  const held = { peer_id: PEER, expires, addr: '/ip4/192.168.1.20/tcp/51822', status: 'OK' }
  const pair = { src_peer_id: OTHER, dst_peer_id: PEER, in_bytes: 0, out_bytes: 0, duration_ms: 0, status: 'OK' }
  const { out } = draw(
    relay,
    [
      { type: 'reservation.open', ...held },
      { type: 'reservation.refresh', ...held },
      { type: 'circuit.open', ...pair },
      {
        type: 'circuit.close',
        ...pair,
        in_bytes: 131_072,
        out_bytes: 512,
        duration_ms: 2310,
        status: 'data limit'
      },
      { type: 'circuit.refused', ...pair, status: 'NO_RESERVATION' },
      { type: 'reservation.refused', ...held, status: 'RESERVATION_REFUSED' },
      { type: 'reservation.close', ...held, status: 'disconnected' }
    ],
    { live: true }
  )
  assert.deepEqual(out, [
    '05:33:07 reserved  12D3KooW...imQ5 until 06:33:07  (1 reserved, 0 open)',
    '05:33:07 refreshed 12D3KooW...imQ5 until 06:33:07',
    '05:33:07 circuit   12D3KooW...7NNH to 12D3KooW...imQ5  (1 reserved, 1 open)',
    '05:33:07 ended     12D3KooW...7NNH to 12D3KooW...imQ5  128 KiB there, 512 B back, 2.31 s  data limit  (1 reserved, 0 open)',
    '05:33:07 refused   12D3KooW...7NNH to 12D3KooW...imQ5  NO_RESERVATION',
    '05:33:07 refused   12D3KooW...imQ5  RESERVATION_REFUSED',
    '05:33:07 freed     12D3KooW...imQ5  disconnected  (0 reserved, 0 open)'
  ])
})

test('nothing that a peer says moves the cursor, makes a line or turns the text around', () => {
  const evil = `/dns4/${HOSTILE}/tcp/1`
  const said = identified({
    agent_version: HOSTILE,
    protocol_version: HOSTILE,
    observed_addr: evil,
    listen_addrs: [evil],
    protocols: [HOSTILE]
  })
  const tried = attempt({ security: HOSTILE, muxer: HOSTILE, addr: evil })
  const events: Event[] = [
    start,
    { type: 'dial.resolve', addr: evil, addrs: [evil], ms: 1 },
    failedAttempt(evil, 'connection refused', 1),
    tried,
    said,
    { type: 'dial.protocol', peer_id: PEER, protocol: HOSTILE, ok: true, ms: 1 },
    opened({ remote_addr: evil, security: HOSTILE, muxer: HOSTILE }),
    said,
    { type: 'message.received', peer_id: PEER, text: HOSTILE, bytes: 1 },
    { type: 'message.received', peer_id: PEER, base64: HOSTILE, bytes: 1 },
    { type: 'connection.close', peer_id: PEER, remote_addr: evil, duration_ms: 1 },
    { type: 'listen.addrs', addrs: [evil] },
    { type: 'peer.add', peer_id: HOSTILE, addrs: [evil, evil], sources: [HOSTILE], agent_version: HOSTILE },
    { type: 'source.end', source: HOSTILE, peers: 1, message: null },
    { type: 'reservation.refused', peer_id: HOSTILE, expires: null, addr: evil, status: HOSTILE },
    {
      type: 'circuit.refused',
      src_peer_id: HOSTILE,
      dst_peer_id: HOSTILE,
      in_bytes: 0,
      out_bytes: 0,
      duration_ms: 0,
      status: HOSTILE
    },
    summary()
  ]
  for (const look of [{}, { live: true }, { verbose: true }, { live: true, verbose: true }]) {
    for (const [name, view] of Object.entries({ dial, ping, listen, relay, peers, demo })) {
      for (const line of draw(view, events, look).lines) held(line, name)
    }
    for (const line of drawError(failure({ expected: HOSTILE, actual: HOSTILE }), [tried, tried], look))
      held(line, 'error')
  }
})

function held(line: string, name: string): void {
  assert.doesNotMatch(
    line,
    /[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/,
    `${name}: ${JSON.stringify(line)}`
  )
}
