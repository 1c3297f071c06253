/** WebRTC between two private peers: being dialable, what a dial shows of it, and what can go wrong. */
import { multiaddr } from '@multiformats/multiaddr'
import { circuitOf } from './addr.ts'
import type { Verdict } from './classify.ts'
import type { Event } from './events.ts'
import { listenable, type Node } from './node.ts'
import { assertPrivateListener } from './private-network.ts'
import { safe } from './safe.ts'
import type { Trace } from './trace.ts'

/** https://github.com/libp2p/specs/blob/master/webrtc/webrtc.md */
export const SIGNALLING = '/webrtc-signaling/0.0.1'

/** From now on peers may also come over WebRTC, through whatever relay there is a reservation on. */
export async function listenOverWebrtc(node: Node): Promise<void> {
  if (node.fingerprint != null) assertPrivateListener('/webrtc', 'webrtc')
  await node.use('circuit')
  await listenable('/webrtc', () => node.use('webrtc'))
  await node.components.transportManager.listen([multiaddr('/webrtc')])
}

/** What a dial over WebRTC was: a relayed connection first, and a direct one out of it. */
export function signalledUpgrade(event: Event<'dial.attempt'>): Event<'connection.upgrade'> | null {
  const { ok, addr, peer_id, target, phases } = event
  const { relay_ms, signal_ms, connect_ms, resolve_ms } = phases
  if (!ok || relay_ms == null || peer_id == null) return null
  return {
    type: 'connection.upgrade',
    target,
    peer_id,
    from_addr: circuitOf(multiaddr(addr))!.toString(),
    to_addr: addr,
    by: 'webrtc',
    relayed_ms: relay_ms + (resolve_ms ?? 0),
    direct_ms: (signal_ms ?? 0) + (connect_ms ?? 0)
  }
}

/** Names the failure of a dial over WebRTC that had its circuit to the peer. */
export function classifyWebrtc(error: unknown, trace: Trace, timedOut: boolean): Verdict {
  const name = error instanceof Error ? error.name : ''
  const text = error instanceof Error ? error.message : ''
  if (name === 'UnsupportedProtocolError') {
    return {
      code: 'protocol_not_supported',
      phase: 'protocol',
      says: `the peer does not take WebRTC (${SIGNALLING})`,
      hint: 'start it with: p2pctl listen --webrtc --circuit RELAY; or dial it without /webrtc'
    }
  }
  if (trace.signalledAt != null && (timedOut || /connection state became/.test(text))) {
    return {
      code: 'io_timeout',
      phase: 'connect',
      says: 'both peers agreed on WebRTC, and found no direct way to each other in time (ICE)',
      hint: 'between NATs each side needs --stun stun:HOST:PORT; where a NAT is symmetric or UDP is blocked the circuit remains: dial it without /webrtc'
    }
  }
  if (timedOut)
    return { code: 'io_timeout', phase: 'protocol', says: 'timed out, with no answer to the offer of WebRTC' }
  return {
    code: 'stream_reset',
    phase: 'protocol',
    says: `the peer broke off agreeing on WebRTC: ${safe(text, 120)}`
  }
}
