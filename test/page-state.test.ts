import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { Event } from '../src/events.ts'
import { groupsOf } from '../src/web/ui/addresses.ts'
import { addrsIn, hashOf, parseHash } from '../src/web/ui/hash.ts'
import { fileName } from '../src/web/ui/file-name.ts'
import { reduce } from '../src/web/ui/reduce.ts'
import { ATTEMPTS, type Happened, LOG, type PageState, START, TIMES } from '../src/web/ui/state.ts'

const AT = new Date(2026, 0, 2, 5, 33, 7)
const SELF = '12D3KooWEEbAmGmoJdXU3fq46vQyjKFwGxyDKcRZNXCVVhXCXY33'
const BOB = '12D3KooWHHdVCmNXuJf9kRQuGTnVZrKXaH2EZLcSEzPPiwqr8Hsu'
const RELAY_ID = '12D3KooWLRPJAA5o6mkHHvG5GLwpVz1mVqwRRCoVJjMzMyAEbmpj'
const RELAY = `/ip4/127.0.0.1/tcp/4002/ws/p2p/${RELAY_ID}`
const CIRCUIT = `${RELAY}/p2p-circuit/p2p/${BOB}`
const WEBRTC = `${RELAY}/p2p-circuit/webrtc/p2p/${BOB}`

const after = (...events: Happened[]): PageState => events.reduce((state, event) => reduce(state, event, AT), START)
const started: Happened = { type: 'run.start', peer_id: SELF }
const asked: Happened = { type: 'page.relay', addr: RELAY }
const held = { target: RELAY, peer_id: RELAY_ID, addr: `${RELAY}/p2p-circuit/p2p/${SELF}` }
const reserved: Happened = { type: 'reservation.open', ...held, expires: '2026-01-02T06:33:07.000Z', status: 'OK' }
const opened = (part: Partial<Event<'connection.open'>> = {}): Event<'connection.open'> => ({
  type: 'connection.open',
  peer_id: BOB,
  remote_addr: CIRCUIT,
  direction: 'inbound',
  transport: 'circuit',
  security: 'noise',
  muxer: 'yamux',
  limited: true,
  ...part
})
const closed = (remote_addr: string): Event<'connection.close'> => ({
  type: 'connection.close',
  peer_id: BOB,
  remote_addr,
  duration_ms: 1200
})
const failure = (part: Partial<Event<'error'>>): Event<'error'> => ({
  type: 'error',
  code: 'connection_refused',
  phase: 'connect',
  message: `cannot dial ${BOB}: connection refused`,
  hint: 'check that the peer listens on that port, or give another address',
  addr: null,
  expected: null,
  actual: null,
  exit_code: 1,
  ...part
})
const attempt = (part: Partial<Event<'dial.attempt'>>): Event<'dial.attempt'> => ({
  type: 'dial.attempt',
  target: WEBRTC,
  addr: WEBRTC,
  transport: 'webrtc',
  ok: true,
  phases: { resolve_ms: null, connect_ms: 12, security_ms: null, muxer_ms: null, identify_ms: 3 },
  total_ms: 15,
  security: 'native',
  muxer: 'webrtc',
  limited: false,
  error: null,
  peer_id: BOB,
  ...part
})

