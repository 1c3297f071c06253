import assert from 'node:assert/strict'
import { test } from 'node:test'
import check from '../src/views/relay-check.ts'
import { createFooter } from '../src/views/footer.ts'
import listen from '../src/views/listen.ts'
import relay from '../src/views/relay.ts'
import { createPen, type View } from '../src/views/screen.ts'
import type { Event } from '../src/events.ts'

const AT = new Date(2026, 0, 2, 5, 33, 7)
const ALICE = '12D3KooWAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAimQ5'
const BOB = '12D3KooWBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB7NNH'

/** What is drawn on a terminal of 80 columns: the lines in order, and the last footer. */
function draw(view: View, events: Event[], verbose = false): { lines: string[]; footer: string[] } {
  const lines: string[] = []
  let footer: string[] = []
  const stream = { isTTY: true, columns: 80 } as NodeJS.WriteStream
  const pen = () => createPen(stream, text => lines.push(text.slice(0, -1)), { color: 'never', env: {} })
  const say = view({
    out: pen(),
    err: pen(),
    quiet: false,
    verbose,
    status: () => {},
    footer: next => {
      footer = next
    }
  })
  for (const event of events) say(event, AT)
  return { lines, footer }
}

const held = { peer_id: ALICE, expires: new Date(2026, 0, 2, 6, 33, 7).toISOString(), addr: null, status: 'OK' }
const pair = { src_peer_id: BOB, dst_peer_id: ALICE, status: 'OK' }

test('relay: a table of who is reserved until when, with open circuits and bytes each way', () => {
  const events: Event[] = [
    { type: 'reservation.open', ...held },
    { type: 'circuit.open', ...pair, circuit_id: 1, in_bytes: 0, out_bytes: 0, duration_ms: 0 },
    { type: 'circuit.traffic', ...pair, circuit_id: 1, in_bytes: 2048, out_bytes: 100, duration_ms: 1000 },
    { type: 'circuit.open', ...pair, circuit_id: 2, in_bytes: 0, out_bytes: 0, duration_ms: 0 },
    { type: 'circuit.close', ...pair, circuit_id: 1, in_bytes: 3072, out_bytes: 200, duration_ms: 2000 },
    { type: 'circuit.traffic', ...pair, circuit_id: 2, in_bytes: 1024, out_bytes: 0, duration_ms: 1000 }
  ]
  assert.deepEqual(draw(relay, events).footer, [
    'PEER              EXPIRES   CIRCUITS       THERE        BACK',
    '12D3KooW...imQ5   06:33:07         1       4 KiB       200 B'
  ])
  assert.deepEqual(draw(relay, [...events, { type: 'reservation.close', ...held }]).footer, [])
})

test('a footer stays below what is written, is cut to the terminal, and is left alone after a stop', () => {
  let text = ''
  const footer = createFooter(
    part => {
      text += part
    },
    () => 3
  )
  footer.draw(['a', 'b'])
  footer.around(() => {
    text += 'log\n'
  })
  footer.draw(['1', '2', '3', '4'])
  footer.release()
  footer.draw([])
  footer.around(() => {
    text += 'end\n'
  })
  assert.equal(text, 'a\nb\n\x1b[2A\x1b[Jlog\na\nb\n\x1b[2A\x1b[J1\n2\n… 2 more\nend\n')
})

test('relay check: one line for each finding, with what is wrong in words', () => {
  const row = { type: 'relay.check', ok: true, problems: [] as string[] } as const
  const events: Event[] = [
    { ...row, step: 'reserve', status: 'OK', peer_id: ALICE },
    { ...row, step: 'limits', limit_s: 120_000, limit_bytes: 131_072, problems: ['duration_looks_like_milliseconds'] },
    { ...row, step: 'voucher', ok: false, problems: ['voucher_signer'] },
    { ...row, step: 'duration', ok: false, limit_s: 120, measured_s: null, problems: ['duration_not_limited'] }
  ]
  assert.deepEqual(draw(check, events).lines, [
    'ok    reserve   OK from 12D3KooW...imQ5',
    'warn  limits    120000 s, 128 KiB each way  these seconds look like milliseconds (js-libp2p)',
    'fail  voucher   signed by another peer',
    'fail  duration  no end seen, 120 s advertised  not ended: the limit is not kept'
  ])
})

test('listen: each step of a reservation that is lost and made again', () => {
  const mine = { ...held, addr: `/ip4/192.0.2.1/tcp/1/p2p/${ALICE}/p2p-circuit/p2p/${BOB}` }
  const events: Event[] = [
    { type: 'reservation.open', ...mine },
    { type: 'reservation.refresh', ...mine },
    { type: 'reservation.close', ...mine, status: 'disconnected' },
    { type: 'reservation.retry', ...mine, expires: null, status: 'connection_refused', wait_ms: 1000 },
    { type: 'reservation.open', ...mine },
    { type: 'reservation.close', ...mine, status: 'stopped' }
  ]
  assert.deepEqual(draw(listen, events, true).lines, [
    `reserved ${mine.addr} until 06:33:07`,
    '05:33:07 renewed  on /ip4/192.0.2.1/tcp/1/p2p/12D3KooW...imQ5 until 06:33:07',
    '05:33:07 lost /ip4/192.0.2.1/tcp/1/p2p/12D3KooW...imQ5  disconnected, asking again',
    '05:33:07 not yet  on /ip4/192.0.2.1/tcp/1/p2p/12D3KooW...imQ5  connection_refused, again in 1 s',
    '05:33:07 reserved again on /ip4/192.0.2.1/tcp/1/p2p/12D3KooW...imQ5 until 06:33:07'
  ])
})
