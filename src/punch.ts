/** What both sides of a hole punch have in common: whom to dial, what to name, and dialing all at the same moment. */
import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { peerIdOf, relayPart, scopeOf, transportOf, withoutPeerId, withPeerId } from './addr.ts'
import { undialable } from './addr-facts.ts'
import { attempt } from './connect.ts'
import type { Event, FieldsOf } from './events.ts'
import { startLimit } from './limit.ts'
import type { Node } from './node.ts'
import type { OnMessage } from './protocols/dcutr.ts'
import { identify } from './protocols/identify.ts'
import { StreamError } from './protocols/stream.ts'
import { ipOf, whyNotFromHere } from './reach.ts'

export type Outcome = FieldsOf<'punch.result'>['outcome']
type Step = FieldsOf<'punch.step'>

export interface PunchOptions {
  /** Private addresses too, of both sides; else a stranger could have this machine dial into its own network. */
  punchPrivate?: boolean | undefined
}

/** How long one dial may take, as with go and js. */
export const DIAL_MS = 5000
/** The direct connection and the end of the relayed one come by different ways, and may overtake each other. */
export const GRACE_MS = 1000
export const GONE = 'the relayed connection was closed'
/** Of one peer at the same time. */
const MAX_DIALED = 8

/** Says the steps of one hole punch, each with its time. */
export interface Steps {
  peerId: string
  /** When the relayed connection was there. */
  startedAt: number
  attempts: number
  /** The other side has been told when or where to dial: what comes from then on is the work of the protocol. */
  underway: boolean
  say(event: Event<'punch.step'>): void
}

export function tell({ peerId, startedAt, attempts, say }: Steps, step: Step['step'], rest: Partial<Step> = {}): void {
  const ms = performance.now() - startedAt
  say({ type: 'punch.step', peer_id: peerId, attempt: attempts, step, ms, ...rest })
}

/** The messages of the protocol as steps; with the one that is named the other side can begin to dial. */
export function tellMessage(steps: Steps, begins: 'connect_sent' | 'sync_sent'): OnMessage {
  return (step, { addrs, rttMs }) => {
    if (step === begins) steps.underway = true
    tell(steps, step, {
      ...(addrs != null && { addrs: addrs.map(String) }),
      ...(rttMs != null && { rtt_ms: rttMs })
    })
  }
}

/**
 * Those of the addresses that a peer names which may be dialed: IP addresses, since a name could lead anywhere,
 * on the Internet, with a transport of this build. Each is to be answered by that peer.
 */
export function dialable(addrs: Multiaddr[], peerId: string, { punchPrivate }: PunchOptions): Multiaddr[] {
  const may = addrs.filter(addr => {
    const isOwn = peerIdOf(addr) ?? peerId
    if (isOwn !== peerId || ipOf(addr) == null || relayPart(addr) != null) return false
    if (scopeOf(addr) !== 'public' && punchPrivate !== true) return false
    return undialable(addr) == null && whyNotFromHere(addr, { announcedOver: null }) == null
  })
  const texts = new Set(may.map(addr => withPeerId(addr, peerId).toString()))
  return [...texts].slice(0, MAX_DIALED).map(text => multiaddr(text))
}

/** Addresses that came as text. */
export function parsed(texts: string[]): Multiaddr[] {
  return texts.map(text => multiaddr(text))
}

/**
 * Where this node says that it may be dialed: what it announces, or the addresses that it listens on and, as a guess,
 * their ports on the address that the relay sees it at, which is right where the router forwards them.
 */
export async function ownAddrs(
  node: Node,
  relayed: Connection,
  steps: Steps,
  { punchPrivate }: PunchOptions,
  signal: AbortSignal
): Promise<Multiaddr[]> {
  const { addressManager, transportManager } = node.components
  const announced = addressManager.getAnnounceAddrs()
  const listened = transportManager.getAddrs().filter(addr => relayPart(addr) == null && transportOf(addr) === 'tcp')
  const observed = await seenByRelay(node, relayed, signal)
  const guessed = observed == null ? [] : listened.flatMap(addr => onHost(addr, observed))
  const all = announced.length > 0 ? announced : [...listened, ...guessed]
  const named = all.filter(addr => scopeOf(addr) === 'public' || punchPrivate === true)
  const texts = new Set(named.map(addr => withoutPeerId(addr).toString()))
  tell(steps, 'observed', { addrs: observed == null ? [] : [withoutPeerId(observed).toString()] })
  return parsed([...texts])
}

