import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Event } from '../src/events.ts'
import view from '../src/views/dial.ts'
import { createPen } from '../src/views/screen.ts'

const PEER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const OTHER = '12D3KooWNmTqPKPBr4in7h3XHNKDf337zX6Yp4xh2RczqXMt7NNH'
const none = { resolve_ms: null, connect_ms: null, security_ms: null, muxer_ms: null, identify_ms: null }

function attempt(fields: Partial<Event<'dial.attempt'>>): Event<'dial.attempt'> {
  return {
    type: 'dial.attempt',
    target: 'T',
    addr: `/ip4/203.0.113.7/tcp/4001/p2p/${PEER}`,
    transport: 'tcp',
    ok: false,
    phases: none,
    total_ms: 38,
    security: null,
    muxer: null,
    limited: false,
    error: null,
    scope: 'public',
    number: 1,
    of: 4,
    ...fields
  }
}

const works = attempt({
  ok: true,
  phases: { ...none, connect_ms: 41.9, security_ms: 88.2, identify_ms: 45.7 },
  total_ms: 175.8,
  security: 'noise',
  muxer: 'yamux'
})
const wrong = attempt({
  addr: `/ip4/203.0.113.8/tcp/4001/p2p/${PEER}`,
  phases: { ...none, connect_ms: 40 },
  total_ms: 120,
  error: {
    code: 'peer_id_mismatch',
    phase: 'security',
    message: `another peer answered: expected ${PEER}, got ${OTHER}`
  },
  number: 2
})
const skipped = attempt({
  addr: '/ip4/203.0.113.7/udp/4001/quic-v1',
  transport: 'quic-v1',
  skipped: 'no transport',
  number: 3
})

function draw(events: Event[], columns = 0, quiet = false): string[] {
  const lines: string[] = []
  const stream = { isTTY: columns > 0, columns } as NodeJS.WriteStream
  const pen = createPen(stream, text => void lines.push(text.slice(0, -1)), { color: 'never', env: {} })
  const show = view({ out: pen, err: pen, quiet, verbose: false, status: () => {} })
  for (const event of events) show(event, new Date(0))
  return lines
}

const target = {
  type: 'dial.target',
  target: 'T',
  ok: false,
  peer_id: PEER,
  working: 1,
  failed: 1,
  skipped: 1
} as const

test('every address is a line in the order in which it was named, and what is wrong stands below', () => {
  assert.deepEqual(draw([skipped, wrong, works, target]), [
    'ADDRESS                            TRANSPORT  RESULT                       CONNECT  SECURITY  IDENTIFY     TOTAL  OVER',
    '/ip4/203.0.113.7/tcp/4001          tcp        ok                           41.9 ms   88.2 ms   45.7 ms  175.8 ms  noise yamux',
    '/ip4/203.0.113.8/tcp/4001          tcp        peer_id_mismatch (security)  40.0 ms         -         -  120.0 ms  -',
    `    another peer answered: expected ${PEER}, got ${OTHER}`,
    '/ip4/203.0.113.7/udp/4001/quic-v1  quic-v1    skipped                            -         -         -         -  -',
    '    no transport',
    '1 of 2 work, 1 cannot be dialed from here'
  ])
})

test('of announced addresses public, private and circuit stand apart, and stale ones are called so', () => {
  const error = { code: 'connection_refused', phase: 'connect', message: 'connection refused' } as const
  const at = { announced: true, stale: false }
  const stale = attempt({
    addr: '/ip4/10.0.0.1/tcp/1',
    scope: 'private',
    number: 1,
    announced: true,
    stale: true,
    error
  })
  const lines = draw([stale, { ...works, ...at, number: 2 }, { ...target, left_out: 5 }])
  assert.deepEqual(lines, [
    'ADDRESS                    SCOPE    TRANSPORT  RESULT                               CONNECT  SECURITY  IDENTIFY     TOTAL  OVER',
    '/ip4/203.0.113.7/tcp/4001  public   tcp        ok                                   41.9 ms   88.2 ms   45.7 ms  175.8 ms  noise yamux',
    '/ip4/10.0.0.1/tcp/1        private  tcp        stale: connection_refused (connect)        -         -         -   38.0 ms  -',
    '    connection refused',
    '1 of 2 work, 1 cannot be dialed from here, 5 more were announced and not dialed'
  ])
})

test('on a narrow terminal each address has a line of its own', () => {
  assert.deepEqual(draw([works, wrong, target], 90), [
    'ADDRESS',
    '  TRANSPORT  RESULT                       CONNECT  SECURITY  IDENTIFY     TOTAL  OVER',
    '/ip4/203.0.113.7/tcp/4001',
    '  tcp        ok                           41.9 ms   88.2 ms   45.7 ms  175.8 ms  noise yamux',
    '/ip4/203.0.113.8/tcp/4001',
    '  tcp        peer_id_mismatch (security)  40.0 ms         -         -  120.0 ms  -',
    '    another peer answered: expected 12D3KooW...imQ5, got 12D3KooW...7NNH',
    '1 of 2 work, 1 cannot be dialed from here'
  ])
})

