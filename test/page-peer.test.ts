import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { root, run, start } from './helpers/cli.ts'
import { openPages, type PeerPage } from './helpers/page.ts'

/** Where a page can be dialed over WebRTC. */
async function webrtcAddr(page: PeerPage): Promise<string> {
  const isWebrtc = (addr: string): boolean => addr.includes('/p2p-circuit/webrtc/')
  const { addrs } = await page.next('listen.addrs', ({ addrs }) => addrs.some(isWebrtc))
  return addrs.find(isWebrtc)!
}

/** What a browser writes to its console when a WebSocket fails; a page cannot keep it from that. */
const socketFailed = /WebSocket connection to .* failed/
const DISCOVERY = '_peer-discovery._p2p._pubsub'
const nobody = '12D3KooWEEbAmGmoJdXU3fq46vQyjKFwGxyDKcRZNXCVVhXCXY33'

test('the page is one file under 400 kB gzipped, and makes no code of text', async () => {
  const app = await readFile(join(root, 'dist/web/app.js'))
  assert.ok(gzipSync(app, { level: 9 }).length < 400_000)
  assert.doesNotMatch(app.toString(), /\beval\(|new Function\(/)
})

describe('two pages behind a relay', () => {
  test('reach each other directly, say each connection once, and confirm messages', async () => {
    await using pages = await openPages({ expected: socketFailed })
    const a = await pages.open()
    const reserved = await a.next('reservation.open')
    assert.ok(Date.parse(reserved.expires!) > Date.now())
    const b = await pages.open()
    const addr = await webrtcAddr(a)
    await b.call('connect', addr)
    const dialed = await b.next('dial.attempt', event => event.addr === addr)
    assert.equal(dialed.ok, true, JSON.stringify(dialed))
    assert.deepEqual([dialed.transport, dialed.limited], ['webrtc', false])
    for (const phase of ['relay_ms', 'signal_ms', 'connect_ms', 'identify_ms'] as const) {
      assert.equal(typeof dialed.phases[phase], 'number', phase)
    }
    await b.next('connection.upgrade', ({ by }) => by === 'webrtc')
    const opened = (await b.said('connection.open')).filter(({ peer_id }) => peer_id === a.peerId)
    assert.deepEqual(
      opened.map(({ transport, limited }) => [transport, limited]),
      [
        ['circuit', true],
        ['webrtc', false]
      ]
    )
    // the circuit has done its work
    await a.next('connection.close', ({ peer_id }) => peer_id === b.peerId)
    await b.next('connection.close', ({ peer_id }) => peer_id === a.peerId)

    await b.call('send', a.peerId, 'hello <b>you</b>')
    const came = await a.next('message.received')
    assert.deepEqual([came.peer_id, came.text], [b.peerId, 'hello <b>you</b>'])
    assert.equal((await b.next('send.done')).confirmed, true)
    await a.call('echo', b.peerId, 'and back')
    const echoed = await a.next('message.received', ({ protocol }) => protocol === '/echo/1.0.0')
    assert.deepEqual([echoed.peer_id, echoed.text], [b.peerId, 'and back'])

    for (const [one, other] of [
      [a, b],
      [b, a]
    ] as const) {
      const pong = await one.next('ping.reply', ({ peer_id, seq }) => peer_id === other.peerId && seq === 2)
      assert.ok(pong.rtt_ms >= 0)
      assert.match(pong.addr, /\/webrtc\//)
    }

    // what is direct needs no relay
    await pages.relay!.stop()
    await a.next('reservation.close')
    await b.call('send', a.peerId, 'without it')
    assert.equal((await a.next('message.received', ({ text }) => text === 'without it')).peer_id, b.peerId)

    await b.call('hangUp', a.peerId)
    await a.next('connection.close', ({ peer_id }) => peer_id === b.peerId)
    await b.call('send', a.peerId, 'too late')
    const error = await b.next('error', ({ target }) => target === a.peerId)
    assert.equal(error.code, 'no_addresses')
  })

  test('find each other by announcements, and talk by topic', async () => {
    await using pages = await openPages({ relay: ['--pubsub', DISCOVERY, 'chat'], config: { discovery: [DISCOVERY] } })
    const [a, b] = [await pages.open(), await pages.open()]
    for (const [one, other] of [
      [a, b],
      [b, a]
    ] as const) {
      await one.next('connection.open', ({ peer_id, limited }) => peer_id === other.peerId && !limited)
    }
    assert.deepEqual((await a.next('peer.add', ({ peer_id }) => peer_id === b.peerId)).sources, ['pubsub'])
    // only one of the two has dialed
    await Promise.race([a, b].map(page => page.next('dial.attempt', ({ transport }) => transport === 'webrtc')))
    const dials = await Promise.all(
      [a, b].map(async page => (await page.said('dial.attempt')).filter(({ transport }) => transport === 'webrtc'))
    )
    assert.equal(dials.flat().length, 1)

    await a.call('subscribe', 'chat')
    await b.call('subscribe', 'chat')
    await using sub = start(['pubsub', 'sub', 'chat', '--bootstrap', pages.relayAddr!, '--json'])
    await sub.next('pubsub.join')
    // the relay forwards: a page that publishes too early reaches nobody
    await pages.relay!.next('pubsub.join')
    await b.page.waitForFunction(
      () =>
        (globalThis as unknown as { p2pctl: { node: any } }).p2pctl.node.libp2p.services.pubsub.getSubscribers('chat')
          .length >= 2
    )
    await b.call('publish', 'chat', 'to all')
    const heard = await a.next('message.received', ({ topic }) => topic === 'chat')
    assert.deepEqual([heard.peer_id, heard.text], [b.peerId, 'to all'])
    assert.equal((await b.next('pubsub.sent')).topic, 'chat')
    assert.equal((await sub.next('message.received')).text, 'to all')
  })
})
