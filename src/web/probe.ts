/** The page behind `p2pctl dial --from-browser`: the attempt of `dial --each`, made where the rules of a browser hold. */
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { transportOf } from '../addr.ts'
import type { Probed, ProbeOptions } from '../browser/probed.ts'
import { attempt } from '../connect.ts'
import { codes } from '../errors.ts'
import { openNode } from '../node.ts'

/** What became of the WebRTC connection of this page: it makes one at most. */
const webrtc = { connectedAt: 0, refuted: Promise.withResolvers<void>() }

// libp2p does not tell when it stands, and waits on for one that has failed (@libp2p/webrtc 6.0)
const setRemoteDescription: (description: RTCSessionDescriptionInit) => Promise<void> =
  RTCPeerConnection.prototype.setRemoteDescription
RTCPeerConnection.prototype.setRemoteDescription = function (
  this: RTCPeerConnection,
  description: RTCSessionDescriptionInit
) {
  this.addEventListener('connectionstatechange', () => {
    if (this.connectionState === 'connected') webrtc.connectedAt = performance.now()
    // there is a way to the peer, and its certificate is not the one whose hash we have
    if (this.connectionState === 'failed' && this.iceConnectionState === 'connected') webrtc.refuted.resolve()
  })
  return setRemoteDescription.call(this, description)
}

/** Dials one address from a peer of its own, and says what came of it. */
async function probe(options: ProbeOptions): Promise<Probed> {
  const { target, resolveMs, timeout, stun } = options
  const addr = multiaddr(options.addr)
  await using node = await openNode({ security: ['noise'], muxer: ['yamux'], stun })
  const startedAt = performance.now()
  const dialing = { timeout, stun, identified: true }
  const { signal } = new AbortController()
  const dialed = attempt(node, { text: target, addr, peerId: null }, addr, resolveMs, dialing, signal)
  const refuted = webrtc.refuted.promise.then(() => certhashDiffers(options, addr, performance.now() - startedAt))
  const answer = await Promise.race([dialed, transportOf(addr) === 'webrtc-direct' ? refuted : dialed])
  if (!('connected' in answer)) return answer
  const { event, connected, failure } = answer
  if (event.transport === 'webrtc-direct' && event.phases.connect_ms == null && webrtc.connectedAt > 0) {
    event.phases.connect_ms = webrtc.connectedAt - startedAt
  }
  return {
    event,
    peerId: connected?.peerId ?? null,
    identity: connected?.identity ?? null,
    hint: failure?.hint,
    expected: failure?.expected,
    actual: failure?.actual
  }
}

function certhashDiffers({ target, resolveMs }: ProbeOptions, addr: Multiaddr, ms: number): Probed {
  const code = 'certhash_mismatch'
  const phases = { resolve_ms: resolveMs, connect_ms: null, security_ms: null, muxer_ms: null, identify_ms: null }
  return {
    event: {
      type: 'dial.attempt',
      target,
      addr: addr.toString(),
      transport: 'webrtc-direct',
      ok: false,
      phases,
      total_ms: ms + (resolveMs ?? 0),
      security: null,
      muxer: null,
      limited: false,
      error: { code, phase: 'security', message: codes[code].says }
    },
    peerId: null,
    identity: null,
    expected: addr.getComponents().findLast(({ name }) => name === 'certhash')?.value
  }
}

Object.assign(globalThis, { probe })
