import { multiaddr } from '@multiformats/multiaddr'
import { circuitOf, relayPart, transportOf } from '../../addr.ts'

/**
 * - browsers: the way to the relay is one that browsers can dial, and the two then connect directly
 * - all: through the relay, for whoever speaks libp2p, browsers too
 * - nodes: the way to the relay is not for browsers
 */
export type AddrKind = 'browsers' | 'all' | 'nodes'

export interface AddrGroup {
  kind: AddrKind
  addrs: string[]
}

const fromBrowsers = ['ws', 'wss', 'webrtc-direct', 'webtransport']

/** Own addresses by what can dial them, those through the relay as it was named first; what nobody can dial is left out. */
export function groupsOf(addrs: string[], relay: string | null): AddrGroup[] {
  const kinds = new Map<AddrKind, string[]>([
    ['browsers', []],
    ['all', []],
    ['nodes', []]
  ])
  for (const addr of addrs) {
    const kind = kindOf(addr)
    if (kind != null) kinds.get(kind)!.push(addr)
  }
  const near = (addr: string): number => (relay != null && addr.startsWith(relay.replace(/\/$/, '')) ? 0 : 1)
  return [...kinds]
    .filter(([, own]) => own.length > 0)
    .map(([kind, own]) => ({ kind, addrs: own.toSorted((a, b) => near(a) - near(b)) }))
}

function kindOf(text: string): AddrKind | null {
  try {
    const addr = multiaddr(text)
    const relay = relayPart(circuitOf(addr) ?? addr)
    // /webrtc alone says that WebRTC is spoken, and not where
    if (relay == null) return null
    if (!fromBrowsers.includes(transportOf(relay) ?? '')) return 'nodes'
    return transportOf(addr) === 'webrtc' ? 'browsers' : 'all'
  } catch {
    return null
  }
}

/** What to give to somebody who asks for one. */
export function bestOf(groups: AddrGroup[]): string | null {
  return groups[0]?.addrs[0] ?? null
}
