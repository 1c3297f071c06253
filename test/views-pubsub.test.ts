import assert from 'node:assert/strict'
import { test } from 'node:test'
import peers from '../src/views/pubsub-peers.ts'
import pub from '../src/views/pubsub-pub.ts'
import sub from '../src/views/pubsub-sub.ts'
import relay from '../src/views/relay.ts'
import { HOSTILE, OTHER, PEER, start, summary } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'
import type { Event } from '../src/events.ts'

const LOOPBACK = `/ip4/127.0.0.1/tcp/4001/p2p/${OTHER}`
const ready = (addrs: string[]): Event => ({ type: 'listen.ready', pid: 1, peer_id: OTHER, addrs })
const at = { peer_id: PEER, topic: 'news' }
const said = { ...at, type: 'message.received', seq: '7', received_from: OTHER } as const
const options = { topic: ['news'] }

test('sub: messages on stdout, and on stderr how to publish', () => {
  const events: Event[] = [
    start,
    ready([LOOPBACK]),
    { ...said, text: 'hello\n', bytes: 6 },
    { ...said, peer_id: null, base64: '/wA=', bytes: 2 },
    summary()
  ]
  const { out, err } = draw(sub, events, { live: true, options })
  assert.deepEqual(out, ['05:33:07 12D3KooW...imQ5: hello', '05:33:07 unsigned: 2 bytes, not text: /wA='])
  assert.deepEqual(err, [
    `subscribed to news as ${OTHER}`,
    `  ${LOOPBACK}`,
    `to publish:  p2pctl pubsub pub news hello --bootstrap ${LOOPBACK}`,
    'press ^C to stop'
  ])
})

test('sub -v: the sequence number, and who passed it on; with several topics, which it was', () => {
  const events: Event[] = [start, { ...said, text: 'hello', bytes: 5 }]
  const { out } = draw(sub, events, { live: true, verbose: true, options: { topic: ['news', 'sport'] } })
  assert.deepEqual(out, [
    '05:33:07 news  12D3KooW...imQ5: hello',
    '  5 bytes, sequence 7, passed on by 12D3KooW...7NNH'
  ])
})

const changes: Event[] = [
  { type: 'pubsub.join', ...at },
  { type: 'pubsub.graft', ...at },
  { type: 'pubsub.prune', ...at },
  { type: 'pubsub.leave', ...at },
  { type: 'pubsub.reject', reason: 'invalid_signature', messages: 3 },
  { type: 'pubsub.reject', reason: 'unreadable', messages: 1, peer_id: PEER },
  { type: 'pubsub.drop', messages: 12, bytes: 2048 }
]

test('sub: who joins and leaves, what is not taken and what is lost; the mesh with -v', () => {
  const { out, err } = draw(sub, changes, { live: true, options })
  assert.deepEqual(out, [])
  assert.deepEqual(err, [
    '05:33:07 joined 12D3KooW...imQ5  news',
    '05:33:07 left   12D3KooW...imQ5  news',
    '05:33:07 not taken: 3 messages without a valid signature',
    '05:33:07 not taken: 1 message too large to be read, from 12D3KooW...imQ5, which is sent away',
    '05:33:07 lost 12 messages, 2 KiB: they came faster than they were read'
  ])
  assert.equal(draw(sub, changes, { verbose: true, options }).err.length, 7)
  assert.deepEqual(draw(sub, changes, { quiet: true, options }).lines, [])
})

test('a hostile topic and text are seen escaped', () => {
  const events: Event[] = [
    { ...said, topic: HOSTILE, text: HOSTILE, bytes: 9 },
    { type: 'pubsub.join', peer_id: PEER, topic: HOSTILE },
    { type: 'pubsub.sent', topic: HOSTILE, bytes: 5, peers: 1, peer_ids: [PEER] },
    { type: 'pubsub.peer', peer_id: PEER, topics: [HOSTILE], mesh: [], score: 0, agent_version: HOSTILE }
  ]
  for (const view of [sub, pub, peers, relay]) {
    const { lines } = draw(view, events, { verbose: true, options: { topic: [HOSTILE, 'b'] } })
    for (const line of lines) assert.doesNotMatch(line, /[\x00-\x1f\u202e]/)
    assert.ok(lines.length > 0)
  }
})

test('pub: to how many, and with -v to whom; sent before is not sent again', () => {
  const sent: Event<'pubsub.sent'> = {
    type: 'pubsub.sent',
    topic: 'news',
    bytes: 5,
    peers: 2,
    peer_ids: [PEER, OTHER]
  }
  assert.deepEqual(draw(pub, [start, sent, summary({ sent: 1 })]).out, ['sent 5 B to 2 peers of news'])
  assert.deepEqual(draw(pub, [sent], { verbose: true, live: true }).out, [
    'sent 5 B to 2 peers of news',
    '  12D3KooW...imQ5',
    '  12D3KooW...7NNH'
  ])
  const again: Event = { ...sent, peers: 0, peer_ids: [], duplicate: true }
  assert.deepEqual(draw(pub, [again]).out, ['5 B were sent to news before, and not again'])
})

test('peers: a peer a line, with a star at the topics for which it is in our mesh', () => {
  const found: Event = {
    type: 'pubsub.peer',
    peer_id: PEER,
    topics: ['news', 'sport'],
    mesh: ['news'],
    score: -12.34,
    agent_version: 'kubo/0.43.1'
  }
  const { out, err } = draw(peers, [start, found, summary({ peers: 1 })], { live: true })
  assert.deepEqual(out, [
    'PEER             SCORE  AGENT                               TOPICS',
    '12D3KooW...imQ5  -12.3  kubo/0.43.1                         news* sport'
  ])
  assert.deepEqual(err, ['1 peer'])
  assert.deepEqual(draw(peers, [start, summary({ peers: 0 })]).err, ['nobody was seen'])
})

test('relay: who joins a topic is shown with -v alone', () => {
  assert.deepEqual(draw(relay, changes).lines, [])
  assert.equal(draw(relay, changes, { verbose: true }).out[0], `05:33:07 joined ${PEER}  news`)
})
