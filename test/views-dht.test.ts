import assert from 'node:assert/strict'
import { test } from 'node:test'
import view, { closestView, provideView } from '../src/views/dht.ts'
import { ADDR, HOSTILE, OTHER, PEER, start, summary } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'
import type { Event } from '../src/events.ts'

const query = { type: 'dht.query', rpc: 'find_node', hop: 1, peer_id: PEER } as const
const done: Event<'dht.done'> = { type: 'dht.done', asked: 9, answered: 7, hops: 3, ms: 812.4 }
const near = (rank: number, addrs: string[]): Event<'dht.closest'> => ({
  type: 'dht.closest',
  peer_id: PEER,
  addrs,
  rank,
  common_bits: 12
})
const found: Event<'dht.peer'> = { type: 'dht.peer', peer_id: PEER, addrs: [ADDR], from_peer_id: OTHER }
const record: Event<'dht.record'> = {
  type: 'dht.record',
  key: '/v/x',
  text: 'world\n',
  bytes: 6,
  peers: 5,
  time_received: null,
  valid: null,
  problem: null,
  chosen: true
}

test('find-peer: who, by whom and where; how many were asked on stderr', () => {
  const { out, err } = draw(view, [start, done, near(1, [ADDR]), found, summary()])
  assert.deepEqual(out, [`${PEER}  as ${OTHER} says`, `  ${ADDR}`])
  assert.deepEqual(err, [
    '7 of 9 nodes answered, 3 hops, 812.4 ms',
    `RANK  BITS  ${'TELLS OF'.padEnd(52)}  ADDRESS`,
    `   1    12  ${PEER}  /ip4/203.0.113.7/tcp/4001`
  ])
  const quiet = draw(view, [start, done, near(1, [ADDR]), found, summary()], { quiet: true })
  assert.deepEqual([quiet.out, quiet.err], [[ADDR], []])
})

test('with -v each node that was asked, on a terminal with short IDs', () => {
  const events: Event[] = [
    start,
    { ...query, step: 'sent', connect_ms: 20.5 },
    { ...query, step: 'answer', connect_ms: 20.5, ms: 3.21, closer: 20, providers: 1, record: true },
    { ...query, step: 'error', error: 'io_timeout', reason: `${OTHER} gave no answer` }
  ]
  assert.deepEqual(draw(view, events, { verbose: true, live: true }).err, [
    'hop 1  12D3KooW...imQ5  connected 20.5 ms, answered 3.21 ms  20 closer, 1 provider, a record',
    'hop 1  12D3KooW...imQ5  io_timeout  12D3KooW...7NNH gave no answer'
  ])
  assert.deepEqual(draw(view, events).err, [])
})

test('closest: a table, or addresses alone', () => {
  const events = [start, done, near(1, [ADDR, ADDR]), near(2, []), summary()]
  assert.deepEqual(draw(closestView, events).out, [
    `RANK  BITS  ${'PEER'.padEnd(52)}  ADDRESS`,
    `   1    12  ${PEER}  /ip4/203.0.113.7/tcp/4001 +1`,
    `   2    12  ${PEER}  -`
  ])
  assert.deepEqual(draw(closestView, events, { quiet: true }).out, [ADDR, `/p2p/${PEER}`])
})

test('providers: one a line', () => {
  const { out } = draw(view, [
    { type: 'dht.provider', peer_id: PEER, addrs: [ADDR, ADDR], from_peer_id: OTHER },
    { type: 'dht.provider', peer_id: OTHER, addrs: [], from_peer_id: OTHER }
  ])
  assert.deepEqual(out, [`${PEER}  /ip4/203.0.113.7/tcp/4001 +1`, `${OTHER}  no address`])
})

test('get: the value alone on stdout, escaped, and what is known of it on stderr', () => {
  const other = { ...record, text: HOSTILE, peers: 1, valid: false, problem: 'it has expired', chosen: false }
  const { out, err } = draw(view, [record, other])
  assert.deepEqual(out, ['world'])
  assert.deepEqual(err, [
    '6 B from 5 nodes, not validated',
    'other value: a\\x1b[2J\\x1b]0;t\\x07\\u{202e}\\nb  6 B from 1 node, not valid: it has expired'
  ])
  const { text: _, ...rest } = record
  const binary = draw(view, [{ ...rest, base64: '/wAb', valid: true }])
  assert.deepEqual([binary.out, binary.err], [['/wAb'], ['6 B from 5 nodes, valid, as base64']])
})

test('put and provide: who keeps it', () => {
  const kept = { peer_id: PEER, ok: true, ms: 3.2, error: null, reason: null }
  const refused = { ...kept, ok: false, error: 'stream_reset', reason: 'reset the stream instead of an answer' }
  const lines = [`kept     ${PEER}  3.20 ms`, `refused  ${PEER}  reset the stream instead of an answer`]
  const put = draw(view, [{ type: 'dht.put', ...kept }, { type: 'dht.put', ...refused }, summary({ peers: 1 })])
  assert.deepEqual([put.out, put.err], [lines, ['kept by 1 of 2 nodes']])
  const provide = draw(provideView, [{ type: 'dht.provide', ...kept }, summary({ peers: 1 })])
  assert.deepEqual(provide.err, [
    'kept by 1 of 1 node',
    'the record leads to this peer, which ends now: --stay keeps it there'
  ])
})
