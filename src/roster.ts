import type { Event, Said } from './events.ts'
import type { Identity } from './protocols/identify.ts'

export type Order = 'rtt' | 'peer' | 'agent'

/** Something new that is known of a peer. */
export interface Sight {
  /** Where it is known from. */
  source?: string
  /** Where it was met. */
  addr?: string
  identity?: Identity | null
  /** Whether the connection is still there. */
  connected?: boolean
  /** Null where nothing came back; undefined where nobody asked. */
  rttMs?: number | null | undefined
}

type Peer = Event<'peer.add'>

/** Who was seen, and where each is known from; says who joins, changes and leaves. */
export interface Roster {
  see(peerId: string, sight: Sight): Generator<Said>
  forget(peerId: string): Generator<Said>
  has(peerId: string | undefined): boolean
  /** Of all, or those that one source gave. */
  count(source?: string): number
  sorted(order: Order): Peer[]
}

/** Only peers that speak all the protocols count; `counted` hears how many there are each time one was seen. */
export function createRoster(protocols: string[], counted: (count: number) => void): Roster {
  const all = new Map<string, Peer>()
  const shown = new Map<string, Peer>()
  const met = new Map<string, string[]>()
  const given = new Map<string, Set<string>>()
  const fits = (peer: Peer): boolean => protocols.every(protocol => peer.protocols?.includes(protocol))
  return {
    *see(peerId, sight) {
      const known = all.get(peerId)
      // it has left while it was asked
      if (known == null && sight.source == null) return
      if (sight.addr != null) met.set(peerId, unique([...(met.get(peerId) ?? []), sight.addr]))
      const peer = merged(peerId, known, sight, met.get(peerId) ?? [])
      all.set(peerId, peer)
      const before = shown.get(peerId)
      if (fits(peer)) {
        shown.set(peerId, peer)
        for (const source of peer.sources) given.set(source, (given.get(source) ?? new Set()).add(peerId))
        if (before == null) yield peer
        else if (JSON.stringify(before) !== JSON.stringify(peer)) yield { ...peer, type: 'peer.change' }
      } else if (before != null) {
        shown.delete(peerId)
        yield { ...peer, type: 'peer.remove' }
      }
      counted(shown.size)
    },
    *forget(peerId) {
      all.delete(peerId)
      met.delete(peerId)
      const known = shown.get(peerId)
      if (known == null) return
      shown.delete(peerId)
      yield { ...known, type: 'peer.remove', connected: false }
    },
    has: peerId => peerId != null && all.has(peerId),
    count: source => (source == null ? shown.size : (given.get(source)?.size ?? 0)),
    sorted: order => [...shown.values()].sort(orders[order])
  }
}

function merged(peerId: string, known: Peer | undefined, sight: Sight, met: string[]): Peer {
  const { source, identity, connected = true, rttMs } = sight
  const rtt = rttMs === undefined ? known?.rtt_ms : rttMs
  // what it announced before is over once it announces something else
  const announced = identity?.listen_addrs ?? known?.addrs ?? []
  const speaks = identity?.protocols.toSorted() ?? known?.protocols
  return {
    type: 'peer.add',
    peer_id: peerId,
    addrs: unique([...met, ...announced]),
    sources: unique([...(known?.sources ?? []), ...(source == null ? [] : [source])]),
    connected,
    ...(rtt !== undefined && { rtt_ms: rtt }),
    agent_version: identity?.agent_version ?? known?.agent_version ?? null,
    ...(speaks !== undefined && { protocols: speaks })
  }
}

function unique(texts: string[]): string[] {
  return [...new Set(texts)]
}

const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0)
const byPeer = (a: Peer, b: Peer): number => byText(a.peer_id, b.peer_id)

/** What is not known comes last. */
const orders: Record<Order, (a: Peer, b: Peer) => number> = {
  peer: byPeer,
  rtt: (a, b) => (a.rtt_ms ?? Number.MAX_VALUE) - (b.rtt_ms ?? Number.MAX_VALUE) || byPeer(a, b),
  agent: (a, b) => {
    const [one, other] = [a.agent_version ?? null, b.agent_version ?? null]
    if (one === null || other === null) return Number(one === null) - Number(other === null) || byPeer(a, b)
    return byText(one, other) || byPeer(a, b)
  }
}
