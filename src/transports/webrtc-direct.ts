import { AsyncLocalStorage } from 'node:async_hooks'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { Listener, Transport } from '@libp2p/interface'
import { privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { webRTCDirect } from '@libp2p/webrtc'
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { RTCPeerConnection } from 'node-datachannel/polyfill'
import { codes, Failure } from '../errors.ts'
import type { Components } from '../node.ts'
import { ipOf } from '../reach.ts'
import { safe } from '../safe.ts'
import { currentTrace } from '../trace.ts'
import { certificateFrom } from './certificate.ts'
import { NO_HASH, withCerthash } from './certhash.ts'
import { dialWithDescriptors } from './descriptors.ts'
import { dialOverUdp } from './udp.ts'

/** One dial as it goes on. */
interface Dial {
  /** Of the certificate that the other side has shown: hex with colons. */
  fingerprint?: string
}

const dials = new AsyncLocalStorage<Dial>()

/** WebRTC to a peer with a public port. Noise runs within DTLS, so that a dial has a connect and a security phase. */
export function webRtcDirectTransport(): (components: Components) => Transport {
  watchPeerConnections()
  return components => {
    const certificate = certificateFrom(privateKeyToProtobuf(components.privateKey))
    // without a list of our own it asks four public STUN servers (@libp2p/webrtc 6.0)
    const transport = webRTCDirect({ certificate, rtcConfiguration: { iceServers: [] } })(components)
    dialOverUdp(transport, {
      onSecured: () => {
        const trace = currentTrace()
        if (trace == null) return
        trace.securedAt = performance.now()
        // data channels are the streams: there is no muxer to agree on
        trace.earlyMuxer = true
      },
      failureOf
    })
    const dial = transport.dial.bind(transport)
    transport.dial = (addr, options) => dials.run({}, () => dial(withCerthash(addr), options))
    const createListener = transport.createListener.bind(transport)
    transport.createListener = options => withFreePort(createListener(options))
    return dialWithDescriptors(transport)
  }
}

let watching = false

/**
 * When the DTLS handshake is done, and which certificate the other side has shown: the library compares it in the noise
 * handshake only, where the listener hangs up on us without a word if they differ (@libp2p/webrtc 6.0).
 */
function watchPeerConnections(): void {
  if (watching) return
  watching = true
  const { createDataChannel, setRemoteDescription } = RTCPeerConnection.prototype
  RTCPeerConnection.prototype.createDataChannel = function (this: Watched, label, options) {
    const channel = createDataChannel.call(this, label, options)
    const dial = dials.getStore()
    if (dial == null) return channel
    const look = (): void => {
      dial.fingerprint ??= fingerprintOf(this)
    }
    // whichever comes first: a peer may have ended it all by the time that the next is told
    for (const event of ['open', 'message', 'close']) channel.addEventListener(event, look)
    return channel
  }
  RTCPeerConnection.prototype.setRemoteDescription = function (this: Watched, description) {
    const dial = dials.getStore()
    const trace = currentTrace()
    if (dial != null && description.type === 'answer') {
      this.addEventListener('connectionstatechange', () => {
        dial.fingerprint ??= fingerprintOf(this)
        if (trace != null && this.connectionState === 'connected') trace.connectedAt = performance.now()
      })
    }
    return setRemoteDescription.call(this, description)
  }
}

type Watched = RTCPeerConnection & { remoteFingerprint?(): { value: string } }

function failureOf(cause: unknown, addr: Multiaddr): Failure {
  const text = cause instanceof Error ? cause.message : String(cause)
  const trace = currentTrace()
  const shown = dials.getStore()?.fingerprint
  const actual = shown == null ? undefined : certhashOf(shown)
  const expected = addr.getComponents().findLast(({ name }) => name === 'certhash')?.value
  if (actual != null && expected != null && expected !== actual) {
    return new Failure('certhash_mismatch', codes.certhash_mismatch.says, {
      phase: 'security',
      expected,
      actual,
      cause
    })
  }
  const wrongPeer = /identity key (\S+) does not match expected remote identity key (\S+)/.exec(text)
  if (wrongPeer != null) {
    const [, actual = '', expected = ''] = wrongPeer
    const message = `another peer answered: expected ${expected}, got ${actual}`
    return new Failure('peer_id_mismatch', message, { phase: 'security', expected, actual, cause })
  }
  const phase = trace?.connectedAt == null ? 'connect' : 'security'
  if (cause instanceof Error && cause.name === 'UnsupportedHashAlgorithmError') {
    return new Failure('invalid_multiaddr', NO_HASH, { phase, cause })
  }
  if (/EOF|closed|reset/i.test(text)) {
    return new Failure('connection_reset', `the peer closed the connection in the ${phase} phase`, { phase, cause })
  }
  return new Failure('security_failed', `no WebRTC connection: ${safe(text, 120)}`, { phase, cause })
}

function fingerprintOf(connection: Watched): string | undefined {
  try {
    return connection.remoteFingerprint?.().value || undefined
  } catch {
    // it is closed, and remembers nothing
    return undefined
  }
}

/** `DF:9D:...` -> `uEi...`, as the address has it. */
function certhashOf(fingerprint: string): string {
  const digest = Buffer.from(fingerprint.replaceAll(':', ''), 'hex')
  return `u${Buffer.concat([Buffer.from([0x12, digest.length]), digest]).toString('base64url')}`
}

/**
 * The library takes a port that is free for TCP where any will do, and its native code says of every failure only that
 * it could not register (@libp2p/webrtc 6.0, node-datachannel 0.33). A socket of our own is asked before.
 */
function withFreePort(listener: Listener): Listener {
  const listen = listener.listen.bind(listener)
  listener.listen = async addr => {
    const wanted = Number(addr.getComponents().find(({ name }) => name === 'udp')!.value)
    // the library lets another family join a port of ours, which works where it serves all of them
    const joins = sockets.get(wanted) === '::'
    const port = joins ? wanted : await freePort(ipOf(addr)!, wanted)
    await listen(multiaddr(addr.toString().replace(`/udp/${wanted}`, `/udp/${port}`)))
    if (joins) return
    sockets.set(port, ipOf(addr)!)
    listener.addEventListener('close', () => sockets.delete(port), { once: true })
  }
  return listener
}

/** By port, the IP addresses that listeners of this process are bound to. */
const sockets = new Map<number, string>()

async function freePort(ip: string, wanted: number): Promise<number> {
  const socket = ip.includes(':') ? createSocket({ type: 'udp6', ipv6Only: true }) : createSocket('udp4')
  try {
    socket.bind(wanted, ip)
    await once(socket, 'listening')
    return socket.address().port
  } finally {
    await new Promise<void>(resolve => socket.close(resolve)).catch(() => {})
  }
}
