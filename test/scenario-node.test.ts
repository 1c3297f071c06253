// Scenarios 1, 3 and 4: a page and a node, over a WebSocket, through a relay and over WebRTC, as OrbitDB's "Connecting
// Peers" has them under "Browser to Node Daemon" and "Node Daemon to Browser".
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { heliaPeer } from './helpers/helia.ts'
import { openPages } from './helpers/page.ts'

const patient = { timeout: 180_000 }
const WS = '/ip4/127.0.0.1/tcp/0/ws'

describe('browser to node daemon', patient, () => {
  // "Within the browser, dial into the server using the server's exposed web socket"
  test('over a WebSocket: connects, identifies, pings, and messages go both ways', async t => {
    await using daemon = start(['listen', '--json', '-l', WS])
    const { addrs, peer_id: id } = await daemon.next('listen.ready')
    await using pages = await openPages({ test: t, relay: null })
    const page = await pages.open()
    await page.call('connect', addrs[0]!)
    const dialed = await page.next('dial.attempt')
    assert.deepEqual([dialed.ok, dialed.transport, dialed.addr], [true, 'ws', addrs[0]])
    const opened = await page.next('connection.open')
    assert.deepEqual([opened.peer_id, opened.direction, opened.limited], [id, 'outbound', false])
    const { agent_version } = await page.next('peer.identify', ({ peer_id }) => peer_id === id)
    assert.match(agent_version!, /^p2pctl\//)
    const identity = await daemon.next('peer.identify')
    assert.equal(identity.peer_id, page.peerId)
    assert.equal((await daemon.next('connection.open')).direction, 'inbound')
    for (let replies = 0; replies < 2; replies++) await page.next('ping.reply', ({ peer_id }) => peer_id === id)
    await page.call('send', id, 'to the node')
    assert.equal((await page.next('send.done')).confirmed, true)
    const message = await daemon.next('message.received')
    assert.deepEqual([message.peer_id, message.text], [page.peerId, 'to the node'])
    await page.call('echo', id, 'and back')
    const back = await page.next('message.received')
    assert.deepEqual([back.peer_id, back.protocol, back.text], [id, '/echo/1.0.0', 'and back'])
  })

  test('a topic of a node that listens on a WebSocket: what it publishes is in the page, and the other way round', async t => {
    await using pages = await openPages({ test: t, relay: null })
    const page = await pages.open()
    await page.call('subscribe', 'news')
    await using subscriber = start(['pubsub', 'sub', 'news', '--json', '-l', WS])
    const { addrs } = await subscriber.next('listen.ready')
    await page.call('connect', addrs[0]!)
    await subscriber.next('pubsub.join', ({ peer_id }) => peer_id === page.peerId)
    await subscriber.next('pubsub.graft')
    await page.call('publish', 'news', 'from the page')
    const heard = await subscriber.next('message.received')
    assert.deepEqual([heard.peer_id, heard.text], [page.peerId, 'from the page'])
    const published = await run(['pubsub', 'pub', 'news', 'from the node', '--json', '--bootstrap', addrs[0]!])
    assert.equal(published.code, 0, published.stderr)
    const { text, topic } = await page.next('message.received')
    assert.deepEqual([text, topic], ['from the node', 'news'])
  })

  test('a Helia daemon, as the document has it: the page connects, and each sees who the other is', async t => {
    await using daemon = await heliaPeer(WS)
    await using pages = await openPages({ test: t, relay: null })
    const page = await pages.open()
    await page.call('connect', daemon.addrs[0]!)
    const { agent_version } = await page.next('peer.identify', ({ peer_id }) => peer_id === daemon.peerId)
    assert.match(agent_version!, /^helia\/7\./)
    assert.match(await daemon.ask('agent', page.peerId), /^p2pctl\//)
    await page.next('ping.reply', ({ peer_id }) => peer_id === daemon.peerId)
  })

  test('over webrtc-direct, without a relay: connects, identifies, pings, and messages go both ways', async t => {
    await using daemon = start(['listen', '--json', '-l', '/ip4/127.0.0.1/udp/0/webrtc-direct'])
    const { addrs, peer_id: id } = await daemon.next('listen.ready')
    await using pages = await openPages({ test: t, relay: null })
    const page = await pages.open()
    await page.call('connect', addrs[0]!)
    const dialed = await page.next('dial.attempt')
    assert.deepEqual([dialed.ok, dialed.transport], [true, 'webrtc-direct'])
    const opened = await page.next('connection.open')
    assert.deepEqual([opened.peer_id, opened.transport, opened.limited], [id, 'webrtc-direct', false])
    assert.equal((await daemon.next('peer.identify')).peer_id, page.peerId)
    await page.next('ping.reply', ({ peer_id }) => peer_id === id)
    await page.call('send', id, 'without a relay')
    assert.equal((await page.next('send.done')).confirmed, true)
    assert.equal((await daemon.next('message.received')).text, 'without a relay')
    await page.call('echo', id, 'and back')
    assert.equal((await page.next('message.received')).text, 'and back')
  })
})

describe('node daemon to browser', patient, () => {
  test('dial --upgrade: relayed first, then direct, and both round trips are shown', async t => {
    await using relay = start(['relay', '--json', '-l', WS])
    const [relayAddr] = (await relay.next('listen.ready')).addrs
    await using pages = await openPages({ test: t, relay: null, config: { relay: relayAddr! } })
    const page = await pages.open()
    // "The relay assigns and advertises multi addresses on behalf of the browser nodes"
    const { addr } = await page.next('reservation.open')
    assert.equal(addr, `${relayAddr}/p2p-circuit/p2p/${page.peerId}`)
    const dialed = await run(['dial', '--upgrade', '--json', addr!])
    assert.equal(dialed.code, 0, dialed.stderr)
    const [relayed, direct] = only(dialed.events, 'dial.attempt')
    assert.deepEqual([relayed!.transport, relayed!.limited, relayed!.ok], ['circuit', true, true])
    assert.deepEqual([direct!.transport, direct!.limited, direct!.ok], ['webrtc', false, true])
    const upgraded = one(dialed.events, 'connection.upgrade')
    assert.deepEqual([upgraded.peer_id, upgraded.by], [page.peerId, 'webrtc'])
    assert.ok(upgraded.relayed_rtt_ms! > 0 && upgraded.direct_rtt_ms! > 0)
    // and so the page sees it
    const inbound = [await page.next('connection.open', inbound_), await page.next('connection.open', inbound_)]
    assert.deepEqual(
      inbound.map(({ transport, limited }) => `${transport} ${limited}`),
      ['circuit true', 'webrtc false']
    )
  })

  test('ping and send over WebRTC, and through the relay alone', async t => {
    await using relay = start(['relay', '--json', '-l', WS])
    const [relayAddr] = (await relay.next('listen.ready')).addrs
    await using pages = await openPages({ test: t, relay: null, config: { relay: relayAddr! } })
    const page = await pages.open()
    await page.next('reservation.open')
    const kinds = { circuit: `${relayAddr}/p2p-circuit`, webrtc: `${relayAddr}/p2p-circuit/webrtc` }
    for (const [transport, addr] of Object.entries(kinds)) {
      const target = `${addr}/p2p/${page.peerId}`
      const pinged = await run(['ping', '-c', '3', '-i', '0.1', '--json', target])
      assert.equal(pinged.code, 0, pinged.stderr)
      assert.equal(one(pinged.events, 'dial.attempt').transport, transport)
      assert.equal(only(pinged.events, 'ping.reply').length, 3)
      const sent = await run(['send', '--json', target, `over ${transport}`])
      assert.equal(sent.code, 0, sent.stderr)
      assert.equal(one(sent.events, 'send.done').confirmed, true)
      assert.equal((await page.next('message.received')).text, `over ${transport}`)
      const echoed = await run(['send', target, '--protocol', '/echo/1.0.0', '--raw'], { stdin: 'helloa\n' })
      assert.deepEqual([echoed.code, echoed.stdout], [0, 'helloa\n'], echoed.stderr)
    }
  })
})

const inbound_ = ({ direction }: { direction: string }): boolean => direction === 'inbound'
