import type { Event, Said } from './events.ts'
import type { Identity } from './protocols/identify.ts'

export type Order = 'rtt' | 'peer' | 'agent'

/** Something new that is known of a peer. */
export interface Sight {
  /** Where it is known from. */
  source?: string
  /** Where it was met. */
  addr?: string
  /** Where the source says that it is, in place of what it said before. */
  addrs?: string[]
  identity?: Identity | null
  /** Whether there is a connection to it; as before where it is not said. */
  connected?: boolean
  /** Null where nothing came back; undefined where nobody asked. */
  rttMs?: number | null | undefined
}

type Peer = Event<'peer.add'>

/** So many are known at a time, whatever strangers announce. */
const MOST = 50_000

/** Who was seen, and where each is known from; says who joins, changes and leaves. */
export interface Roster {
  see(peerId: string, sight: Sight): Generator<Said>
  /** Some sources know it no longer; it is gone when none is left. */
  lose(peerId: string, sources: string[], connected?: boolean): Generator<Said>
  has(peerId: string | undefined): boolean
  /** Of all, or those that one source gave. */
  count(source?: string): number
  sorted(order: Order): Peer[]
}

/** Only peers that speak all the protocols count; `counted` hears how many there are each time one was seen. */
export function createRoster(protocols: string[], counted: (count: number) => void, most = MOST): Roster {
  const all = new Map<string, Peer>()
  const shown = new Map<string, Peer>()
  const places = new Map<string, Map<string, string[]>>()
  const given = new Map<string, Set<string>>()
  const show = function* (peer: Peer): Generator<Said> {
    const before = shown.get(peer.peer_id)
    shown.set(peer.peer_id, peer)
    if (before == null) yield peer
    else if (JSON.stringify(before) !== JSON.stringify(peer)) yield { ...peer, type: 'peer.change' }
  }
  const place = (peerId: string, { source = '', addr, addrs }: Sight): void => {
    const known = places.get(peerId) ?? new Map<string, string[]>()
    const before = addrs ?? known.get(source) ?? []
    known.set(source, addr == null ? before : [...before, addr])
    places.set(peerId, known)
  }
  const fits = (peer: Peer): boolean => protocols.every(protocol => peer.protocols?.includes(protocol))
  return {
    *see(peerId, sight) {
      const known = all.get(peerId)
      // it has left while it was asked
      if (known == null && (sight.source == null || all.size >= most)) return
      place(peerId, sight)
      const peer = merged(peerId, known, sight, [...places.get(peerId)!.values()].flat())
      all.set(peerId, peer)
      if (fits(peer)) {
        for (const source of peer.sources) given.set(source, (given.get(source) ?? new Set()).add(peerId))
        yield* show(peer)
      } else if (shown.has(peerId)) {
        shown.delete(peerId)
        yield { ...peer, type: 'peer.remove' }
      }
      counted(shown.size)
    },
    *lose(peerId, sources, connected) {
      const known = all.get(peerId)
      if (known == null) return
      const left = known.sources.filter(source => !sources.includes(source))
      const peer = { ...known, sources: left, ...(connected != null && { connected }) }
      for (const source of sources) places.get(peerId)?.delete(source)
      if (left.length > 0) {
        all.set(peerId, peer)
        if (shown.has(peerId)) yield* show(peer)
        return
      }
      all.delete(peerId)
      places.delete(peerId)
      // the last that was known of it
      if (shown.delete(peerId)) yield { ...peer, sources: known.sources, type: 'peer.remove' }
    },
    has: peerId => peerId != null && all.has(peerId),
    count: source => (source == null ? shown.size : (given.get(source)?.size ?? 0)),
    sorted: order => [...shown.values()].sort(orders[order])
  }
}

function merged(peerId: string, known: Peer | undefined, sight: Sight, met: string[]): Peer {
  const { source, identity, connected = known?.connected ?? false, rttMs } = sight
  const rtt = rttMs === undefined ? known?.rtt_ms : rttMs
  // what it announced before is over once it announces something else
  const announced = identity?.listen_addrs ?? known?.addrs ?? []
  const speaks = identity?.protocols.toSorted() ?? known?.protocols
  return {
    type: 'peer.add',
    peer_id: peerId,
    addrs: unique([...met, ...announced].map(addr => withId(addr, peerId))),
    sources: unique([...(known?.sources ?? []), ...(source == null ? [] : [source])]),
    connected,
    ...(rtt !== undefined && { rtt_ms: rtt }),
    agent_version: identity?.agent_version ?? known?.agent_version ?? null,
    ...(speaks !== undefined && { protocols: speaks })
  }
}

/** So that the same address, met with and announced without the peer ID, is one, and can be pasted. */
function withId(addr: string, peerId: string): string {
  return addr.endsWith(`/p2p/${peerId}`) ? addr : `${addr}/p2p/${peerId}`
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
