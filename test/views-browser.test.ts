import assert from 'node:assert/strict'
import { test } from 'node:test'
import browser from '../src/views/browser.ts'
import type { Event } from '../src/events.ts'
import { HOSTILE, identified, OTHER, opened, PEER, start, summary } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'

const RELAY = `/ip4/127.0.0.1/tcp/4002/ws/p2p/${PEER}`
const LAN = `/ip4/192.168.1.9/tcp/4002/ws/p2p/${PEER}`
const ready = (fields: Partial<Event<'listen.ready'>> = {}): Event => ({
  type: 'listen.ready',
  pid: 1,
  peer_id: PEER,
  addrs: [RELAY],
  url: 'http://127.0.0.1:4100/',
  urls: ['http://127.0.0.1:4100/'],
  relay: RELAY,
  ...fields
})
const options = { limitDuration: 3_600_000, limitData: 128 * 2 ** 20 }
const expires = new Date(2026, 0, 2, 6, 33, 7).toISOString()
const held = { peer_id: OTHER, expires, addr: '/ip4/127.0.0.1/tcp/51822/ws', status: 'OK' }

test('the page, the relay with its limits, and what to do next on stderr', () => {
  const { out, err } = draw(browser, [start, ready()], { live: true, options })
  assert.deepEqual(out, [
    'the page is at http://127.0.0.1:4100/',
    'relaying as 12D3KooW...imQ5   circuits of 1 h and 128 MiB each way',
    `  ${RELAY}`
  ])
  assert.deepEqual(err, [
    'open it in two tabs: each is a peer of its own, and they find each other',
    `in another terminal:  p2pctl ping ${RELAY}`,
    'ready in TIME, press ^C to stop'
  ])
})

test('on the network: every address of the page, and what that opens', () => {
  const both = {
    addrs: [RELAY, LAN],
    urls: ['http://127.0.0.1:4100/#topic=chat', 'http://192.168.1.9:4100/#topic=chat'],
    url: 'http://127.0.0.1:4100/#topic=chat'
  }
  const { out, err } = draw(browser, [ready(both)], { options: { ...options, limits: false } })
  assert.deepEqual(out, [
    'the page is at http://127.0.0.1:4100/#topic=chat',
    '           and http://192.168.1.9:4100/#topic=chat',
    `relaying as ${PEER}   circuits without limits`,
    `  ${RELAY}`,
    `  ${LAN}`
  ])
  assert.equal(
    err[0],
    'open to the network: whoever reaches this machine there gets the page, and may use the relay (--allow names who may)'
  )
  assert.equal(
    draw(browser, [ready(both)], { options: { ...options, allow: ['192.168.1.0/24'] } }).err[0],
    'open to the network: whoever reaches this machine there gets the page, and the relay serves those of --allow'
  )
  assert.equal(
    draw(browser, [ready({ ...both, addrs: [] })]).err[0],
    'open to the network: whoever reaches this machine there gets the page'
  )
})

test('with a relay of somebody else: which one, and whether it relays', () => {
  const deaf: Event = {
    type: 'dial.protocol',
    peer_id: PEER,
    protocol: '/libp2p/circuit/relay/0.2.0/hop',
    ok: false,
    ms: 0
  }
  const { out, err } = draw(browser, [deaf, ready({ addrs: [] })])
  assert.deepEqual(out, ['the page is at http://127.0.0.1:4100/', `its relay is ${RELAY}`])
  assert.deepEqual(
    err[0],
    'the relay does not speak /libp2p/circuit/relay/0.2.0/hop: pages cannot be reached through it'
  )
})

test('two tabs find each other where the relay here passes on what they announce, and nothing is promised else', () => {
  const tabs = 'open it in two tabs: each is a peer of its own'
  assert.ok(draw(browser, [ready()], { options }).err.includes(`${tabs}, and they find each other`))
  assert.ok(draw(browser, [ready()], { options: { ...options, discovery: false } }).err.includes(tabs))
  assert.ok(draw(browser, [ready({ addrs: [] })], { options }).err.includes(tabs))
})

