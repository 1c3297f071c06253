import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { after, describe, test } from 'node:test'
import { type CircuitRelayService, circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { cleanup } from 'node-datachannel'
import { type RTCIceCandidate, RTCPeerConnection, RTCSessionDescription } from 'node-datachannel/polyfill'
import dial, { type Options as DialOptions } from '../src/commands/dial.ts'
import listen, { type Options as ListenOptions } from '../src/commands/listen.ts'
import peers from '../src/commands/peers.ts'
import ping from '../src/commands/ping.ts'
import send from '../src/commands/send.ts'
import { frame, readFrame } from '../src/protocols/framing.ts'
import { mendConnections, rtcConfiguration } from '../src/transports/webrtc.ts'
import { SIGNALLING } from '../src/webrtc.ts'
import { begin, type Begun, collect, failureOf, one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { startRelay } from './helpers/relay.ts'
import { OTHER } from './helpers/sample-events.ts'
import { webrtcPeer } from './helpers/webrtc-peer.ts'
import type { Connection, Stream } from '@libp2p/interface'
import type { Said } from '../src/events.ts'

// its threads would hold the process (node-datachannel 0.33)
after(() => cleanup())

const patient = { timeout: 40_000 }
const LIMITS = { limitDurationMs: 120_000, limitDataBytes: 1 << 17 }

const run = (target: string | string[], options: Partial<DialOptions> = {}): Promise<Said[]> =>
  collect(dial, { target: [target].flat(), timeout: 15_000, ...options })

interface Listening extends Begun {
  webrtc: string
  circuit: string
}

/** `listen --webrtc --circuit RELAY`, once it is ready. */
async function listening(relay: string, options: Partial<ListenOptions> = {}): Promise<Listening> {
  const begun = begin(listen, { maxMessage: 1 << 20, webrtc: true, circuit: [relay], ...options })
  const { addrs } = await begun.next('listen.ready')
  const find = (part: string): string => addrs.find(addr => addr.includes(part))!
  return Object.assign(begun, { webrtc: find('/p2p-circuit/webrtc/p2p/'), circuit: find('/p2p-circuit/p2p/') })
}

describe('listen --webrtc', patient, () => {
  test('the address over WebRTC stands beside the circuit', async () => {
    await using relay = await startRelay()
    await using listener = begin(listen, { maxMessage: 1 << 20, webrtc: true, circuit: [relay.addr] })
    const { addrs, peer_id } = await listener.next('listen.ready')
    assert.deepEqual(addrs, [
      `${relay.addr}/p2p-circuit/p2p/${peer_id}`,
      `${relay.addr}/p2p-circuit/webrtc/p2p/${peer_id}`
    ])
  })

  test('it goes with the relay', async () => {
    const relay = await startRelay()
    await using listener = await listening(relay.addr, { listen: ['/ip4/127.0.0.1/tcp/0'] })
    await relay[Symbol.asyncDispose]()
    const { addrs } = await listener.next('listen.addrs')
    assert.equal(addrs.length, 1)
    assert.ok(!addrs[0]!.includes('p2p-circuit'), addrs[0])
  })

  test('it needs a relay', async () => {
    const { code, message } = await failureOf(collect(listen, { maxMessage: 1, webrtc: true }))
    assert.equal(code, 'invalid_option')
    assert.match(message, /--webrtc needs --circuit/)
  })
})

describe('dial over WebRTC', patient, () => {
  test('the phases, both times, and a connection that is not limited', async () => {
    await using relay = await startRelay(LIMITS)
    await using listener = await listening(relay.addr)
    const said = await run(listener.webrtc)
    const attempt = one(said, 'dial.attempt')
    const { ok, transport, limited, security, muxer, limit_s, phases } = attempt
    assert.deepEqual([ok, transport, limited, security, muxer], [true, 'webrtc', false, 'native', 'webrtc'])
    assert.equal(limit_s, undefined)
    const { relay_ms, signal_ms, connect_ms, identify_ms, security_ms, muxer_ms } = phases
    assert.deepEqual([security_ms, muxer_ms], [null, null])
    for (const ms of [relay_ms, signal_ms, connect_ms, identify_ms]) assert.ok(ms != null && ms > 0)
    const sum = relay_ms! + signal_ms! + connect_ms! + identify_ms!
    assert.ok(Math.abs(sum - attempt.total_ms) < 1, 'the phases leave no gap')
    const { from_addr, to_addr, by, relayed_ms, direct_ms } = one(said, 'connection.upgrade')
    assert.deepEqual([from_addr, to_addr, by], [listener.circuit, listener.webrtc, 'webrtc'])
    assert.deepEqual([relayed_ms, direct_ms], [relay_ms, signal_ms! + connect_ms!])
    assert.match(one(said, 'peer.identify').agent_version!, /^p2pctl/)
    const direct = await listener.next('connection.open', ({ transport: kind }) => kind === 'webrtc')
    assert.deepEqual([direct.limited, direct.direction], [false, 'inbound'])
    const circuit = await listener.next('connection.open', ({ transport: kind }) => kind === 'circuit')
    assert.deepEqual([circuit.limited, circuit.limit_s, circuit.limit_bytes], [true, 120, 1 << 17])
    await relay.event('circuit.close')
  })

  test('it goes on after the relay has stopped', async () => {
    const relay = await startRelay()
    await using listener = await listening(relay.addr)
    await using pinger = begin(ping, { target: [listener.webrtc], timeout: 15_000, interval: 100 })
    await pinger.next('ping.reply')
    await relay[Symbol.asyncDispose]()
    await listener.next('reservation.close')
    const before = only(pinger.said, 'ping.reply').length
    await pinger.next('ping.reply', ({ seq }) => seq > before + 3)
    const { received, loss_pct } = one(await pinger.stop(), 'run.summary')
    assert.equal(loss_pct, 0)
    assert.ok(received! > 3)
  })

  test('ping, send, dial --each and peers take the address as well', async () => {
    await using relay = await startRelay()
    await using listener = await listening(relay.addr)
    const { webrtc, circuit } = listener
    const pinged = await collect(ping, { target: [webrtc], timeout: 15_000, count: 2, interval: 100 })
    assert.equal(one(pinged, 'run.summary').received, 2)
    const fresh = await collect(ping, { target: [webrtc], timeout: 15_000, count: 2, interval: 100, fresh: true })
    assert.equal(one(fresh, 'run.summary').received, 2)
    const sent = await collect(send, { target: webrtc, text: 'hello', timeout: 15_000 })
    assert.ok(one(sent, 'send.done').confirmed)
    assert.equal((await listener.next('message.received')).text, 'hello')
    const each = only(await run([webrtc, circuit], { each: true }), 'dial.attempt')
    assert.deepEqual(each.map(({ ok, transport }) => `${ok} ${transport}`).sort(), ['true circuit', 'true webrtc'])
    const seen = await collect(peers, { bootstrap: [webrtc], timeout: 15_000, dial: true })
    assert.equal(one(seen, 'peer.add').connected, true)
  })

  test('a plain js-libp2p node is dialed like any other', async () => {
    await using relay = await startRelay()
    await using plain = await webrtcPeer(relay.addr)
    const addr = plain.getMultiaddrs().find(own => own.toString().includes('/webrtc/'))!
    assert.ok(one(await run(addr.toString()), 'run.summary').ok)
  })

  test('the STUN servers that are named are asked, and by default there is none', async () => {
    assert.deepEqual(rtcConfiguration().iceServers, [])
    await using relay = await startRelay()
    await using listener = await listening(relay.addr)
    const server = createSocket('udp4').bind(0, '127.0.0.1')
    await once(server, 'listening')
    const asked = once(server, 'message') as Promise<[Buffer]>
    const said = await run(listener.webrtc, { stun: [`stun:127.0.0.1:${server.address().port}`] })
    assert.ok(one(said, 'run.summary').ok)
    const [request] = await asked
    // a binding request: https://www.rfc-editor.org/rfc/rfc8489
    assert.deepEqual([request.readUInt16BE(0), request.readUInt32BE(4)], [1, 0x2112a442])
    server.close()
  })
})

/** A message of the signalling: { type: 1, data: 2 }, after its length. */
function signal(type: number, data: string): Uint8Array {
  const bytes = Buffer.from(data)
  const length = bytes.length < 128 ? [bytes.length] : [(bytes.length & 0x7f) | 0x80, bytes.length >> 7]
  return frame(Uint8Array.from([8, type, 0x12, ...length, ...bytes]))
}

test('our candidates are told after the answer, so that nobody comes before we know who it is', patient, async () => {
  mendConnections(RTCPeerConnection)
  const [near, far] = [new RTCPeerConnection(), new RTCPeerConnection()]
  const told: string[] = []
  const first = new Promise<void>(resolve => {
    near.onicecandidate = () => {
      told.push('a candidate')
      resolve()
    }
  })
  near.createDataChannel('init')
  const gathered = new Promise<void>(resolve => {
    near.onicegatheringstatechange = () => near.iceGatheringState === 'complete' && resolve()
  })
  await far.setRemoteDescription(await near.createOffer())
  await gathered
  const answer = await far.createAnswer()
  assert.deepEqual(told, [])
  await near.setRemoteDescription(answer)
  await first
  near.close()
  far.close()
})

test('that the first channel was open, and is closed already, is told to whoever asks late', patient, async () => {
  mendConnections(RTCPeerConnection)
  const open = () => new RTCPeerConnection(rtcConfiguration() as object)
  const [near, far] = [open(), open()]
  near.onicecandidate = ({ candidate }: { candidate: RTCIceCandidate }) => void far.addIceCandidate(candidate)
  far.onicecandidate = ({ candidate }: { candidate: RTCIceCandidate }) => void near.addIceCandidate(candidate)
  // as the answering side of /webrtc does, in a page and here
  far.ondatachannel = ({ channel }) => channel.close()
  const channel = near.createDataChannel('init')
  const closed = new Promise<void>(resolve => {
    channel.onclose = () => resolve()
  })
  await far.setRemoteDescription(await near.createOffer())
  await near.setRemoteDescription(await far.createAnswer())
  await closed
  assert.equal(channel.readyState, 'closed')
  const soon = { signal: AbortSignal.timeout(5000) }
  await once(channel, 'open', soon)
  channel.close()
  await once(channel, 'close', soon)
  near.close()
  far.close()
})

describe('dial over WebRTC fails', patient, () => {
  async function fails(target: string, code: string, phase: string, exitCode: number, timeout = 15_000) {
    const said = await run(target, { timeout })
    const error = one(said, 'error')
    assert.deepEqual([error.code, error.phase, error.exit_code], [code, phase, exitCode], error.message)
    assert.equal(one(said, 'dial.attempt').error?.code, code)
    assert.equal(only(said, 'connection.upgrade').length, 0)
    return error
  }
  const over = (relay: string, peer: unknown): string => `${relay}/p2p-circuit/webrtc/p2p/${peer}`

  test('a peer that is not on the relay: relay_no_reservation', async () => {
    await using relay = await startRelay()
    await using peer = await plainNode()
    await fails(over(relay.addr, peer.peerId), 'relay_no_reservation', 'relay', 7)
  })

  test('a peer that does not take WebRTC: protocol_not_supported, with the protocol', async () => {
    await using relay = await startRelay()
    await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    const { message } = await fails(over(relay.addr, peer.peerId), 'protocol_not_supported', 'protocol', 6)
    assert.match(message, /\/webrtc-signaling\/0\.0\.1/)
  })

  test('another peer in the place of the relay', async () => {
    await using relay = await startRelay()
    const wrong = relay.addr.replace(/[^/]+$/, OTHER)
    const { expected, actual } = await fails(over(wrong, relay.node.peerId), 'peer_id_mismatch', 'relay', 5)
    assert.deepEqual([expected, actual], [OTHER, relay.node.peerId.toString()])
  })

  test('an address that names no peer, or no relay', async () => {
    await using relay = await startRelay()
    await fails(`${relay.addr}/p2p-circuit/webrtc`, 'invalid_multiaddr', 'relay', 2)
    await fails(`/webrtc/p2p/${OTHER}`, 'invalid_multiaddr', 'relay', 2)
  })

  /** A peer on the relay that answers the signalling by hand. */
  async function signaller(relay: string, answer: (stream: Stream, connection: Connection) => unknown) {
    const peer = await plainNode({ listen: [`${relay}/p2p-circuit`] })
    await peer.handle(SIGNALLING, (stream, connection) => void answer(stream, connection), {
      runOnLimitedConnection: true
    })
    return peer
  }

  test('no answer to the offer', async () => {
    await using relay = await startRelay()
    await using peer = await signaller(relay.addr, () => {})
    const { message } = await fails(over(relay.addr, peer.peerId), 'io_timeout', 'protocol', 1, 1500)
    assert.match(message, /no answer to the offer/)
  })

  test('an answer that is none, and a reset', async () => {
    await using relay = await startRelay()
    await using peer = await signaller(relay.addr, stream => void stream.send(signal(0, 'not an answer')))
    const { message } = await fails(over(relay.addr, peer.peerId), 'stream_reset', 'protocol', 1)
    assert.match(message, /broke off/)
    await peer.handle(SIGNALLING, stream => stream.abort(new Error('no')), {
      force: true,
      runOnLimitedConnection: true
    })
    await fails(over(relay.addr, peer.peerId), 'stream_reset', 'protocol', 1)
  })

  test('no way to each other: io_timeout, with a word on NATs and --stun', async () => {
    await using relay = await startRelay()
    await using peer = await signaller(relay.addr, async stream => {
      const offer = await readFrame(stream, { maxBytes: 10_000, signal: new AbortController().signal })
      // behind its type and its length of two bytes
      const sdp = Buffer.from(offer.subarray(5)).toString()
      const connection = new RTCPeerConnection()
      await connection.setRemoteDescription(new RTCSessionDescription({ type: 'offer', sdp }))
      const { sdp: answer } = await connection.createAnswer()
      connection.close()
      stream.send(signal(1, answer!))
    })
    const { message, hint } = await fails(over(relay.addr, peer.peerId), 'io_timeout', 'connect', 1, 2500)
    assert.match(message, /no direct way/)
    assert.match(hint!, /--stun/)
  })
})

describe('dial --upgrade', patient, () => {
  test('of a circuit makes a direct connection, compares the two, and goes on with the direct one', async () => {
    await using relay = await startRelay(LIMITS)
    await using listener = await listening(relay.addr)
    const said = await run(listener.circuit, { upgrade: true, protocol: ['/echo/1.0.0'] })
    const [relayed, direct] = only(said, 'dial.attempt')
    assert.deepEqual([relayed?.transport, direct?.transport], ['circuit', 'webrtc'])
    assert.deepEqual([relayed?.limit_s, relayed?.limit_bytes], [120, 1 << 17])
    const upgrade = one(said, 'connection.upgrade')
    assert.deepEqual([upgrade.from_addr, upgrade.to_addr], [listener.circuit, listener.webrtc])
    const { relayed_ms, direct_ms, relayed_rtt_ms, direct_rtt_ms } = upgrade
    for (const ms of [relayed_ms, direct_ms, relayed_rtt_ms, direct_rtt_ms]) assert.ok(ms != null && ms > 0)
    assert.ok(one(said, 'dial.protocol').ok)
    await relay.event('circuit.close')
    assert.equal(relay.log().filter(line => line.startsWith('circuit.open')).length, 1, 'one circuit served both')
  })

  test('of a peer that takes no WebRTC fails, and says so', async () => {
    await using relay = await startRelay()
    await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    const said = await run(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, { upgrade: true })
    const { code, exit_code, message } = one(said, 'error')
    assert.deepEqual([code, exit_code], ['protocol_not_supported', 6])
    assert.match(message, /webrtc-signaling/)
  })

  test('of a connection that is direct leaves it as it is', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer), { upgrade: true })
    assert.equal(only(said, 'connection.upgrade').length, 0)
    assert.ok(one(said, 'run.summary').ok)
  })
})

