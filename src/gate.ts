/** Who is let in, and how much and how long without showing who it is: the limits before a peer is known, and on connections. */
import type { Limits } from './limits.ts'
import { memoryInUse } from './memory.ts'
import { isLoopback, originOf } from './origins.ts'
import { createPenalties } from './penalties.ts'
import { createRefusals, type Reason, type Refused } from './refusals.ts'

/** One connection, from its first byte on. */
export interface Guest {
  readonly inbound: boolean
  /** The host that it counts for; null where it is spared, or comes through a relay. */
  readonly origin: string | null
  readonly addr: string
  /** The transport has handed it over to be upgraded. */
  claimed: boolean
  /** Both sides have agreed on a security protocol. */
  agreed: boolean
  /** The peer has shown who it is. */
  proven: boolean
  /** It has ended, even if what it was upgraded for comes later. */
  gone: boolean
  /** Its bytes are counted where they come from, and this is how many there were before that. */
  counted: boolean
  received: number
  peerId?: string
  /** Ends it at once. */
  cut: () => void
  /** Reads on. */
  release: () => void
  /** Until it has to be upgraded. */
  timer?: NodeJS.Timeout
  /** Until it has to be proven, where more came than may. */
  proof?: NodeJS.Timeout
}

export interface GateOptions {
  /** False while nobody else is to be let in, whatever the limits. */
  mayConnect?: (() => boolean) | undefined
  onRefused?: ((event: Refused) => void) | undefined
  /** What this process uses, in bytes. */
  memory?: () => number
}

export interface Gate extends Disposable {
  /**
   * Null where it is refused, and nobody is let in once the gate is disposed of; `ip` is null over a socket file and
   * undefined through a relay. With `mayWait` it may be one that has to wait for its turn.
   */
  arrive(addr: string, ip: string | null | undefined, mayWait?: boolean): Guest | null
  /** Upgrades it now, or when it is its turn. */
  begin(guest: Guest, upgrade: () => void): void
  /** One that this side dials. */
  dial(addr: string): Guest
  /** `no` where that was too much: what came is for nobody. With `hold` nothing more is to be read for a while. */
  takes(guest: Guest, bytes: number): 'yes' | 'hold' | 'no'
  proved(guest: Guest): void
  /** It is upgraded: the limit that refuses it all the same, or null. */
  opens(guest: Guest, peerId: string): Reason | null
  leave(guest: Guest): void
  /** What this process uses, in bytes. */
  memory(): number
  refused(reason: Reason, guest: Pick<Guest, 'origin' | 'addr'>): void
}

/**
 * How long what came too early may wait: a peer may send data right behind the last word of its handshake, and that word
 * takes a moment to check. Nothing more is read of it meanwhile.
 */
const PROOF_MS = 1000

/** For each place of a host, how many of it may wait: whoever dials all addresses of a node comes with ten at once. */
const LINE = 4