async function seenByRelay(node: Node, relayed: Connection, signal: AbortSignal): Promise<Multiaddr | null> {
  const relay = relayPart(relayed.remoteAddr)
  const relayPeer = relay == null ? undefined : peerIdOf(relay)
  const connection = node.libp2p
    .getConnections()
    .find(({ remotePeer, remoteAddr }) => remotePeer.toString() === relayPeer && relayPart(remoteAddr) == null)
  if (connection == null) return null
  using limit = startLimit(DIAL_MS, signal)
  const identity = await identify(connection, limit.signal).catch(() => null)
  return identity?.observed_addr == null ? null : multiaddr(identity.observed_addr)
}

/** The address with the IP address of another one, if both are of one family. */
function onHost(addr: Multiaddr, host: Multiaddr): Multiaddr[] {
  const [theirs] = host.getComponents()
  const [first, ...rest] = addr.getComponents()
  if (first == null || theirs == null || first.name !== theirs.name || !first.name.startsWith('ip')) return []
  return [multiaddr([theirs, ...rest])]
}

type Missed = NonNullable<Event<'dial.attempt'>['error']>

/** Dials all addresses at the same moment and tells of each; the first that answers ends the others. */
export async function dialAll(
  node: Node,
  steps: Steps,
  addrs: Multiaddr[],
  timeoutMs: number,
  runSignal: AbortSignal
): Promise<Connection | Missed[]> {
  const done = new AbortController()
  const signal = AbortSignal.any([runSignal, done.signal])
  const missed: Missed[] = []
  // the next attempt may begin before these dials are over
  const begun = { ...steps }
  let first: Connection | undefined
  const target = { text: steps.peerId, peerId: steps.peerId }
  const options = { timeout: Math.min(timeoutMs, DIAL_MS), identified: false }
  await Promise.allSettled(
    addrs.map(async addr => {
      const { event, connected } = await attempt(node, { ...target, addr }, addr, null, options, signal)
      const connection = connected?.connection
      // the time is over for all the others as well
      if (signal.aborted && connection != null) return connection.abort(new Error('another one was first'))
      tell(begun, 'dial', { addrs: [addr.toString()], ok: event.ok, error: event.error?.message ?? null })
      if (event.error != null) missed.push(event.error)
      if (connection == null) return
      first = connection
      done.abort()
    })
  )
  return first ?? missed
}

/** What nothing but failed dials amounts to. */
export function outcomeOf(missed: Missed[]): { outcome: Outcome; error: string } {
  if (missed.length === 0) return { outcome: 'failed', error: 'the peer named no address that may be dialed' }
  const [other] = missed.filter(({ code }) => code !== 'io_timeout')
  return other == null
    ? { outcome: 'timeout', error: 'every dial timed out' }
    : { outcome: 'failed', error: other.message }
}

/** What a broken exchange amounts to. */
export function outcomeOfExchange(error: unknown): { outcome: Outcome; error: string } {
  const isLate = error instanceof StreamError ? error.reason === 'idle' : (error as Error)?.name === 'TimeoutError'
  if (isLate) return { outcome: 'timeout', error: 'no answer in time on the stream' }
  return { outcome: 'protocol_error', error: error instanceof Error ? error.message : String(error) }
}

export function isRelayed(connection: Connection): boolean {
  return relayPart(connection.remoteAddr) != null
}

/** A relayed and the direct connection that followed it. */
export function upgradeEvent(
  from: Connection,
  to: Connection,
  relayedMs: number | null,
  directMs: number
): Event<'connection.upgrade'> {
  return {
    type: 'connection.upgrade',
    peer_id: from.remotePeer.toString(),
    from_addr: from.remoteAddr.toString(),
    to_addr: to.remoteAddr.toString(),
    by: 'dcutr',
    relayed_ms: relayedMs,
    direct_ms: directMs
  }
}
