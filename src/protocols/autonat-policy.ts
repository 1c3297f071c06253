import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { peerIdOf, scopeOf, transportOf } from '../addr.ts'
import { isLoopback } from '../origins.ts'
import { ipOf, isHere, whyNotFromHere } from '../reach.ts'
import { sameHost } from './reservations.ts'

/** What an AutoNAT server dials for a stranger, and how often. */

/** An address that will be dialed; a host other than the one that asks is dialed for a price only. */
export interface Choice {
  index: number
  addr: Multiaddr
  sameHost: boolean
}

export interface PolicyOptions {
  /** Dial loopback for a peer that comes over loopback: for a lab on one machine, with no proxy in front. */
  loopback?: boolean | undefined
}

/** go-libp2p looks at as many. */
const MAX_ADDRS = 50

const never = new BlockList()
for (const [net, bits, family] of [
  ['0.0.0.0', 8, 'ipv4'],
  ['224.0.0.0', 3, 'ipv4'],
  ['::', 128, 'ipv6'],
  ['ff00::', 8, 'ipv6'],
  // they carry an IPv4 address, which a gateway might take us to
  ['64:ff9b::', 96, 'ipv6'],
  ['2002::', 16, 'ipv6']
] as const) {
  never.addSubnet(net, bits, family)
}

/**
 * The first of the addresses that we are willing to dial for a peer that is seen at `from`; null is none.
 *
 * A public address will do, its own or another, since another has its price (the specification's amplification attack
 * prevention). A private one has to be the very host that asks, so that nobody can have the machines around us knocked
 * at; so has an address of our own. Loopback stays shut: behind a reverse proxy everybody seems to come from there.
 * Names are not looked up, since they could mean another host by the time of the dial, and no path is asked of a web
 * server.
 */
export function choose(addrs: Uint8Array[], from: Multiaddr, peerId: string, options: PolicyOptions): Choice | null {
  const host = ipOf(from)
  if (host == null) return null
  for (const [index, bytes] of addrs.slice(0, MAX_ADDRS).entries()) {
    const addr = addrIn(bytes)
    if (addr != null && isWilling(addr, host, peerId, options)) return { index, addr, sameHost: ipOf(addr) === host }
  }
  return null
}

function isWilling(addr: Multiaddr, host: string, peerId: string, { loopback = false }: PolicyOptions): boolean {
  const ip = ipOf(addr)
  const names = addr.getComponents().map(({ name }) => name)
  if (ip == null || !names[0]!.startsWith('ip') || names.some(name => unwanted.has(name))) return false
  if ((peerIdOf(addr) ?? peerId) !== peerId) return false
  if (!dialed.has(transportOf(addr) ?? '') || whyNotFromHere(addr, { announcedOver: null }) != null) return false
  if (never.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4')) return false
  if (isLoopback(ip)) return loopback && ip === host
  return ip === host || (scopeOf(addr) === 'public' && !isOwn(ip))
}

const unwanted = new Set(['ip6zone', 'http-path', 'p2p-circuit'])
const dialed = new Set(['tcp', 'ws', 'wss', 'quic-v1', 'webrtc-direct'])

function isOwn(ip: string): boolean {
  return Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === ip))
}

function addrIn(bytes: Uint8Array): Multiaddr | null {
  try {
    const addr = multiaddr(bytes)
    // as in identify: a part with a slash in it, which multiaddr 13 lets through, reads as another address
    return multiaddr(addr.toString()).equals(addr) ? addr : null
  } catch {
    return null
  }
}

/** In a minute: of all, of one peer, of one host, and of those that cost data. Those of go-libp2p, but for the host's. */
const PER_MINUTE = { all: 60, peer: 12, host: 24, paid: 12 }
const MINUTE_MS = 60_000

export interface Meter {
  /** Whether the request may go on; then `done` is to be called at its end. One at a time for each peer. */
  begin(peerId: string, from: Multiaddr): { done: () => void } | null
  /** Whether one more may be paid for with data. */
  admitsPaid(): boolean
}

/** Counts requests, and remembers no more of them than are served in a minute. `now` is in ms. */
export function createMeter(now: () => number = () => performance.now()): Meter {
  let recent: { at: number; peerId: string; from: Multiaddr }[] = []
  let paid: number[] = []
  const active = new Set<string>()
  return {
    begin(peerId, from) {
      const since = now() - MINUTE_MS
      recent = recent.filter(({ at }) => at > since)
      if (active.has(peerId) || recent.length >= PER_MINUTE.all) return null
      if (recent.filter(one => one.peerId === peerId).length >= PER_MINUTE.peer) return null
      if (!isHere(from) && recent.filter(one => sameHost(one.from, from)).length >= PER_MINUTE.host) return null
      recent.push({ at: now(), peerId, from })
      active.add(peerId)
      let isOpen = true
      const done = (): void => {
        // once: the peer may have begun another by the second time
        if (isOpen) active.delete(peerId)
        isOpen = false
      }
      return { done }
    },
    admitsPaid() {
      const since = now() - MINUTE_MS
      paid = paid.filter(at => at > since)
      return paid.length < PER_MINUTE.paid && paid.push(now()) > 0
    }
  }
}
