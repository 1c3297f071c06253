import assert from 'node:assert/strict'
import { test } from 'node:test'
import doctorView from '../src/views/doctor.ts'
import listenView from '../src/views/listen.ts'
import { createPen, type View } from '../src/views/screen.ts'
import type { Event } from '../src/events.ts'
import { PEER, start, summary } from './helpers/sample-events.ts'

function draw(view: View, events: Event[], options: { quiet?: boolean; verbose?: boolean; columns?: number } = {}) {
  const lines: string[] = []
  const out = createPen({ isTTY: false, columns: 0 }, text => void lines.push(text.slice(0, -1)), {
    color: 'never',
    env: {}
  })
  const { columns = Infinity, ...rest } = options
  const pen = { ...out, columns }
  const show = view({ out: pen, err: pen, quiet: false, verbose: false, status: () => {}, ...rest })
  for (const event of events) show(event, new Date(0))
  return lines
}

function finding(fields: Partial<Event<'doctor.check'>>): Event<'doctor.check'> {
  const plain = { group: 'machine', check: 'node', status: 'ok', message: '24.21.0 on linux x64' } as const
  return { type: 'doctor.check', ...plain, fix: null, ms: 0.4, ...fields }
}

const events: Event[] = [
  start,
  finding({}),
  finding({ check: 'ipv6', status: 'warn', message: 'no address', fix: 'ask whoever runs the network for IPv6' }),
  finding({ group: 'transports', check: 'webrtc-direct', status: 'skip', message: 'not in this build' }),
  finding({
    group: 'names',
    check: 'dns',
    status: 'fail',
    message: 'no answer',
    fix: 'name another with --dns'
  }),
  finding({ group: 'remote', check: 'reach', message: 'kubo in 94 ms', target: `/ip4/192.0.2.1/tcp/4001/p2p/${PEER}` }),
  summary({ ok: false, exit_code: 1, fails: 1, warns: 1 })
]

test('doctor: a line for each check under its group, what to do below it, and a count', () => {
  assert.deepEqual(draw(doctorView, events), [
    'machine',
    '  ok    node            24.21.0 on linux x64',
    '  warn  ipv6            no address',
    '                        ask whoever runs the network for IPv6',
    '',
    'transports',
    '  skip  webrtc-direct   not in this build',
    '',
    'names',
    '  fail  dns             no answer',
    '                        name another with --dns',
    '',
    'remote  /ip4/192.0.2.1/tcp/4001',
    '  ok    reach           kubo in 94 ms',
    '',
    '2 ok, 1 warning, 1 failed, 1 skipped'
  ])
})

test('doctor -q says what is wrong, and -v how long each took', () => {
  assert.deepEqual(draw(doctorView, events, { quiet: true }), [
    'machine',
    '  warn  ipv6            no address',
    '                        ask whoever runs the network for IPv6',
    '',
    'names',
    '  fail  dns             no answer',
    '                        name another with --dns'
  ])
  const slow = finding({ check: 'ipv6', ms: 1294, message: 'no address', fix: 'ask for it' })
  assert.deepEqual(draw(doctorView, [finding({}), slow], { verbose: true }), [
    'machine',
    '  ok    node                0 ms  24.21.0 on linux x64',
    '  ok    ipv6             1294 ms  no address',
    '                                  ask for it'
  ])
})

test('doctor: the times of the transports stand below each other', () => {
  const transport = (check: string, message: string) => finding({ group: 'transports', check, message })
  const dialed = [
    transport('tcp', 'dialed in 98 ms, ping 1.1 ms, noise yamux'),
    transport('webrtc', 'dialed in 1413 ms, ping 12.0 ms, native webrtc')
  ]
  assert.deepEqual(draw(doctorView, dialed), [
    'transports',
    '  ok    tcp             dialed in   98 ms, ping  1.1 ms, noise yamux',
    '  ok    webrtc          dialed in 1413 ms, ping 12.0 ms, native webrtc'
  ])
})

test('doctor keeps within the columns of a terminal, and within 110 on a wide one', () => {
  const words = Array.from({ length: 30 }, (_, index) => `word${index}`).join(' ')
  const lines = draw(doctorView, [finding({ message: words, fix: words })], { columns: 80 })
  assert.ok(lines.length > 6)
  for (const line of lines) assert.ok(line.length <= 80, line)
  const wide = draw(doctorView, [finding({ message: words })], { columns: 200 })
  assert.equal(
    wide.every(line => line.length <= 110),
    true
  )
  assert.equal(lines.slice(1).join(' ').replace(/ +/g, ' ').trim(), `ok node ${words} ${words}`)
})

test('listen says what it has dialed for whom', () => {
  const dial = { type: 'autonat.dial', peer_id: PEER, status: 'OK', data_bytes: 0, ms: 5 } as const
  const addr = `/ip4/203.0.113.9/tcp/4001/p2p/${PEER}`
  const lines = draw(listenView, [
    { ...dial, addr, dial_status: 'OK' },
    { ...dial, addr, dial_status: 'E_DIAL_ERROR', data_bytes: 49152 },
    { ...dial, addr: null, dial_status: null, status: 'E_DIAL_REFUSED' },
    { ...dial, addr: null, dial_status: null, status: 'E_REQUEST_REJECTED' }
  ])
  assert.deepEqual(
    lines.map(line => line.slice(9)),
    [
      `autonat for ${PEER}: /ip4/203.0.113.9/tcp/4001 is reachable`,
      `autonat for ${PEER}: /ip4/203.0.113.9/tcp/4001 is not reachable, for 48 KiB`,
      `autonat for ${PEER}: no address that we dial`,
      `autonat for ${PEER}: too many requests, not served`
    ]
  )
})