const visit: Event[] = [
  ready({ url: 'http://127.0.0.1:4100/#topic=chat' }),
  opened({ peer_id: OTHER, remote_addr: `/ip4/127.0.0.1/tcp/51822/ws/p2p/${OTHER}` }),
  identified({ peer_id: OTHER, agent_version: 'p2pctl/0.1.0 browser Chrome/153.0.0.0' }),
  { type: 'reservation.open', ...held },
  { type: 'reservation.open', ...held, peer_id: PEER },
  { type: 'reservation.close', ...held, status: 'disconnected' }
]

test('a page comes: how to reach it, once, from a terminal and by a link', () => {
  const { lines } = draw(browser, visit, { live: true, options })
  const addr = `${RELAY}/p2p-circuit/webrtc/p2p/${OTHER}`
  assert.deepEqual(lines.slice(6), [
    '05:33:07 +in  12D3KooW...7NNH  /ip4/127.0.0.1/tcp/51822/ws  noise yamux  p2pctl/0.1.0 browser Chrome/153.0.0.0',
    '05:33:07 reserved  12D3KooW...7NNH until 06:33:07  (1 reserved, 0 open)',
    `  reach that page:   p2pctl ping ${addr}`,
    `  or from another:   http://127.0.0.1:4100/#connect=${addr}&topic=chat`,
    '05:33:07 reserved  12D3KooW...imQ5 until 06:33:07  (2 reserved, 0 open)',
    '05:33:07 freed     12D3KooW...7NNH  disconnected  (1 reserved, 0 open)'
  ])
  const all = draw(browser, visit, { live: true, options, verbose: true }).lines
  assert.equal(all.filter(line => line.startsWith('  reach that page:')).length, 2)
})

test('a link is whole, however much it has to do', () => {
  const url = `http://127.0.0.1:4100/#${Array.from({ length: 20 }, () => `connect=${RELAY}`).join('&')}`
  const { lines } = draw(browser, [ready({ url, urls: [url] }), { type: 'reservation.open', ...held }], { options })
  assert.equal(lines[0], `the page is at ${url}`)
  assert.ok(lines.at(-1)!.endsWith(url.split('#')[1]!), lines.at(-1))
})

test('-q: where the page and the relay are, and nothing else', () => {
  const { out, err } = draw(browser, visit, { live: true, quiet: true, options })
  assert.equal(out.length, 3)
  assert.deepEqual(err, [])
})

test('--open that did not work says what to do', () => {
  const url = 'http://127.0.0.1:4100/'
  const failed: Event = {
    type: 'page.open',
    url,
    ok: false,
    program: null,
    message: 'there is no xdg-open on this machine'
  }
  const worked: Event = { type: 'page.open', url, ok: true, program: 'xdg-open', message: null }
  assert.deepEqual(draw(browser, [failed, worked]).lines, [
    `not opened: there is no xdg-open on this machine; open ${url} in a browser yourself`
  ])
})

test('nothing that a peer says moves the cursor, makes a line or turns the text around', () => {
  const events: Event[] = [
    { type: 'dial.protocol', peer_id: HOSTILE, protocol: HOSTILE, ok: false, ms: 0 },
    ready({ url: HOSTILE, urls: [HOSTILE, HOSTILE], relay: HOSTILE }),
    { type: 'page.open', url: HOSTILE, ok: false, program: HOSTILE, message: HOSTILE },
    { type: 'reservation.open', peer_id: HOSTILE, expires: null, addr: HOSTILE, status: HOSTILE },
    { type: 'reservation.close', peer_id: HOSTILE, expires: null, addr: HOSTILE, status: HOSTILE },
    summary()
  ]
  for (const look of [{}, { live: true }, { verbose: true }]) {
    for (const line of draw(browser, events, look).lines) {
      assert.doesNotMatch(line, /[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/, JSON.stringify(line))
    }
  }
})