test('a connection that was held says how long, and who ended it', () => {
  const close = {
    type: 'connection.close',
    peer_id: PEER,
    remote_addr: '/ip4/1.2.3.4/tcp/1',
    duration_ms: 1500
  } as const
  assert.deepEqual(draw([{ ...close, by: 'remote', reason: 'ECONNRESET' }]), [
    'held for 1.5 s, ended by the peer   ECONNRESET'
  ])
})

const pageOf = (from: 'http' | 'https', fields: Partial<Event<'dial.attempt'>>) =>
  attempt({ of: 2, from, page: 'public', addr: `/ip4/203.0.113.7/tcp/4002/ws/p2p/${PEER}`, transport: 'ws', ...fields })
const blocked = { code: 'blocked_by_browser', phase: 'connect', message: 'mixed content' } as const
const refused = { code: 'connection_refused', phase: 'connect', message: 'connection refused' } as const
const local = { page: 'local', addr: '/ip4/127.0.0.1/tcp/4003/ws', number: 2, error: refused, total_ms: 3 } as const
const paged: Event[] = [
  { type: 'browser.start', path: '/usr/bin/chromium', version: '153.0', sandbox: false, webrtc_loopback: true },
  pageOf('http', { ...works, addr: `/ip4/203.0.113.7/tcp/4002/ws/p2p/${PEER}`, transport: 'ws', of: 2 }),
  pageOf('https', { error: blocked, total_ms: 4 }),
  pageOf('http', local),
  pageOf('https', local),
  { type: 'dial.target', target: 'T', ok: false, peer_id: PEER, working: 1, failed: 1, skipped: 0 }
]

test('what pages reach says which, and once where it is the same of both', () => {
  assert.deepEqual(draw(paged), [
    'from the pages of chromium 153.0',
    'ADDRESS                       TRANSPORT  FROM               RESULT                        CONNECT  SECURITY  IDENTIFY     TOTAL  OVER',
    '/ip4/203.0.113.7/tcp/4002/ws  ws         http               ok                            41.9 ms   88.2 ms   45.7 ms  175.8 ms  noise yamux',
    '/ip4/203.0.113.7/tcp/4002/ws  ws         https              blocked_by_browser (connect)        -         -         -   4.00 ms  -',
    '    mixed content',
    '/ip4/127.0.0.1/tcp/4003/ws    ws         local http, https  connection_refused (connect)        -         -         -   3.00 ms  -',
    '    connection refused',
    '1 of 2 work'
  ])
})

test('on a narrow terminal the times have a line of their own', () => {
  assert.deepEqual(draw(paged, 80).slice(0, 9), [
    'from the pages of chromium 153.0',
    'ADDRESS',
    '  TRANSPORT  FROM               RESULT',
    '  CONNECT  SECURITY  IDENTIFY     TOTAL  OVER',
    '/ip4/203.0.113.7/tcp/4002/ws',
    '  ws         http               ok',
    '  41.9 ms   88.2 ms   45.7 ms  175.8 ms  noise yamux',
    '/ip4/203.0.113.7/tcp/4002/ws',
    '  ws         https              blocked_by_browser (connect)'
  ])
})

const verdict = (from: 'http' | 'https', fields: Partial<Event<'dial.verdict'>>): Event => ({
  type: 'dial.verdict',
  target: 'T',
  addr: '/ip4/203.0.113.7/tcp/4002/ws',
  transport: 'ws',
  from,
  page: 'public',
  ok: true,
  code: null,
  message: null,
  hint: null,
  ...fields
})

test('verdicts by rule are a table with the reason, or the condition, below', () => {
  const wss = { addr: '/dns4/example.org/tcp/443/wss', transport: 'wss', message: 'if its certificate is trusted' }
  const target: Event = { type: 'dial.target', target: 'T', ok: true, peer_id: null, working: 1, failed: 0, skipped: 0 }
  const no = { ok: false, code: 'blocked_by_browser', message: 'mixed content' }
  const events = [verdict('http', {}), verdict('https', no), verdict('http', wss), verdict('https', wss)]
  assert.deepEqual(draw([...events, target, target]), [
    'ADDRESS                        TRANSPORT  FROM         VERDICT',
    '/ip4/203.0.113.7/tcp/4002/ws   ws         http         may',
    '/ip4/203.0.113.7/tcp/4002/ws   ws         https        may not: blocked_by_browser',
    '    mixed content',
    '/dns4/example.org/tcp/443/wss  wss        http, https  may',
    '    if its certificate is trusted'
  ])
})