describe('the relay', () => {
  test('is asked, holds a place until it ends, and is asked again when it is lost', () => {
    assert.equal(after(asked).status, 'starting')
    assert.equal(after(asked, started).status, 'connecting')
    const online = after(asked, started, reserved)
    assert.deepEqual(
      [online.status, online.relay?.state, online.relay?.expires, online.relay?.peerId],
      ['online', 'open', '2026-01-02T06:33:07.000Z', RELAY_ID]
    )
    const lost = after(asked, started, reserved, {
      type: 'reservation.close',
      ...held,
      expires: null,
      status: 'connection closed'
    })
    assert.deepEqual(
      [lost.status, lost.relay?.state, lost.relay?.note],
      ['connecting', 'lost', 'connection closed, asking again']
    )
  })

  test('that does not answer has the error beside it, and when it is asked next', () => {
    const retry: Happened = {
      type: 'reservation.retry',
      ...held,
      expires: null,
      status: 'connection_refused',
      wait_ms: 500
    }
    const { status, relay, log } = after(asked, started, failure({ target: RELAY }), retry)
    assert.deepEqual([status, relay?.state, relay?.error?.code], ['failed', 'failed', 'connection_refused'])
    assert.equal(relay?.note, 'connection_refused, again in 500 ms')
    assert.deepEqual(log, [])
    assert.equal(after(asked, started, failure({ target: RELAY }), reserved).relay?.error, null)
  })

  test('may be none, and may be one that was connected to', () => {
    assert.equal(after({ type: 'page.relay', addr: null }, started).status, 'offline')
    const adopted = after({ type: 'page.relay', addr: null }, started, reserved)
    assert.deepEqual([adopted.status, adopted.relay?.addr], ['online', RELAY])
  })

  test('that was given up has no say any more', () => {
    const other = RELAY.replace('4002', '4003')
    const moved = after(asked, started, reserved, { type: 'page.relay', addr: other })
    const late = reduce(moved, { type: 'reservation.close', ...held, expires: null, status: 'stopped' }, AT)
    assert.deepEqual([late.relay?.addr, late.relay?.state], [other, 'asking'])
    const none = reduce(moved, { type: 'page.relay', addr: null }, AT)
    assert.equal(reduce(none, { type: 'reservation.close', ...held, expires: null, status: 'stopped' }, AT).relay, null)
  })
})

describe('peers', () => {
  test('have one row, which shows the direct connection as soon as there is one', () => {
    const direct = opened({ remote_addr: `/webrtc/p2p/${BOB}`, transport: 'webrtc', limited: false })
    const both = after(started, opened(), direct)
    assert.equal(both.peers.length, 1)
    assert.deepEqual(
      both.peers[0]!.links.map(({ transport }) => transport),
      ['circuit', 'webrtc']
    )
    assert.match(both.log.at(-1)!.text, /^12D3KooW\.\.\.8Hsu is connected directly now, webrtc$/)
    const upgraded = reduce(both, closed(CIRCUIT), AT)
    assert.deepEqual(
      upgraded.peers[0]!.links.map(({ transport }) => transport),
      ['webrtc']
    )
    assert.deepEqual(reduce(upgraded, closed(`/webrtc/p2p/${BOB}`), AT).peers, [])
  })

  test('keep the newest round trips, those lost among them', () => {
    const pongs = Array.from(
      { length: TIMES + 5 },
      (_, seq): Happened => ({ type: 'ping.reply', seq, rtt_ms: seq, peer_id: BOB, addr: CIRCUIT })
    )
    const { peers } = after(opened(), ...pongs, { type: 'ping.timeout', seq: 99, after_ms: 5000, peer_id: BOB })
    assert.equal(peers[0]!.times.length, TIMES)
    assert.deepEqual(peers[0]!.times.slice(-2), [TIMES + 4, null])
    assert.deepEqual(after(...pongs).peers, [])
  })

  test('leave the topics with their last connection', () => {
    const joined = after(
      opened(),
      { type: 'page.join', topic: 'chat' },
      { type: 'pubsub.join', peer_id: BOB, topic: 'chat' },
      { type: 'pubsub.join', peer_id: BOB, topic: 'chat' },
      { type: 'pubsub.join', peer_id: BOB, topic: 'of no interest' }
    )
    assert.deepEqual(joined.topics, [{ name: 'chat', peerIds: [BOB] }])
    assert.deepEqual(reduce(joined, closed(CIRCUIT), AT).topics, [{ name: 'chat', peerIds: [] }])
    assert.deepEqual(reduce(joined, { type: 'page.leave', topic: 'chat' }, AT).topics, [])
  })
})

