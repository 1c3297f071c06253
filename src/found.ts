/** Dials whom discovery names. Anybody may name anybody: so only a few at a time, and only so many in all. */
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { familyOf, isPrivate, peerIdOf, relayPart, withPeerId } from './addr.ts'
import { attempt, type DialOptions } from './connect.ts'
import type { Said } from './events.ts'
import { createQueue, pause } from './flow.ts'
import { tellIdentity } from './identified.ts'
import type { Node } from './node.ts'
import { identityEvent } from './protocols/identify.ts'
import { ipOf, leftOut } from './reach.ts'
import { dialable, type Found } from './sources/source.ts'

/** Those that are dialed at a time. */
const AT_ONCE = 4
/** From one peer to the next, for each of them: 8 a second in all. */
const PACE_MS = 500
/** Those that are kept at a time; whoever dials this side is not one of them. */
const MOST_KEPT = 32
/** Addresses of one peer that are tried. */
const MOST_ADDRS = 8
/** A peer that was tried is left alone for so long. */
const AGAIN_MS = 10_000
/** Peers of which that is remembered, and that wait for their turn. */
const MOST_TRIED = 1000
const MOST_WAITING = 256

export interface FoundDialer {
  found(found: Found): void
  /** Each gives what came of its dials, until the signal. */
  dialers: AsyncGenerator<Said>[]
}

interface Choice {
  wanted(protocol: string): boolean
  isMet(peerId: string): boolean
  atOnce?: number
}

/** Keeps those of the peers it hears of that `wanted` says of their protocols; `isMet` says who need not be dialed. */
export function createFoundDialer(
  node: Node,
  options: DialOptions,
  { wanted, isMet, atOnce = AT_ONCE }: Choice,
  signal: AbortSignal
): FoundDialer {
  const waiting = createQueue<Found>()
  const triedAt = new Map<string, number>()
  const kept = new Set<Connection>()
  const found = (one: Found): void => {
    const now = performance.now()
    const isDue = now >= (triedAt.get(one.peerId) ?? Number.NEGATIVE_INFINITY) + AGAIN_MS
    if (!isDue || waiting.size >= MOST_WAITING || one.peerId === node.peerId || isMet(one.peerId)) return
    triedAt.delete(one.peerId)
    triedAt.set(one.peerId, now)
    if (triedAt.size > MOST_TRIED) triedAt.delete(triedAt.keys().next().value!)
    void waiting.push(one)
  }
  const meet = async function* ({ peerId, addrs, toldBy }: Found): AsyncGenerator<Said> {
    for (const addr of toDial(node, addrs, toldBy, options)) {
      const target = { text: peerId, addr: withPeerId(addr, peerId), peerId }
      // another peer's address
      if (peerIdOf(target.addr) !== peerId) continue
      const how = { ...options, identified: true }
      const { event, connected } = await attempt(node, target, target.addr, null, how, signal)
      yield event
      if (connected == null) continue
      const { connection, identity } = connected
      if (identity?.protocols.some(wanted) !== true) {
        await connection.close({ signal }).catch(error => connection.abort(error))
        return
      }
      kept.add(connection)
      connection.addEventListener('close', () => kept.delete(connection))
      await tellIdentity(node, connection, identity)
      yield identityEvent(peerId, identity)
      return
    }
  }
  const dialing = async function* (): AsyncGenerator<Said> {
    try {
      for await (const one of waiting.items(signal)) {
        if (signal.aborted) return
        if (kept.size >= MOST_KEPT || isMet(one.peerId)) continue
        yield* meet(one)
        await pause(PACE_MS, signal)
      }
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }
  return { found, dialers: Array.from({ length: atOnce }, dialing) }
}

/** No name that a stranger tells, which may lead anywhere; but anything through a relay that is connected already. */
function toDial(node: Node, addrs: Multiaddr[], toldBy: Multiaddr | null, options: DialOptions): Multiaddr[] {
  const { ipv4, ipv6 } = options
  const isClose = toldBy == null || isPrivate(toldBy)
  const connected = new Set(node.libp2p.getConnections().map(({ remotePeer }) => remotePeer.toString()))
  const mayBeDialed = (addr: Multiaddr): boolean => {
    const relay = relayPart(addr)
    if (relay != null && connected.has(peerIdOf(relay) ?? '')) return true
    return (isClose || ipOf(addr) != null) && dialable([addr], toldBy, options).length > 0
  }
  return addrs
    .filter(addr => leftOut(addr, options) == null)
    .filter(addr => ipv4 === ipv6 || familyOf(addr) === (ipv4 === true ? 4 : 6))
    .filter(mayBeDialed)
    .slice(0, MOST_ADDRS)
}
