// Scenario 2, and its half of 6: libp2p's "WebRTC private to private" with our page, through `p2pctl relay`. What a
// person does is done with the page's own inputs; its "When two browsers dial each other the following steps occur" is
// held against the events of the page and the relay.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { start } from './helpers/cli.ts'
import { clickConnect, clickSend, logged, openPages, rowOf } from './helpers/page.ts'
import { openOtherPages } from './helpers/other-page.ts'

const patient = { timeout: 180_000 }
const WS = ['-l', '/ip4/127.0.0.1/tcp/0/ws']
/** What the browser writes itself when the relay is gone and the page asks for it again. */
const RELAY_GONE = /ERR_CONNECTION_(REFUSED|RESET)/

const is = (direction: string, transport: string) => (event: { direction: string; transport: string }) =>
  event.direction === direction && event.transport === transport

describe('browser to browser', patient, () => {
  test('the steps 1 to 8, and then both echo to each other without the relay', async t => {
    await using relay = start(['relay', '--json', ...WS])
    const { addrs, peer_id: relayId } = await relay.next('listen.ready')
    await using pages = await openPages({ test: t, relay: null })
    const [a, b] = await Promise.all([pages.open(), pages.open()])

    // "Using the copied multiaddrs from the relay server, paste it into the `Remote MultiAddress` input and click"
    await clickConnect(a.page, addrs[0]!)
    // 1. The listener makes a reservation on a relay with a free slot
    const reservation = await relay.next('reservation.open')
    assert.deepEqual([reservation.peer_id, reservation.status], [a.peerId, 'OK'])
    assert.equal((await a.next('reservation.open')).peer_id, relayId)
    // 2. The dialer obtains the listener's relay address
    const shown = a.page.locator('[data-testid=addr][data-addr*="/p2p-circuit/webrtc/"]')
    const address = (await shown.first().getAttribute('data-addr'))!
    assert.equal(address, `${addrs[0]}/p2p-circuit/webrtc/p2p/${a.peerId}`)

    await clickConnect(b.page, address)
    // 3. The dialer dials the relay and specifies the listeners PeerId as part of the Circuit Relay HOP protocol
    const toRelay = await b.next('connection.open', is('outbound', 'ws'))
    assert.deepEqual([toRelay.peer_id, toRelay.limited], [relayId, false])
    // 4. The relay opens a stream on the listener as part of the Circuit Relay STOP protocol: it says so once that is done
    const circuit = await relay.next('circuit.open')
    assert.deepEqual([circuit.src_peer_id, circuit.dst_peer_id, circuit.status], [b.peerId, a.peerId, 'OK'])
    // 5. A virtual connection is created between the dialer and the listener via the relay
    const virtual = await a.next('connection.open', is('inbound', 'circuit'))
    assert.deepEqual([virtual.peer_id, virtual.limited], [b.peerId, true])
    // 6. and 7. The dialer opens a stream on the virtual connection to perform the SDP handshake; messages are exchanged
    const dialed = await b.next('dial.attempt')
    assert.deepEqual([dialed.ok, dialed.addr, dialed.peer_id], [true, address, a.peerId])
    assert.ok(dialed.phases.relay_ms! > 0 && dialed.phases.signal_ms! > 0, JSON.stringify(dialed.phases))
    // 8. A direct WebRTC connection is opened between the two browsers
    assert.equal((await b.next('connection.open', is('outbound', 'webrtc'))).limited, false)
    const direct = await a.next('connection.open', is('inbound', 'webrtc'))
    assert.deepEqual([direct.peer_id, direct.limited], [b.peerId, false])
    for (const [{ page }, other] of [
      [a, b],
      [b, a]
    ] as const) {
      await rowOf(page, other.peerId).and(page.locator('[data-transport=webrtc][data-limited=false]')).waitFor()
    }
    // the virtual connection is of no more use, and what went over it is what was agreed on
    const closed = await relay.next('circuit.close')
    assert.equal(closed.circuit_id, circuit.circuit_id)
    assert.ok(closed.in_bytes > 0 && closed.out_bytes > 0)

    // "At this point the browsers are directly connected and the relay plays no further part"
    pages.expect(RELAY_GONE)
    await relay.stop('SIGKILL')
    await a.next('connection.close', ({ peer_id }) => peer_id === relayId)
    await b.next('connection.close', ({ peer_id }) => peer_id === relayId)
    // "Enter a message and click the `Send` button in either/both browsers and see the echo'd messages"
    await clickSend(a.page, b.peerId, 'helloa', 'echo')
    await logged(a.page, 'echo', 'helloa').waitFor()
    await clickSend(b.page, a.peerId, 'hellob', 'echo')
    await logged(b.page, 'echo', 'hellob').waitFor()
    await clickSend(a.page, b.peerId, 'a message to b', 'message')
    await logged(b.page, 'received', 'a message to b').waitFor()
    await clickSend(b.page, a.peerId, 'a message to a', 'message')
    await logged(a.page, 'received', 'a message to a').waitFor()
    for (const { said } of [a, b]) {
      const ended = (await said('connection.close')).map(({ remote_addr }) => remote_addr)
      assert.ok(!ended.some(addr => addr.includes('/webrtc')), ended.join())
    }
  })

  test('the example as others have written it, and our page: each connects to the other, and both see echoes', async t => {
    for (const ours of ['dials', 'is dialed']) {
      await using relay = start(['relay', '--json', ...WS])
      const { addrs } = await relay.next('listen.ready')
      await using theirs = await openOtherPages(t, 'private-to-private')
      await using pages = await openPages({ test: t, relay: null })
      const [other, own] = await Promise.all([theirs.open('/'), pages.open()])
      const line = (text: string) => other.locator('#output > div').filter({ hasText: text })
      const connectOther = async (addr: string) => {
        await other.locator('#peer').fill(addr)
        await other.locator('#connect').click()
        await line(`Connected to '${addr}'`).waitFor({ timeout: 20_000 })
      }
      let otherId: string
      if (ours === 'dials') {
        await connectOther(addrs[0]!)
        const listening = (await line('Listening on ').innerText()).slice('Listening on '.length)
        otherId = listening.split('/p2p/').at(-1)!
        await clickConnect(own.page, listening)
      } else {
        await clickConnect(own.page, addrs[0]!)
        await own.next('reservation.open')
        await connectOther(`${addrs[0]}/p2p-circuit/webrtc/p2p/${own.peerId}`)
        otherId = (await own.next('connection.open', is('inbound', 'webrtc'))).peer_id
      }
      await rowOf(own.page, otherId).and(own.page.locator('[data-transport=webrtc][data-limited=false]')).waitFor()
      await clickSend(own.page, otherId, 'helloa', 'echo')
      await line("Received message 'helloa'").waitFor()
      await logged(own.page, 'echo', 'helloa').waitFor()
      await other.locator('#message').fill('hellob')
      await other.locator('#send').click()
      await line("Received message 'hellob'").waitFor()
    }
  })
})
