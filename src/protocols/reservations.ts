import { BlockList, isIPv6 } from 'node:net'
import { CODE_P2P, CODE_P2P_CIRCUIT } from '@multiformats/multiaddr'
import type { PeerId } from '@libp2p/interface'
import type { AddressManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Event } from '../events.ts'
import { isHere } from '../reach.ts'

export type ReservationEvent = Event<
  'reservation.open' | 'reservation.refresh' | 'reservation.close' | 'reservation.refused'
>

/** Why a reservation ended. */
export type ReservationEnd = 'expired' | 'disconnected' | 'stopped'

export interface ReservationRules {
  max: number
  /** At most 2^31 - 1, as for any timer. */
  ttlMs: number
  /** From one IPv4 address or IPv6 /56. */
  maxPerIp: number
  /** False counts this machine itself like any other. */
  exemptLoopback?: boolean | undefined
  report: (event: ReservationEvent) => void
}

export interface Reservations {
  readonly size: number
  has(peer: PeerId): boolean
  /** Whether there is room; a peer that has a slot keeps it. */
  admits(peer: PeerId, addr: Multiaddr): boolean
  /** When a reservation that is made now ends: Unix time in seconds. */
  expiry(): number
  put(peer: PeerId, addr: Multiaddr, expire: number): void
  drop(peer: PeerId, end: ReservationEnd): void
  clear(end: ReservationEnd): void
}

interface Slot {
  peerId: string
  addr: Multiaddr
  expires: string
  timer: NodeJS.Timeout
}

/** Who may be reached through this relay, and until when. */
export function reservations(rules: ReservationRules): Reservations {
  const slots = new Map<string, Slot>()

  const close = (slot: Slot, end: ReservationEnd): void => {
    clearTimeout(slot.timer)
    slots.delete(slot.peerId)
    const { peerId, addr, expires } = slot
    rules.report({ type: 'reservation.close', peer_id: peerId, expires, addr: addr.toString(), status: end })
  }

  return {
    get size() {
      return slots.size
    },
    has: peer => slots.has(peer.toString()),
    admits(peer, addr) {
      const peerId = peer.toString()
      const own = slots.get(peerId)
      if (own == null && slots.size >= rules.max) return false
      if (rules.exemptLoopback !== false && isHere(addr)) return true
      const others = [...slots.values()].filter(slot => slot !== own && sameHost(slot.addr, addr))
      return others.length < rules.maxPerIp
    },
    // rounded up to what the wire can say, and kept for as long as it says
    expiry: () => Math.ceil((Date.now() + rules.ttlMs) / 1000),
    put(peer, addr, expire) {
      const peerId = peer.toString()
      const old = slots.get(peerId)
      clearTimeout(old?.timer)
      const timer = setTimeout(() => close(slot, 'expired'), Math.min(expire * 1000 - Date.now(), MAX_TIMER_MS))
      const slot: Slot = { peerId, addr, expires: new Date(expire * 1000).toISOString(), timer }
      slots.set(peerId, slot)
      const type = old == null ? 'reservation.open' : 'reservation.refresh'
      rules.report({ type, peer_id: peerId, expires: slot.expires, addr: addr.toString(), status: 'OK' })
    },
    drop(peer, end) {
      const slot = slots.get(peer.toString())
      if (slot != null) close(slot, end)
    },
    clear(end) {
      for (const slot of [...slots.values()]) close(slot, end)
    }
  }
}

/** Room for about a dozen addresses: the whole reply must stay below the 4 KiB that clients read. */
const MAX_ADDRS_BYTES = 3072

/** The addresses of the relay that its clients announce, each with its peer ID. */
export function ownAddrs(addressManager: AddressManager, peerId: PeerId): Uint8Array[] {
  const addrs: Uint8Array[] = []
  let bytes = 0
  for (const { multiaddr, verified, type } of addressManager.getAddressesWithMetadata()) {
    // libp2p 3.3 takes no public address for verified that an AutoNAT server has not seen: it is announced all the same
    if (!verified && type !== 'transport') continue
    const codes = multiaddr.getComponents().map(({ code }) => code)
    if (codes.includes(CODE_P2P_CIRCUIT)) continue
    const addr = codes.includes(CODE_P2P) ? multiaddr : multiaddr.encapsulate(`/p2p/${peerId}`)
    bytes += addr.bytes.byteLength
    if (bytes > MAX_ADDRS_BYTES) break
    addrs.push(addr.bytes)
  }
  return addrs
}

/** Node fires a longer timer at once. */
export const MAX_TIMER_MS = 2 ** 31 - 1

/** Whether two addresses come from one IPv4 address or one IPv6 /56, which one customer of a provider holds whole. */
export function sameHost(one: Multiaddr, other: Multiaddr): boolean {
  const [a, b] = [ipOf(one), ipOf(other)]
  if (a == null || b == null) return false
  const host = new BlockList()
  if (isIPv6(a)) host.addSubnet(a, 56, 'ipv6')
  else host.addAddress(a, 'ipv4')
  return host.check(b, family(b))
}

/** The IP address that a peer comes from, an IPv4 one as such however it is written. */
export function ipOf(addr: Multiaddr): string | undefined {
  const first = addr.getComponents()[0]
  const ip = first?.name === 'ip4' || first?.name === 'ip6' ? first.value : undefined
  // an IPv4 peer of a socket that listens on both families, whose address multiaddr 13 writes as ::ffff:cb00:7107
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(ip ?? '') ?? []
  if (high == null) return ip?.replace(/^::ffff:(?=\d+\.)/, '')
  const words = [high, low!].map(word => Number.parseInt(word, 16))
  return words.flatMap(word => [word >> 8, word & 255]).join('.')
}

function family(ip: string): 'ipv4' | 'ipv6' {
  return isIPv6(ip) ? 'ipv6' : 'ipv4'
}
