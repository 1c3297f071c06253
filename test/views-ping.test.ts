import assert from 'node:assert/strict'
import { test } from 'node:test'
import ping from '../src/views/ping.ts'
import { createPen } from '../src/views/screen.ts'
import type { Event } from '../src/events.ts'

const PEER = '12D3KooWQ5Vz4xt6nvWHphZaUq2cDTZGYHMHUcFvkALYqZ9qhjnQ'
const ADDR = '/ip4/203.0.113.7/tcp/4001'
const rtt = { min: 41.2, mean: 48.5, p50: 41.9, p90: 88.1, p95: 88.1, p99: 88.1, max: 88.1, stddev: 14.7 }

const open: Event[] = [
  { type: 'run.start', contract: '1.0', version: '0', peer_id: null },
  {
    type: 'dial.attempt',
    target: ADDR,
    addr: ADDR,
    transport: 'tcp',
    ok: true,
    phases: { resolve_ms: null, connect_ms: 1, security_ms: 1, muxer_ms: null, identify_ms: null },
    total_ms: 94.1,
    security: 'noise',
    muxer: 'yamux',
    limited: false,
    error: null,
    peer_id: PEER
  }
]
const reply = (seq: number, rtt_ms: number, more = {}): Event => {
  return { type: 'ping.reply', target: ADDR, seq, rtt_ms, peer_id: PEER, addr: ADDR, ...more }
}
const summary = (fields: Partial<Event<'run.summary'>>): Event => {
  return { type: 'run.summary', ok: true, reason: 'complete', exit_code: 0, signal: null, ...fields }
}

/** What is drawn on a terminal of 60 columns, without colour. */
function draw(events: Event[], options: Record<string, unknown> = {}) {
  const lines: string[] = []
  const stream = { isTTY: true, columns: 60 } as NodeJS.WriteStream
  const pen = createPen(stream, text => lines.push(text.replace(/, time [\d.]+ m?s\n/, ', time TIME\n').slice(0, -1)), {
    color: 'never',
    env: {}
  })
  const view = ping({ out: pen, err: pen, quiet: false, verbose: false, options, status: () => {} })
  for (const event of events) view(event, new Date(0))
  return { lines, status: view.status?.() }
}

test('with a connection for each ping, one that was made while p2pctl stood still is called so', () => {
  const { lines } = draw([...open, reply(1, 41.2, { connect_ms: 88.3, connect_stalled: true })])
  assert.deepEqual(lines.slice(1), ['seq=1 time=41.200 ms connect=88.300 ms (not counted: p2pctl stood still)'])
})

test('what became of a ping has a word of its own, in its line and in the summary', () => {
  const { lines, status } = draw([
    ...open,
    { type: 'ping.timeout', target: ADDR, seq: 1, after_ms: 2000 },
    { type: 'ping.late', target: ADDR, seq: 1, rtt_ms: 2310.5 },
    reply(2, 41.2, { connect_ms: 35.1 }),
    reply(3, 380.25, { stalled: true, loop_delay_ms: 340 }),
    { type: 'ping.fail', target: ADDR, seq: 4, reason: 'wrong', after_ms: 1 },
    { type: 'ping.fail', target: ADDR, seq: 5, reason: 'connect', after_ms: 1, error: 'connection_refused' },
    summary({
      target: ADDR,
      sent: 5,
      received: 2,
      loss_pct: 60,
      rtt_ms: null,
      late: 1,
      wrong: 1,
      unconnected: 1,
      stalled: 1,
      connects_ms: rtt
    })
  ])
  assert.deepEqual(lines.slice(1), [
    'seq=1 no reply within 2 s',
    'seq=1 late, time=2310.500 ms',
    'seq=2 time=41.200 ms connect=35.100 ms',
    'seq=3 time=380.250 ms not counted: p2pctl stood still for 340.0 ms',
    'seq=4 wrong answer',
    'seq=5 no connection: connection_refused',
    '--- 12D3KooW...hjnQ ping statistics ---',
    '5 sent, 2 received, 60% loss (1 late, 1 wrong, 1 without a connection), time TIME',
    '1 not counted: p2pctl itself stood still',
    'connect min/avg/max/mdev = 41.200/48.500/88.100/14.700 ms'
  ])
  assert.equal(status, '5 sent, 2 received, 60% loss, avg 41.200 ms')
})

test('--histogram: a row for each width that has any, and --chart: dots, and crosses for what was lost', () => {
  const times = [41.2, 42, 41.5, 43, 41.9, 44, 45, 51, 80]
  const events = [
    ...open,
    ...times.map((time, index) => reply(index + 1, time)),
    { type: 'ping.timeout', target: ADDR, seq: 10, after_ms: 2000 } as Event,
    summary({ target: ADDR, sent: 10, received: 9, loss_pct: 10, rtt_ms: rtt, lost: 1 })
  ]
  const { lines } = draw(events, { histogram: true, chart: true, flood: true })
  assert.deepEqual(lines.slice(3), [
    '10 sent, 9 received, 10% loss (1 lost), time TIME',
    'rtt min/avg/max/mdev = 41.200/48.500/88.100/14.700 ms',
    'p50 41.900  p95 88.100  p99 88.100',
    '▁▁▁▁▁▂▂▃█×',
    '  41.2 ms [7] ████████████████████████',
    '  49.0 ms [1] ███▍',
    '  76.1 ms [1] ███▍',
    '  80.0 ms ┤          ⠁',
    '          ┤',
    '          ┤',
    '          ┤',
    '          ┤         ⠂',
    '  41.2 ms ┤⡀⢀⢀ ⠄⡀⠐⠐',
    '     lost ┤           ×',
    '           seq 1     10'
  ])
})

test('several targets are a table, the worst last, by what was asked for', () => {
  const row = (target: string, mean: number | null, loss_pct: number, error?: string) => {
    const stats = mean == null ? null : { ...rtt, min: mean, mean, p95: mean }
    return {
      target,
      ok: error == null,
      sent: 2,
      received: mean == null ? 0 : 2,
      loss_pct,
      connect_ms: 1,
      rtt_ms: stats,
      ...(error && { error })
    }
  }
  const targets = [row('/c', null, 100, 'io_timeout'), row('/a', 20, 0), row('/b', 3, 50)]
  const order = (sort?: string) => draw([summary({ targets })], { sort }).lines.map(line => line.split(' ')[0])
  assert.deepEqual(draw([summary({ targets })]).lines, [
    'TARGET  SENT  RECEIVED  LOSS     MIN     AVG     P95  ERROR',
    '/a         2         2    0%  20.000  20.000  20.000  -',
    '/b         2         2   50%   3.000   3.000   3.000  -',
    '/c         2         0  100%       -       -       -  io_timeout'
  ])
  assert.deepEqual(order('rtt'), ['TARGET', '/b', '/a', '/c'])
  assert.deepEqual(order('target'), ['TARGET', '/a', '/b', '/c'])
})