export function createGate(limits: Limits, options: GateOptions): Gate {
  const { mayConnect = () => true, onRefused = () => {}, memory = memoryInUse(limits['memory-refuse']) } = options
  const pending = new Set<Guest>()
  const open = new Set<Guest>()
  /** Unread, in the order that they came. */
  const waiting = new Map<Guest, () => void>()
  const penalties = createPenalties(limits)
  const refusals = createRefusals(onRefused)
  let closed = false

  const refused: Gate['refused'] = (reason, { origin, addr }) => refusals.add(reason, origin, addr)
  const end = (guest: Guest, reason: Reason): void => {
    refused(reason, guest)
    leave(guest)
    guest.cut()
  }
  const forget = (guest: Guest): void => {
    clearTimeout(guest.timer)
    clearTimeout(guest.proof)
    pending.delete(guest)
    open.delete(guest)
    waiting.delete(guest)
    if (guest.origin != null) callNext(guest.origin)
  }
  const callNext = (origin: string): void => {
    for (const [guest, upgrade] of waiting) {
      if (guest.origin !== origin || countOf(pending, origin) >= limits['pending-per-ip']) continue
      waiting.delete(guest)
      pending.add(guest)
      upgrade()
    }
  }
  const mayJoin = (origin: string | null): boolean =>
    origin != null &&
    pending.size + waiting.size < limits.pending &&
    countOf(waiting.keys(), origin) < LINE * limits['pending-per-ip']
  const leave = (guest: Guest): void => {
    guest.gone = true
    forget(guest)
  }
  const originFor = (ip: string | null | undefined): string | null => {
    if (ip === undefined) return null
    const isHere = ip == null || isLoopback(ip)
    if (isHere && limits['exempt-loopback'] === 1) return null
    return ip == null ? 'unix' : originOf(ip)
  }
  const whyNot = (origin: string | null): Reason | null => {
    if (!mayConnect()) return 'events-waiting'
    if (memory() > limits['memory-refuse']) return 'memory-refuse'
    if (open.size >= limits.connections) return 'connections'
    if (origin != null) {
      const why = penalties.refuses(origin)
      if (why != null) return why
      if (countOf(open, origin) >= limits['connections-per-ip']) return 'connections-per-ip'
      if (countOf(pending, origin) >= limits['pending-per-ip']) return 'pending-per-ip'
    }
    return pending.size >= limits.pending ? 'pending' : null
  }
  return {
    arrive(addr, ip, mayWait = false) {
      if (closed) return null
      const origin = originFor(ip)
      const why = whyNot(origin)
      const waits = why === 'pending-per-ip' && mayWait && mayJoin(origin)
      if (why != null && !waits) {
        refused(why, { origin, addr })
        return null
      }
      // whoever waits for others of its host takes no place from another one
      const last = pending.size + waiting.size >= limits.pending ? [...waiting.keys()].at(-1) : undefined
      if (last != null) end(last, 'pending-per-ip')
      const guest = newGuest(true, origin, addr)
      // from its first moment on: nobody holds a socket for longer by waiting
      guest.timer = setTimeout(end, limits['upgrade-timeout'], guest, 'upgrade-timeout')
      if (waits) waiting.set(guest, () => {})
      else pending.add(guest)
      return guest
    },
    begin(guest, upgrade) {
      if (waiting.has(guest)) waiting.set(guest, upgrade)
      else upgrade()
    },
    dial: addr => newGuest(false, null, addr),
    takes(guest, bytes) {
      if (guest.proven) return 'yes'
      guest.received += bytes
      if (guest.received <= limits['bytes-before-auth']) return 'yes'
      if (!guest.agreed) {
        end(guest, 'bytes-before-auth')
        return 'no'
      }
      guest.proof ??= setTimeout(end, PROOF_MS, guest, 'bytes-before-auth')
      return 'hold'
    },
    proved(guest) {
      guest.proven = true
      if (guest.proof == null) return
      clearTimeout(guest.proof)
      guest.release()
    },
    opens(guest, peerId) {
      const why = guest.inbound ? whyNotOpen(limits, open, guest, peerId) : null
      forget(guest)
      if (why != null) {
        refused(why, { ...guest, addr: why === 'connections-per-peer' ? `${guest.addr}/p2p/${peerId}` : guest.addr })
        return why
      }
      guest.peerId = peerId
      if (!guest.gone) open.add(guest)
      return null
    },
    leave,
    memory,
    refused,
    [Symbol.dispose]() {
      closed = true
      for (const guest of [...waiting.keys(), ...pending]) {
        leave(guest)
        guest.cut()
      }
      refusals[Symbol.dispose]()
    }
  }
}

/** Asked again: those that were upgraded at the same time have come in meanwhile. */
function whyNotOpen(limits: Limits, open: Set<Guest>, { origin }: Guest, peerId: string): Reason | null {
  if (open.size >= limits.connections) return 'connections'
  if (origin != null && countOf(open, origin) >= limits['connections-per-ip']) return 'connections-per-ip'
  const ofPeer = [...open].filter(guest => guest.peerId === peerId).length
  return ofPeer >= limits['connections-per-peer'] ? 'connections-per-peer' : null
}

function countOf(guests: Iterable<Guest>, origin: string): number {
  let count = 0
  for (const guest of guests) if (guest.origin === origin) count++
  return count
}

function newGuest(inbound: boolean, origin: string | null, addr: string): Guest {
  const none = (): void => {}
  const state = { claimed: false, agreed: false, proven: false, gone: false, counted: false, received: 0 }
  return { inbound, origin, addr, ...state, cut: none, release: none }
}
