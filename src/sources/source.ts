import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { attempt, type DialOptions } from '../connect.ts'
import type { Said } from '../events.ts'
import { createQueue, merge } from '../flow.ts'
import { tellIdentity } from '../identified.ts'
import { timeLimit } from '../limit.ts'
import type { Node, Service } from '../node.ts'
import { type Identity, identify } from '../protocols/identify.ts'
import { roundTrip } from '../protocols/ping.ts'
import { type Wanted, whyNotFromHere } from '../reach.ts'
import type { Order, Roster } from '../roster.ts'

export interface LookOptions extends DialOptions {
  watch?: boolean
  /** Only peers that speak all of these. */
  protocol?: string[]
  /** Measure the round trip to each peer. */
  dial?: boolean
  /** Tell them at the end, in this order. */
  sort?: Order
}

/** What a source of peers has to work with. */
export interface Search {
  node: Node
  options: LookOptions
  seen: Roster
  signal: AbortSignal
  /** Hears of a peer each time that a source names it: for who wants to be connected, and not to know them all. */
  found?: (found: Found) => void
  /** So many peers a source may go to by itself. */
  most?: number
}

export interface Source {
  name: string
  /** How long it takes until it may have given all, in ms; 10 s unless told. */
  lookMs?: number
  /** What the node needs for it. */
  services?: () => Promise<Record<string, Service>>
  look(search: Search): AsyncGenerator<Said>
  /** What was done, in a phrase that helps where nothing came of it. */
  report?: () => string
}

/** A peer that a source names, which nobody has dialed yet. */
export interface Found {
  peerId: string
  addrs: Multiaddr[]
  /** Where the one that told of it is; null where it may be dialed wherever it is. */
  toldBy: Multiaddr | null
}

/** How many found peers are dialed at a time. */
const DIALS = 8

/** A peer that a source gave, and that there is a connection to. */
export async function* met(
  source: string,
  connection: Connection,
  addr: string,
  identity: Identity | null,
  { options, seen, signal }: Search
): AsyncGenerator<Said> {
  const rttMs = isTimed(options) ? await roundTrip(connection, options.timeout, signal) : undefined
  const connected = connection.status === 'open'
  // with --watch it has left already
  if (options.watch === true && !connected) return
  yield* seen.see(connection.remotePeer.toString(), { source, addr, identity, connected, rttMs })
}

/**
 * Runs a source that names peers: each is told as it is named, or, where more is asked for than its addresses, dialed
 * first.
 */
export async function* withDials(
  source: string,
  search: Search,
  naming: (name: (found: Found) => Generator<Said>) => AsyncGenerator<Said>
): AsyncGenerator<Said> {
  const { options, seen } = search
  const dialed = isTimed(options) || options.protocol != null
  const over = new AbortController()
  const waiting = createQueue<Found>()
  const coming = new Set<string>()
  const name = function* (found: Found): Generator<Said> {
    const { peerId, addrs } = found
    search.found?.(found)
    if (!dialed || seen.has(peerId)) yield* seen.see(peerId, { source, addrs: addrs.map(String) })
    else if (!coming.has(peerId)) {
      coming.add(peerId)
      void waiting.push(found)
    }
  }
  const namingAll = async function* (): AsyncGenerator<Said> {
    try {
      yield* naming(name)
    } finally {
      over.abort()
    }
  }
  const dialing = async function* (): AsyncGenerator<Said> {
    for await (const found of waiting.items(over.signal)) {
      const { peerId, addrs } = found
      yield* seen.see(peerId, { source, addrs: addrs.map(String), ...(await dialFound(found, search)) })
      coming.delete(peerId)
    }
  }
  yield* merge([namingAll(), ...Array.from({ length: dialed ? DIALS : 0 }, dialing)])
}

/** What a dial of the addresses of a peer tells of it. */
async function dialFound({ peerId, addrs, toldBy }: Found, { node, options, signal }: Search) {
  const timed = isTimed(options)
  const target = { text: peerId, addr: addrs[0]!, peerId }
  try {
    for (const addr of dialable(addrs, toldBy, options)) {
      const { connected } = await attempt(node, target, addr, null, { ...options, identified: true }, signal)
      if (connected == null) continue
      const { connection, identity } = connected
      const rttMs = timed ? await roundTrip(connection, options.timeout, signal) : undefined
      return { identity, connected: connection.status === 'open', rttMs }
    }
  } catch (error) {
    // not come to in time: it was seen all the same
    if (!signal.aborted) throw error
    return {}
  }
  return timed ? { rttMs: null } : {}
}

/** Of the addresses that somebody tells of a peer, those that may be dialed. */
export function dialable(
  addrs: Multiaddr[],
  announcedOver: Multiaddr | null,
  { allowPrivate }: Wanted = {}
): Multiaddr[] {
  return addrs.filter(addr => whyNotFromHere(addr, { announcedOver, allowPrivate }) == null)
}

export async function ask(connection: Connection, { node, options, signal }: Search): Promise<Identity | null> {
  const late = timeLimit(options.timeout)
  const identity = await identify(connection, AbortSignal.any([signal, late])).catch(() => null)
  if (identity != null) await tellIdentity(node, connection, identity)
  return identity
}

/** The order of --sort rtt is nothing without it. */
function isTimed({ dial, sort }: LookOptions): boolean {
  return dial === true || sort === 'rtt'
}