describe('what was asked for', () => {
  test('a dial is open until it has worked or failed, and the newest stands first', () => {
    const dialing = after({ type: 'page.connect', addr: WEBRTC }, { type: 'page.connect', addr: CIRCUIT })
    assert.deepEqual(
      dialing.attempts.map(({ addr, state }) => [addr, state]),
      [
        [CIRCUIT, 'dialing'],
        [WEBRTC, 'dialing']
      ]
    )
    const made = reduce(dialing, attempt({}), AT)
    assert.deepEqual([made.attempts[1]!.state, made.attempts[1]!.tried.length], ['connected', 1])
    const error = { code: 'relay_no_reservation', phase: 'relay', message: 'no' } as const
    const tried = reduce(made, attempt({ target: CIRCUIT, addr: CIRCUIT, ok: false, error }), AT)
    const failed = reduce(tried, failure({ target: CIRCUIT, code: 'relay_no_reservation' }), AT)
    assert.deepEqual([failed.attempts[0]!.state, failed.attempts[0]!.error?.code], ['failed', 'relay_no_reservation'])
    assert.deepEqual(failed.log, [])
  })

  test('a message is sending until it is confirmed, or failed', () => {
    const send = (text: string): Happened => ({
      type: 'page.send',
      peerId: BOB,
      text,
      kind: 'message',
      bytes: text.length
    })
    const sending = after(send('one'), send('three'))
    const transfer = { target: BOB, total_bytes: 5, bytes: 5, bytes_per_s: 1, sha256: 'ab'.repeat(32), confirmed: true }
    const done = reduce(sending, { type: 'send.done', ...transfer }, AT)
    assert.deepEqual(
      done.log.map(({ text, state }) => [text, state]),
      [
        ['one', 'sending'],
        ['three', 'confirmed']
      ]
    )
    assert.match(done.log[1]!.detail!, /^sent 5 B in .*, sha256 abababababab…, confirmed by the receiver$/)
    const failed = reduce(done, failure({ target: BOB, code: 'stream_reset' }), AT)
    assert.deepEqual([failed.log[0]!.state, failed.log[0]!.error?.code], ['failed', 'stream_reset'])
    assert.equal(failed.log.length, 2)
    const { lastId } = sending
    assert.equal(reduce(sending, { type: 'page.settled', id: lastId }, AT).log[1]!.state, 'done')
  })

  test('what nobody waits for stands in the log', () => {
    const { log } = after(failure({ code: 'internal', phase: null }))
    assert.deepEqual([log[0]!.kind, log[0]!.error?.code], ['error', 'internal'])
  })
})

describe('what peers say', () => {
  const message = (part: Partial<Event<'message.received'>>): Happened => ({
    type: 'message.received',
    peer_id: BOB,
    bytes: 5,
    text: 'hello',
    ...part
  })

  test('messages, echoes and topics are told apart', () => {
    const { log } = after(
      message({ protocol: '/p2pctl/send/1.0.0' }),
      message({ protocol: '/echo/1.0.0' }),
      message({ topic: 'chat' })
    )
    assert.deepEqual(
      log.map(({ kind, topic }) => [kind, topic]),
      [
        ['received', null],
        ['echo', null],
        ['topic', 'chat']
      ]
    )
  })

  test('is escaped and capped, and the oldest is forgotten', () => {
    const { log } = after(message({ text: '<b>\u202egpj.exe' }), message({ text: 'x'.repeat(10_000) }))
    assert.equal(log[0]!.text, '<b>\\u{202e}gpj.exe')
    assert.match(log[1]!.text, /^x{4096}… \(5904 more\)$/)
    const many = after(...Array.from({ length: LOG + 10 }, (_, at) => message({ text: String(at) })))
    assert.deepEqual([many.log.length, many.log[0]!.text], [LOG, '10'])
    const dials = Array.from({ length: ATTEMPTS + 1 }, (): Happened => ({ type: 'page.connect', addr: WEBRTC }))
    assert.equal(after(...dials).attempts.length, ATTEMPTS)
  })

  test('a file is a link to what was received, and to nothing else', () => {
    const file = { type: 'file.received', peer_id: BOB, name: 'a.txt', bytes: 1, sha256: 'ab'.repeat(32) } as const
    assert.equal(after({ ...file, path: 'blob:http://localhost/1' }).log[0]!.href, 'blob:http://localhost/1')
    assert.equal(after({ ...file, path: 'javascript:alert(1)' }).log[0]!.href, null)
  })

  test('the name of a file leads nowhere else', () => {
    assert.equal(fileName('../../etc/passwd'), 'etc_passwd')
    assert.equal(fileName('..'), 'file')
    assert.equal(fileName('C:\\aux\u202efdp.exe'), 'C_aux_fdp.exe')
    assert.equal(fileName(`${'a'.repeat(300)}.txt`).length, 120)
    assert.equal(fileName('report 2.tar.gz'), 'report 2.tar.gz')
  })
})

