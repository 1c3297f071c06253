import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '../src/events.ts'
import check from '../src/views/check.ts'
import emit from '../src/views/emit-check.ts'
import { caseWith } from './helpers/check-report.ts'
import { ADDR, HOSTILE, PEER, start, summary } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'

const plan: Event<'check.plan'> = { type: 'check.plan', file: 'f.yaml', checks: 2, cases: 3, left_out: 0 }
const events: Event[] = [
  start,
  plan,
  caseWith({ field: 'error', status: 'passed', expected: 'none', actual: 'none' }),
  caseWith({ field: 'total_ms', status: 'passed', expected: '<= 500', actual: '31.4' }),
  caseWith({
    check: 'another',
    field: 'error',
    expected: 'none',
    actual: 'connection_refused',
    message: 'cannot dial'
  }),
  caseWith({ check: 'another', status: 'skipped', actual: null, message: 'interrupted' }),
  summary({ ok: false, exit_code: 1, checks: 2, cases: 4, passed: 2, failed: 1, skipped: 1, total_ms: 1234 })
]

test('check: a line for each expectation, what was found of those that do not hold, and a summary', () => {
  const { out, err } = draw(check, events)
  assert.deepEqual(out, [
    'ok    a peer  error  none',
    'ok    a peer  total_ms  <= 500  got 31.4',
    'fail  another  error  wanted none, got connection_refused',
    '      cannot dial',
    'skip  another  agent  /^kubo\\//  interrupted',
    '2 checks, 4 expectations: 2 held, 1 did not, 1 skipped, in 1.23 s'
  ])
  assert.deepEqual(err, [])
})

test('check: the spinner goes on until the last one is done', () => {
  const done = (check: string): Event<'check.result'> => ({
    ...{ type: 'check.result', target: ADDR, check, kind: 'dial', status: 'passed', cases: 1, failed: 0 },
    ...{ attempts: 1, duration_ms: 1, error: null, seen: [] }
  })
  const [begun, planned, held, , other] = events as [Event, Event, Event, Event, Event]
  const course = [begun, planned, held, done('a peer'), other, done('another'), events.at(-1)!]
  assert.deepEqual(draw(check, course).spinner, ['looking at 2 peers', '1 of 2 checks done', null])
})

test('check -q: only what does not hold', () => {
  assert.deepEqual(draw(check, events, { quiet: true }).out, [
    'fail  another  error  wanted none, got connection_refused',
    '      cannot dial',
    '2 checks, 4 expectations: 2 held, 1 did not, 1 skipped, in 1.23 s'
  ])
})

test('check -v: tries, reports in files, and what --run left out', () => {
  const { out, err } = draw(
    check,
    [
      start,
      { ...plan, left_out: 3 },
      { type: 'check.retry', check: 'a peer', attempt: 1, failed: ['error'], error: 'io_timeout', wait_ms: 1000 },
      { type: 'check.retry', check: 'a peer', attempt: 2, failed: ['agent'], error: null, wait_ms: 1000 },
      { type: 'check.report', format: 'junit', path: 'r.xml', bytes: 9 },
      summary({ checks: 1, cases: 1, passed: 1, failed: 0, skipped: 0, total_ms: 50 })
    ],
    { verbose: true }
  )
  assert.deepEqual(err, ['again a peer  io_timeout, try 1', 'again a peer  agent, try 2', 'junit report in r.xml'])
  assert.deepEqual(out, ['1 check, 1 expectation: 1 held, 3 checks left out, in 50.0 ms'])
})

test('check: a report on stdout is alone there, and the lines for people go to stderr', () => {
  const report: Event = { type: 'check.report', format: 'tap', path: '-', bytes: 20, text: 'TAP version 13\n1..0\n' }
  const { out, err } = draw(check, [...events.slice(0, 3), report], { options: { report: ['json=f', 'tap=-'] } })
  assert.deepEqual(out, ['TAP version 13', '1..0'])
  assert.deepEqual(err, ['ok    a peer  error  none'])
})

test('check: what a peer says does nothing to a terminal, and IDs are short there', () => {
  const hostile = caseWith({ check: HOSTILE, expected: HOSTILE, actual: `${HOSTILE} ${PEER}`, message: HOSTILE })
  const { out } = draw(check, [start, plan, hostile], { live: true })
  assert.doesNotMatch(out.join('\n'), /\x1b|\x07|\u202e/)
  assert.match(out[0]!, /12D3KooW\.\.\.imQ5$/)
})

test('a check file that was made of what was seen is printed as it is, alone', () => {
  const text = 'checks:\n  - dial: /ip4/127.0.0.1/tcp/4001\n'
  const { out, err } = draw(emit, [start, { type: 'check.emit', text }, summary()])
  assert.deepEqual(out, ['checks:', '  - dial: /ip4/127.0.0.1/tcp/4001'])
  assert.deepEqual(err, [])
})
