import assert from 'node:assert/strict'
import { test } from 'node:test'
import dialView from '../src/views/dial.ts'
import listenView from '../src/views/listen.ts'
import type { Event } from '../src/events.ts'
import { PEER } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'

const OUR = '/ip4/44.1.0.30/tcp/4003'
const THEIRS = `/ip4/44.1.0.20/tcp/4001/p2p/${PEER}`

const step = (name: Event<'punch.step'>['step'], ms: number, fields: Partial<Event<'punch.step'>> = {}) =>
  ({ type: 'punch.step', peer_id: PEER, attempt: 1, step: name, ms, ...fields }) satisfies Event<'punch.step'>

const result = (fields: Partial<Event<'punch.result'>> = {}): Event<'punch.result'> => ({
  type: 'punch.result',
  peer_id: PEER,
  outcome: 'success',
  attempts: 1,
  relayed_ms: 61.25,
  direct_ms: 48.5,
  addr: THEIRS,
  error: null,
  ...fields
})

const steps: Event[] = [
  step('observed', 8.25, { attempt: 0, addrs: [OUR] }),
  step('stream_opened', 31.5),
  step('connect_received', 31.75, { addrs: [THEIRS, '/ip4/44.1.0.21/tcp/1'] }),
  step('connect_sent', 32, { addrs: [OUR] }),
  step('sync_received', 36.5, { rtt_ms: 4.5 }),
  step('dial', 5036.5, { addrs: [THEIRS], ok: false, error: 'timed out in the connect phase' }),
  step('stream_opened', 5040, { attempt: 2 })
]
const rest = [step('dial', 48.5, { addrs: [THEIRS], ok: true, error: null })]

test('dial --punch: a line a step, then what came of it', () => {
  assert.deepEqual(draw(dialView, [...steps, ...rest, result()]).out, [
    '    8.25 ms     the relay sees us at /ip4/44.1.0.30/tcp/4003',
    '    31.5 ms  1  /libp2p/dcutr is open',
    '    31.8 ms  1  CONNECT received: /ip4/44.1.0.20/tcp/4001  /ip4/44.1.0.21/tcp/1',
    '    32.0 ms  1  CONNECT sent: /ip4/44.1.0.30/tcp/4003',
    '    36.5 ms  1  SYNC received, round trip 4.50 ms',
    '     5.04 s  1  dialed /ip4/44.1.0.20/tcp/4001: timed out in the connect phase',
    '     5.04 s  2  /libp2p/dcutr is open',
    '    48.5 ms  1  dialed /ip4/44.1.0.20/tcp/4001: connected',
    'success: direct via /ip4/44.1.0.20/tcp/4001, 48.5 ms after the relayed connection, which took 61.3 ms'
  ])
  const nothing = { outcome: 'timeout', attempts: 3, direct_ms: null, addr: null } as const
  assert.deepEqual(draw(dialView, [...steps, result(nothing)], { quiet: true }).out, [
    'timeout: still through the relay after 3 attempts'
  ])
  assert.deepEqual(draw(dialView, [result({ ...nothing, outcome: 'no_stream', attempts: 0 })]).out, [
    'no_stream: still through the relay'
  ])
})

test('what is left of the steps: silence of the relay, no address, a peer that dials us', () => {
  const few = [
    step('observed', 1, { attempt: 0, addrs: [] }),
    step('connect_received', 2, { addrs: [], rtt_ms: 3 }),
    step('sync_sent', 3),
    step('inbound', 4, { addrs: [THEIRS], ok: true })
  ]
  assert.deepEqual(draw(dialView, few).out, [
    '    1.00 ms     the relay does not say where it sees us',
    '    2.00 ms  1  CONNECT received, round trip 3.00 ms: no address',
    '    3.00 ms  1  SYNC sent',
    '    4.00 ms  1  the peer dialed us from /ip4/44.1.0.20/tcp/4001'
  ])
})

test('listen --punch: what came of it for each peer, the steps with -v', () => {
  const failed = result({
    outcome: 'protocol_error',
    attempts: 3,
    relayed_ms: null,
    direct_ms: null,
    addr: null,
    error: 'no CONNECT: a message of type \x1b[31mnone'
  })
  assert.deepEqual(draw(listenView, [...steps, result({ relayed_ms: null }), failed]).out, [
    `05:33:07 punch ${PEER}  success via /ip4/44.1.0.20/tcp/4001 in 48.5 ms`,
    `05:33:07 punch ${PEER}  protocol_error after 3 attempts: no CONNECT: a message of type \\x1b[31mnone`
  ])
  const silent = { ...failed, outcome: 'no_stream', attempts: 0, error: 'the peer does not speak it' } as const
  assert.deepEqual(draw(listenView, [silent]).out, [`05:33:07 punch ${PEER}  no_stream: the peer does not speak it`])
  const [first, second] = draw(listenView, steps, { verbose: true }).out
  assert.equal(first, `05:33:07 punch ${PEER}     the relay sees us at /ip4/44.1.0.30/tcp/4003`)
  assert.equal(second, `05:33:07 punch ${PEER}  1  /libp2p/dcutr is open`)
  assert.deepEqual(draw(listenView, [result()], { quiet: true }).out, [])
})