describe('the address of the page', () => {
  test('names peers, topics and a relay', () => {
    const asked = parseHash(
      `#connect=${WEBRTC}&connect=${encodeURIComponent(CIRCUIT)}&topic=a%20b&topic=c&relay=${RELAY}`
    )
    assert.deepEqual(asked, { connect: [WEBRTC, CIRCUIT], topics: ['a b', 'c'], relay: RELAY, problems: [] })
    assert.deepEqual(parseHash(''), { connect: [], topics: [], relay: undefined, problems: [] })
    assert.equal(parseHash('#relay=').relay, null)
    assert.deepEqual(parseHash(`#connect=${WEBRTC}%20${CIRCUIT}`).connect, [WEBRTC, CIRCUIT])
  })

  test('that is nonsense is said to be, and does nothing', () => {
    for (const hash of ['#nonsense', '#connect', '#connect=%E0%A4%A', '#evil=1', '#topic=', '#relay=nonsense']) {
      const { connect, topics, relay, problems } = parseHash(hash)
      assert.deepEqual([connect, topics, relay, problems.length], [[], [], undefined, 1], hash)
    }
    assert.equal(parseHash('#relay=nonsense').problems[0]!.code, 'invalid_multiaddr')
    const many = parseHash(`#${'topic=t&'.repeat(30)}`)
    assert.deepEqual([many.topics.length, many.problems.length], [20, 1])
  })

  test('is written so that it reads the same, a certificate hash in it too', () => {
    const asked = { connect: ['/ip4/1.2.3.4/udp/1/webrtc-direct/certhash/mEi+A/b'], topics: ['ä & b'], relay: RELAY }
    assert.deepEqual(parseHash(hashOf(asked)), { ...asked, problems: [] })
    assert.ok(hashOf(asked).startsWith('#connect=/ip4/1.2.3.4/udp/1/'))
    assert.equal(hashOf({}), '')
  })

  test('pasted addresses are found between spaces, lines, commas and quotes, each once', () => {
    assert.deepEqual(addrsIn(` '${WEBRTC}',\n${CIRCUIT}\t"${WEBRTC}" `), [WEBRTC, CIRCUIT])
    assert.deepEqual(addrsIn(' \n '), [])
  })
})

test('addresses are grouped by what can dial them, those of the named relay first', () => {
  const tcp = `/ip4/127.0.0.1/tcp/4001/p2p/${RELAY_ID}`
  const far = RELAY.replace('127.0.0.1', '192.0.2.1')
  const through = (relay: string, way = '') => `${relay}/p2p-circuit${way}/p2p/${SELF}`
  const groups = groupsOf(
    [
      through(tcp, '/webrtc'),
      through(far, '/webrtc'),
      through(RELAY, '/webrtc'),
      through(RELAY),
      `/webrtc/p2p/${SELF}`,
      '/nonsense'
    ],
    RELAY
  )
  assert.deepEqual(groups, [
    { kind: 'browsers', addrs: [through(RELAY, '/webrtc'), through(far, '/webrtc')] },
    { kind: 'all', addrs: [through(RELAY)] },
    { kind: 'nodes', addrs: [through(tcp, '/webrtc')] }
  ])
})