describe('through a relay', patient, () => {
  test('of js-libp2p, whose seconds are milliseconds, the limits are told as it says them', async () => {
    await using relay = await plainNode<{ relay: CircuitRelayService }>({ services: { relay: circuitRelayServer() } })
    await using peer = await plainNode({ listen: [`${addrOf(relay)}/p2p-circuit`] })
    const said = await run(`${addrOf(relay)}/p2p-circuit/p2p/${peer.peerId}`)
    for (const { limited, limit_s, limit_bytes } of [one(said, 'dial.attempt'), one(said, 'connection.open')]) {
      assert.deepEqual([limited, limit_s, limit_bytes], [true, 120_000, 1 << 17])
    }
  })

  test('--direct-only leaves circuits out and keeps WebRTC; --relayed-only is the opposite', async () => {
    await using relay = await startRelay()
    await using listener = await listening(relay.addr)
    const TXT = [listener.circuit, listener.webrtc].map(addr => `dnsaddr=${addr}`)
    await using dns = await startDns({ '_dnsaddr.example.test': { TXT } })
    const dialed = async (options: Partial<DialOptions>): Promise<unknown[]> => {
      const said = await run('/dnsaddr/example.test', { dns: dns.address, allowPrivate: true, ...options })
      return only(said, 'dial.attempt').map(({ transport, of }) => `${transport} of ${of}`)
    }
    assert.deepEqual(await dialed({ directOnly: true }), ['webrtc of 1'])
    assert.deepEqual(await dialed({ relayedOnly: true }), ['circuit of 1'])
    for (const options of [{ directOnly: true }, { relayedOnly: true }]) {
      const target = options.directOnly ? listener.circuit : listener.webrtc
      const { code, message, exit_code } = one(await run(target, options), 'error')
      const option = options.directOnly ? '--direct-only' : '--relayed-only'
      assert.deepEqual([code, exit_code], ['no_addresses', 1])
      assert.match(message, new RegExp(`its only address is left out by ${option}$`))
    }
    const each = only(await run([listener.circuit, listener.webrtc], { each: true, directOnly: true }), 'dial.attempt')
    assert.deepEqual(
      each.map(({ skipped }) => skipped),
      ['left out by --direct-only', null].map(skipped => skipped ?? undefined)
    )
  })
})
