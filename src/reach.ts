import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Component, Multiaddr } from '@multiformats/multiaddr'
import { familyOf, isPrivate, relayPart, scopeOf, transportOf } from './addr.ts'
import { isLoopback } from './origins.ts'
import { whyNotPrivate } from './private-network.ts'
import { transportFor, whyNoTransport } from './transports.ts'

/** Which addresses of a target are dialed at all. */
export interface Wanted {
  /** Only these transports. */
  transport?: string[] | undefined
  /** No address that ends in a circuit; WebRTC through a relay is direct in the end. */
  directOnly?: boolean | undefined
  /** Only those that end in a circuit. */
  relayedOnly?: boolean | undefined
  ipv4?: boolean | undefined
  ipv6?: boolean | undefined
  /** The key of a private network, which some transports go past. */
  psk?: string | undefined
  /** Dial private addresses too that somebody else names: DNS records, a DHT, peers that announce themselves. */
  allowPrivate?: boolean | undefined
}

/** The option that leaves an address out; null if none does. */
export function leftOut(addr: Multiaddr, options: Wanted): string | null {
  const { transport, directOnly, relayedOnly, ipv4, ipv6 } = options
  const kind = transportOf(addr)
  if (transport?.includes(kind ?? '') === false) return '--transport'
  if (directOnly === true && kind === 'circuit') return '--direct-only'
  if (relayedOnly === true && kind !== 'circuit') return '--relayed-only'
  const family = familyOf(addr)
  if (family == null || ipv4 === ipv6 || family === (ipv4 === true ? 4 : 6)) return null
  return ipv4 === true ? '-4' : '-6'
}

export interface ReachOptions extends Wanted {
  /** The peer announced it on a connection to this address; null where a person gave the address. */
  announcedOver: Multiaddr | null
  /** As `os.networkInterfaces()` gives them. */
  interfaces?: ReturnType<typeof networkInterfaces>
}

/** Why this machine cannot or should not dial an address, which is no fault of the peer; null if it can. */
export function whyNotFromHere(addr: Multiaddr, options: ReachOptions): string | null {
  const kind = transportOf(addr)
  const option = leftOut(addr, options)
  if (option != null) return `left out by ${option}`
  const why = options.psk == null ? null : whyNotPrivate(kind)
  if (why != null) return why
  if (transportFor(kind) == null) return whyNoTransport(kind).says
  if (kind === 'circuit' || kind === 'webrtc') {
    const relay = relayPart(addr)
    const { announcedOver, interfaces, allowPrivate } = options
    // of a peer behind a relay it is the relay that is somewhere
    const over = announcedOver == null ? null : (relayPart(announcedOver) ?? announcedOver)
    return relay == null
      ? 'it names no relay'
      : whyNotFromHere(relay, { announcedOver: over, allowPrivate, ...(interfaces && { interfaces }) })
  }
  const { interfaces = networkInterfaces(), announcedOver } = options
  const own = Object.values(interfaces).flatMap(list => list ?? [])
  const isOwn = (address: string): boolean => isLoopback(address) || own.some(one => one.address === address)
  if (kind === 'unix' && announcedOver != null && transportOf(announcedOver) !== 'unix') {
    const at = ipOf(announcedOver)
    const isHere = at != null && isOwn(at) && relayPart(announcedOver) == null
    return isHere ? null : 'a socket of another machine'
  }
  const ip = ipOf(addr)
  const isStrange = announcedOver != null && options.allowPrivate !== true && !isNear(announcedOver, isOwn)
  // one of the machine or of the local network; what other names lead to is known once they are looked up
  if (ip == null) return isStrange && isPrivate(addr) ? STRANGE : null
  const isPublic = scopeOf(addr) === 'public'
  if (isIP(ip) === 6 && isPublic && !own.some(({ address, internal }) => isGlobal6(address) && !internal)) {
    return 'this machine has no IPv6 address'
  }
  if (announcedOver == null || isPublic) return null
  const from = ipOf(announcedOver)
  if (['0.0.0.0', '::'].includes(ip)) return 'it names no machine'
  if (options.allowPrivate === true) return null
  if (isLoopback(ip)) return from != null && isOwn(from) ? null : 'loopback of another machine'
  const isMine = ip === from || isOwn(ip)
  if (!isMine && /^fe[89ab]/i.test(ip)) return 'link-local, on a link that it does not name'
  const isHere = isMine || own.some(({ cidr }) => cidr != null && inRange(ip, cidr))
  if (!isHere) return 'a private address of another network'
  return isStrange ? STRANGE : null
}

/** A node in the internet must not have this machine look around in its own network. */
const STRANGE = 'a private address, which a public peer tells of (--allow-private dials it)'

/** Whether somebody at that address is in the networks of this machine, or is the machine itself. */
function isNear(teller: Multiaddr, isOwn: (ip: string) => boolean): boolean {
  const ip = ipOf(teller)
  return isPrivate(teller) || (ip != null && isOwn(ip))
}

/** The IP address that an address begins with. */
export function ipOf(addr: Multiaddr): string | null {
  const [first, second] = addr.getComponents() as [Component?, Component?]
  const host = first?.name === 'ip6zone' ? second : first
  return host?.value != null && isIP(host.value) !== 0 ? host.value : null
}

/** Whether an IP address is in a range as `192.0.2.0/24`; a range of the other family holds nothing. */
export function inRange(ip: string, cidr: string): boolean {
  const [net = '', bits] = cidr.split('/')
  if (isIP(ip) !== isIP(net)) return false
  const family = isIP(net) === 4 ? 'ipv4' : 'ipv6'
  const range = new BlockList()
  range.addSubnet(net, Number(bits), family)
  return range.check(ip, family)
}

/** Whether somebody at that address is on this machine; through a relay nobody is, though the relay may be. */
export function isHere(addr: Multiaddr): boolean {
  if (relayPart(addr) != null) return false
  const ip = ipOf(addr)
  return ip == null ? transportOf(addr) === 'unix' : isLoopback(ip)
}

function isGlobal6(address: string): boolean {
  return isIP(address) === 6 && !/^(fe[89ab]|::1$)/i.test(address)
}
