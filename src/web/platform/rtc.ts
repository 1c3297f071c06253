/** What the WebRTC of libp2p needs beside that of the browser. Imported before it is: it patches the browser's class. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { tellLate } from '../../transports/init-channel.ts'

/**
 * - open: the channel for the handshake is there
 * - ice: nobody answered there
 * - dtls: whoever answered has another certificate
 */
type Fate = 'open' | 'ice' | 'dtls'

interface Told {
  at: number
  /** What the other side was expected to be: for webrtc-direct, made of its address. */
  sdp: string
  fate: Fate
}

const told: Told[] = []
/** Each is asked for as soon as its dial has ended. */
const MOST_TOLD = 64

const { createDataChannel, setRemoteDescription } = RTCPeerConnection.prototype

RTCPeerConnection.prototype.createDataChannel = function (label, options) {
  const channel = createDataChannel.call(this, label, options)
  if (label === 'init') tellLate(channel)
  if (options?.negotiated === true && options.id === 0) failEarly(this, channel)
  return channel
}

RTCPeerConnection.prototype.setRemoteDescription = function (...description: unknown[]) {
  endWithChannels(this)
  return Reflect.apply(setRemoteDescription, this, description)
}

const losses = new Set<() => void>()

/** Calls `lost` when a connection was lost that nobody has closed: the network is the reason, or a peer that sleeps. */
export function onLost(lost: () => void): void {
  losses.add(lost)
}

/**
 * Where the other side closes the connection, its data channels end at once, and the connection itself is found to have
 * failed only when nobody has answered for 18 s (Chromium 153): until then it would count as open.
 */
function endWithChannels(connection: RTCPeerConnection): void {
  let connected = false
  connection.addEventListener('connectionstatechange', () => {
    if (connection.connectionState === 'failed' && connected) for (const lost of losses) lost()
    if (connection.connectionState !== 'connected') return
    connected = true
    connection.sctp?.addEventListener('statechange', ({ target }) => {
      if ((target as RTCSctpTransport).state !== 'closed' || connection.connectionState === 'closed') return
      connection.close()
      // which tells nobody
      connection.dispatchEvent(new Event('connectionstatechange'))
    })
  })
}

/**
 * A dial of webrtc-direct waits for its channel to open until the time is over, also where the connection has failed
 * (@libp2p/webrtc 6.0). So the channel says it, and the reason is kept: a failure after ICE has found its way is a
 * certificate that is not the one of the certhash.
 */
function failEarly(connection: RTCPeerConnection, channel: RTCDataChannel): void {
  const note = (fate: Fate): void => {
    told.push({ at: performance.now(), sdp: connection.remoteDescription?.sdp ?? '', fate })
    if (told.length > MOST_TOLD) told.shift()
  }
  channel.addEventListener('open', () => note('open'))
  connection.addEventListener('connectionstatechange', () => {
    if (connection.connectionState !== 'failed' || channel.readyState !== 'connecting') return
    note(['connected', 'completed'].includes(connection.iceConnectionState) ? 'dtls' : 'ice')
    channel.dispatchEvent(new Event('error'))
  })
}

/** How far a dial of a webrtc-direct address came that began at that time of `performance.now()`, and when. */
export function rtcFate(addr: Multiaddr, since: number): { fate: Fate; at: number } | null {
  const [host, port] = addr.getComponents()
  const place = ` ${host?.value} ${port?.value} `
  return told.findLast(({ at, sdp }) => at >= since && sdp.includes(place)) ?? null
}
