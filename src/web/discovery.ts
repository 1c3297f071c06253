/** Peers that announce themselves on topics: they are told of, and those that can be dialed are dialed. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { peerIdOf, relayPart, transportOf } from '../addr.ts'
import type { Said } from '../events.ts'
import { merge } from '../flow.ts'
import { createFoundDialer } from '../found.ts'
import type { Node } from '../node.ts'
import { createRoster } from '../roster.ts'
import { pubsubSource } from '../sources/pubsub.ts'
import type { Found } from '../sources/source.ts'
import { signalledUpgrade } from '../webrtc.ts'
import { DIALING, endSignalling } from './dialing.ts'
import { errorOf } from './failures.ts'

/** Of two peers that hear of each other the one with the smaller ID dials; the other one after so long, if it did not. */
const TURN_MS = 2000
/** Peers that are known, wait for their turn, or were met, whatever strangers announce. */
const MOST_KNOWN = 1000
const MOST_WAITING = 64

export interface Discovery {
  /** The network was away, or is another one: those that were met before may be dialed again. */
  forget(): void
}

/**
 * A peer that has been connected is not dialed again by itself: somebody has hung up, and means it. Circuits are not
 * dialed either: what comes of them is slow, small and short.
 */
export function openDiscovery(
  node: Node,
  topics: string[],
  say: (event: Said) => void,
  signal: AbortSignal
): Discovery {
  const met = new Set<string>()
  const waiting = new Set<string>()
  node.libp2p.addEventListener('connection:open', ({ detail: { remotePeer } }) => {
    met.delete(remotePeer.toString())
    met.add(remotePeer.toString())
    if (met.size > MOST_KNOWN) met.delete(met.values().next().value!)
  })
  const isMet = (peerId: string): boolean => met.has(peerId)
  const dialer = createFoundDialer(node, DIALING, { wanted: () => true, isMet }, signal)
  const found = (one: Found): void => {
    const { peerId } = one
    if (isMet(peerId) || waiting.has(peerId) || waiting.size >= MOST_WAITING) return
    const addrs = toDial(one.addrs)
    if (addrs.length === 0) return
    waiting.add(peerId)
    setTimeout(
      () => {
        waiting.delete(peerId)
        dialer.found({ ...one, addrs })
      },
      node.peerId < peerId ? 0 : TURN_MS
    )
  }
  const seen = createRoster([], () => {}, MOST_KNOWN)
  const search = { node, options: { ...DIALING, watch: true }, seen, signal, found }
  const tell = async (): Promise<void> => {
    for await (const event of merge([pubsubSource(topics).look(search), ...dialer.dialers])) {
      say(event)
      const upgrade = event.type === 'dial.attempt' ? signalledUpgrade(event) : null
      if (upgrade != null) say(upgrade)
      if (event.type === 'peer.identify') await endSignallingWith(node, event.peer_id)
    }
  }
  void tell().catch(error => signal.aborted || say(errorOf(error)))
  return { forget: () => met.clear() }
}

async function endSignallingWith(node: Node, peerId: string): Promise<void> {
  const direct = node.libp2p.getConnections().find(one => one.remotePeer.toString() === peerId && one.limits == null)
  if (direct != null) await endSignalling(node, { connection: direct })
}

/** What is direct in the end, once for each way: the other addresses of a relay lead to the same peer. */
function toDial(addrs: Multiaddr[]): Multiaddr[] {
  const relays = new Set<string>()
  const isDirect = (addr: Multiaddr): boolean => transportOf(addr) !== 'webrtc'
  const sorted = [...addrs.filter(isDirect), ...addrs.filter(addr => !isDirect(addr))]
  return sorted.filter(addr => {
    const kind = transportOf(addr)
    if (kind == null || !['ws', 'wss', 'webrtc-direct', 'webrtc'].includes(kind)) return false
    const relay = relayPart(addr)
    if (relay == null) return true
    const relayId = peerIdOf(relay) ?? ''
    return relays.size < relays.add(relayId).size
  })
}
