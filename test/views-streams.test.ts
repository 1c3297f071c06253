import assert from 'node:assert/strict'
import { test } from 'node:test'
import forward from '../src/views/forward.ts'
import listen from '../src/views/listen.ts'
import perf from '../src/views/perf.ts'
import { ADDR, attempt, HOSTILE, opened, OTHER, PEER, start, summary } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'
import type { Event } from '../src/events.ts'

const MIB = 2 ** 20

function interval(direction: 'upload' | 'download', mib: number, duration_ms = 1000): Event<'perf.interval'> {
  const bytes = mib * MIB
  const moved = { upload_bytes: direction === 'upload' ? bytes : 0, download_bytes: direction === 'upload' ? 0 : bytes }
  return { type: 'perf.interval', direction, ...moved, duration_ms, bytes_per_s: (bytes / duration_ms) * 1000 }
}

const done: Event<'perf.done'> = {
  type: 'perf.done',
  peer_id: PEER,
  addr: ADDR,
  upload_bytes: 350 * MIB,
  upload_ms: 3500,
  upload_bytes_per_s: 100 * MIB,
  download_bytes: 0,
  download_ms: null,
  download_bytes_per_s: null,
  duration_ms: 3500,
  complete: true
}

const uploading: Event[] = [
  start,
  attempt(),
  ...[100, 50, 150].map(mib => interval('upload', mib)),
  interval('upload', 50, 250),
  done,
  summary()
]

test('perf: what was measured each way, and how it went from second to second', () => {
  const { out, err } = draw(perf, uploading, { live: true })
  assert.deepEqual(out, [
    'PERF 12D3KooW...imQ5 via /ip4/203.0.113.7/tcp/4001 (noise, yamux), connected in 194.2 ms',
    'upload    350 MiB in 3.5 s  100 MiB/s (839 Mbit/s)  ▆▃█'
  ])
  assert.deepEqual(err, [])
})

test('perf -v: each second', () => {
  assert.deepEqual(draw(perf, uploading, { live: true, verbose: true }).out.slice(1, 3), [
    'upload    100 MiB/s (839 Mbit/s)  100 MiB in 1 s',
    'upload    50 MiB/s (419 Mbit/s)  50 MiB in 1 s'
  ])
})

test('perf -q: the result alone', () => {
  assert.equal(draw(perf, uploading, { quiet: true }).out.length, 1)
})

test('perf that was cut short: what had gone by then, and that nobody knows how much has arrived', () => {
  const cut = { ...done, upload_bytes: 3 * MIB, upload_ms: null, upload_bytes_per_s: null, complete: false }
  assert.deepEqual(draw(perf, [start, attempt(), cut, summary()]).out.slice(1), [
    'upload    3 MiB sent, and not known to have arrived  cut short'
  ])
})

const from = { peer_id: PEER, protocol: '/x/web', stream_id: 7, tcp_addr: '127.0.0.1:50412' }
const close: Event<'stream.close'> = {
  ...{ type: 'stream.close', ...from, in_bytes: 2048, out_bytes: 71, duration_ms: 41.9, error: null }
}
const forwarding: Event[] = [
  start,
  attempt(),
  opened({ direction: 'outbound' }),
  { type: 'forward.ready', pid: 1, peer_id: PEER, addr: ADDR, protocol: '/x/web', local_addr: '127.0.0.1:8080' },
  { type: 'stream.open', ...from },
  close,
  { ...close, tcp_addr: null, error: 'the peer reset the stream' },
  { type: 'connection.close', peer_id: PEER, remote_addr: ADDR, duration_ms: 10 },
  { type: 'forward.retry', peer_id: PEER, code: 'connection_refused', message: `${PEER}: ${HOSTILE}`, wait_ms: 500 },
  { type: 'forward.refused', tcp_addr: '127.0.0.1:50413', code: 'io_timeout', message: 'no stream within 10 s' },
  opened({ direction: 'outbound', remote_addr: ADDR }),
  summary()
]

test('forward: where to connect to, who does, and when the peer is away', () => {
  const { out, err } = draw(forward, forwarding, { live: true })
  assert.deepEqual(out, [
    'forwarding 127.0.0.1:8080 to 12D3KooW...imQ5 /x/web',
    '05:33:07 +7    127.0.0.1:50412',
    '05:33:07 -7    127.0.0.1:50412  71 B there, 2 KiB back in 41.9 ms',
    '05:33:07 -7    local  71 B there, 2 KiB back in 41.9 ms  the peer reset the stream',
    '05:33:07 lost the connection to 12D3KooW...imQ5',
    '05:33:07 not yet 12D3KooW...imQ5: a\\x1b[2J\\x1b]0;t\\x07\\u{202e}\\nb',
    '05:33:07 reset 127.0.0.1:50413: no stream within 10 s',
    '05:33:07 connected again through /ip4/203.0.113.7/tcp/4001'
  ])
  assert.deepEqual(err, ['through /ip4/203.0.113.7/tcp/4001', 'ready in TIME, press ^C to stop'])
})

test('forward -q: where to connect to', () => {
  assert.deepEqual(draw(forward, forwarding, { quiet: true }).out, [`forwarding 127.0.0.1:8080 to ${PEER} /x/web`])
})

test('listen --forward: with which service a stream was joined, and why it was not', () => {
  const about = { peer_id: OTHER, protocol: '/x/web' }
  const counts = { in_bytes: 71, out_bytes: 2048, duration_ms: 10 }
  const refused = 'cannot connect to 127.0.0.1:80: connection refused'
  const { out } = draw(
    listen,
    [
      { type: 'stream.open', ...about },
      { type: 'stream.close', ...about, ...counts, tcp_addr: '127.0.0.1:80', error: null },
      { type: 'stream.close', ...about, ...counts, error: refused }
    ],
    { live: true }
  )
  assert.deepEqual(out, [
    '05:33:07 stream /x/web from 12D3KooW...7NNH',
    '05:33:07 ended  /x/web from 12D3KooW...7NNH: 71 B in, 2 KiB out, at 127.0.0.1:80',
    `05:33:07 ended  /x/web from 12D3KooW...7NNH: 71 B in, 2 KiB out, ${refused}`
  ])
})
