/** Peers that announce themselves on topics: they are told of, and those that can be dialed are dialed. */
import type { Connection } from '@libp2p/interface'
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
import { bestConnections, hangUp } from './connections.ts'
import { DIALING, endSignalling } from './dialing.ts'
import { errorOf } from './failures.ts'

/** Of two peers that hear of each other the one with the smaller ID dials; the other one after so long, if it did not. */
const TURN_MS = 5000
/** WebRTC is work for both sides: ten pages that open at once would keep each other from it. */
const AT_ONCE = 2
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
  const dialed = new Map<string, Connection>()
  /** Where both have dialed, since neither was fast, the connection stays that the smaller ID has dialed. */
  const endTwin = (peerId: string): void => {
    const own = dialed.get(peerId)
    if (own == null || node.peerId < peerId) return
    const twins = directTo(node, peerId).filter(({ direction }) => direction === 'inbound')
    if (twins.length === 0) return
    dialed.delete(peerId)
    void hangUp([own])
  }
  node.libp2p.addEventListener('connection:open', ({ detail }) => endTwin(detail.remotePeer.toString()))
  // not as soon as it is open: what does not get as far as identify is tried again
  node.libp2p.addEventListener('peer:identify', ({ detail: { peerId, connection } }) => {
    if (connection.limits != null) return
    met.delete(peerId.toString())
    met.add(peerId.toString())
    if (met.size > MOST_KNOWN) met.delete(met.values().next().value!)
  })
  node.libp2p.addEventListener('connection:close', ({ detail }) => {
    const peerId = detail.remotePeer.toString()
    if (dialed.get(peerId) === detail) dialed.delete(peerId)
  })
  // who is on a circuit is agreeing on WebRTC with us, or was dialed by a person
  const isMet = (peerId: string): boolean => met.has(peerId) || bestConnections(node).has(peerId)
  const dialer = createFoundDialer(node, DIALING, { wanted: () => true, isMet, atOnce: AT_ONCE }, signal)
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
      if (event.type !== 'peer.identify') continue
      const own = directTo(node, event.peer_id).findLast(({ direction }) => direction === 'outbound')
      if (own == null) continue
      dialed.set(event.peer_id, own)
      await endSignalling(node, { connection: own })
      endTwin(event.peer_id)
    }
  }
  void tell().catch(error => signal.aborted || say(errorOf(error)))
  return { forget: () => met.clear() }
}

function directTo(node: Node, peerId: string): Connection[] {
  return node.libp2p
    .getConnections()
    .filter(({ remotePeer, limits, status }) => status === 'open' && limits == null && remotePeer.toString() === peerId)
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
