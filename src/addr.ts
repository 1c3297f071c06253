import { BlockList, isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { canonicalPeerId, explain } from './addr-explain.ts'
import { Failure } from './errors.ts'
import { safe } from './safe.ts'
import type { Component, Multiaddr } from '@multiformats/multiaddr'

export { canonicalPeerId } from './addr-explain.ts'

export type Transport =
  | 'tcp'
  | 'ws'
  | 'wss'
  | 'circuit'
  | 'quic-v1'
  | 'webrtc-direct'
  | 'webrtc'
  | 'webtransport'
  | 'unix'
  | 'memory'

export interface Target {
  /** As it was given. */
  text: string
  /** Null for a bare peer ID. */
  addr: Multiaddr | null
  /** Whom the address names, in base58, or null. */
  peerId: string | null
}

const host = '^(/ip6zone)?/(ip4|ip6|dns|dns4|dns6)'

// The shapes that js-libp2p's matchers take, on the names of the components: /ip4/tcp/p2p
const shapes: [Transport, RegExp][] = [
  ['webrtc', /\/webrtc(\/p2p)?$/],
  ['circuit', /\/p2p-circuit(\/p2p)?$/],
  ['tcp', new RegExp(`${host}/tcp(/p2p)?$`)],
  ['ws', new RegExp(`${host}(/tcp)?/ws(/http-path)?(/p2p)?$`)],
  ['wss', new RegExp(`${host}(/tcp)?(/wss|/tls(/sni)?/ws)(/http-path)?(/p2p)?$`)],
  ['quic-v1', new RegExp(`${host}/udp/quic-v1(/p2p)?$`)],
  ['webtransport', new RegExp(`${host}/udp/quic-v1/webtransport(/certhash)*(/p2p)?$`)],
  ['webrtc-direct', new RegExp(`${host}/udp/webrtc-direct(/certhash)*(/p2p)?$`)],
  ['unix', /^\/unix(\/p2p)?$/],
  ['memory', /^\/memory(\/p2p)?$/]
]

const privateRanges = new BlockList()
for (const range of ['::/127', 'fc00::/7', 'fe80::/10', 'fec0::/10', '64:ff9b:1::/48']) {
  const [net = '', prefix] = range.split('/')
  privateRanges.addSubnet(net, Number(prefix), 'ipv6')
}
for (const range of [
  ...['0.0.0.0/8', '10.0.0.0/8', '100.64.0.0/10', '127.0.0.0/8', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  // DS-Lite, and the metadata service of Azure, which answers inside it alone
  ...['192.0.0.0/24', '168.63.129.16/32']
]) {
  const [net = '', prefix = ''] = range.split('/')
  const [a = 0, b = 0, c = 0, d = 0] = net.split('.').map(Number)
  const [high, low] = [(a << 8) | b, (c << 8) | d].map(half => half.toString(16)) as [string, string]
  // an IPv4 address in an IPv6 one leads to the same place: written so (which Node's list knows), by NAT64, by 6to4
  privateRanges.addSubnet(net, Number(prefix), 'ipv4')
  privateRanges.addSubnet(`64:ff9b::${high}:${low}`, 96 + Number(prefix), 'ipv6')
  privateRanges.addSubnet(`2002:${high}:${low}::`, 16 + Number(prefix), 'ipv6')
}

/**
 * A multiaddr in its canonical form (peer IDs in base58). Throws Failure `invalid_multiaddr` for everything that
 * cannot be an address to dial or to listen on, with what is wrong and, where it can be guessed, the right spelling.
 */
export function parseAddr(text: string): Multiaddr {
  const wrong = explain(text)
  if (wrong !== undefined) {
    throw new Failure('invalid_multiaddr', `invalid multiaddr "${safe(text)}": ${wrong.reason}`, {
      addr: text,
      hint: wrong.hint?.(),
      cause: wrong.cause
    })
  }
  // through its bytes: the parser keeps what was written, /p2p/bafz... and /ipfs/... among it
  return multiaddr(multiaddr(text).bytes)
}

/** A target as a person gives it: a multiaddr, `/p2p/ID`, or a bare peer ID in any of its spellings. */
export function parseTarget(text: string): Target {
  const bare = text.startsWith('/p2p/') ? text.slice('/p2p/'.length) : text
  const peerId = canonicalPeerId(bare)
  if (peerId !== undefined) return { text, addr: null, peerId }
  const addr = parseAddr(text)
  return { text, addr, peerId: peerIdOf(addr) ?? null }
}

/** The peer at the far end: the last /p2p, unless it only names a relay. In base58. */
export function peerIdOf(addr: Multiaddr): string | undefined {
  const last = addr.getComponents().findLast(({ name }) => name === 'p2p' || name === 'p2p-circuit')
  return last?.name === 'p2p' ? canonicalPeerId(last.value!) : undefined
}

/** The address that a peer sent, unless it is none. */
export function addrIn(bytes: Uint8Array): Multiaddr[] {
  try {
    const addr = multiaddr(bytes)
    // a name with a slash in it, which multiaddr 13 lets through, reads as another address or as none
    return bytes.length > 0 && multiaddr(addr.toString()).equals(addr) ? [addr] : []
  } catch {
    return []
  }
}

/** The address with the peer ID at its end; one that names its peer already stays as it is. */
export function withPeerId(addr: Multiaddr, peerId: string): Multiaddr {
  return peerIdOf(addr) === undefined ? addr.encapsulate(`/p2p/${peerId}`) : addr
}

/** The address without the ID of the peer at the far end; the one of a relay stays. */
export function withoutPeerId(addr: Multiaddr): Multiaddr {
  const components = addr.getComponents()
  const at = components.findLastIndex(({ name }) => name === 'p2p' || name === 'p2p-circuit')
  return components[at]?.name === 'p2p' ? multiaddr(components.toSpliced(at, 1)) : addr
}

/** The address of the relay in a circuit address; undefined for other addresses, and for a bare /p2p-circuit. */
export function relayPart(addr: Multiaddr): Multiaddr | undefined {
  const components = addr.getComponents()
  const at = components.findLastIndex(({ name }) => name === 'p2p-circuit')
  return at > 0 ? multiaddr(components.slice(0, at)) : undefined
}

/** What is connected to: of a circuit, its first relay. */
export function headOf(addr: Multiaddr): Multiaddr {
  const components = addr.getComponents()
  const at = components.findIndex(({ name }) => name === 'p2p-circuit')
  return at > 0 ? multiaddr(components.slice(0, at)) : addr
}

/** The circuit over which a /webrtc address is signalled; undefined where it names no relay. */
export function circuitOf(addr: Multiaddr): Multiaddr | undefined {
  const components = addr.getComponents().filter(({ name }) => name !== 'webrtc')
  return relayPart(addr) === undefined ? undefined : multiaddr(components)
}

/** The address of the same peer over WebRTC, signalled through the circuit. */
export function overWebrtc(circuit: Multiaddr): Multiaddr {
  return multiaddr(circuit.toString().replace(/\/p2p-circuit(\/p2p\/[^/]+)$/, '/p2p-circuit/webrtc$1'))
}

/** What the address is dialed with, or null where js-libp2p has nothing for it, or it is still a /dnsaddr. */
export function transportOf(addr: Multiaddr): Transport | null {
  const names = addr.getComponents().map(({ name }) => `/${name}`)
  return shapes.find(([, shape]) => shape.test(names.join('')))?.[0] ?? null
}

/** Whether it is dialed over UDP, where libp2p leaves the handshake to native code. */
export function overUdp(addr: Multiaddr): boolean {
  return ['quic-v1', 'webrtc-direct'].includes(transportOf(addr) ?? '')
}

/** Whether a server shows a certificate on the way, the relay's among them. */
export function overTls(addr: Multiaddr): boolean {
  return [relayPart(addr), addr].some(part => part !== undefined && transportOf(part) === 'wss')
}

/** Where the address leads: over a relay, to this machine or its own networks, or anywhere. */
export function scopeOf(addr: Multiaddr): 'public' | 'private' | 'circuit' {
  const components = addr.getComponents()
  if (components.some(({ name }) => name === 'p2p-circuit')) return 'circuit'
  const { name, value = '' } = hostOf(components) ?? { name: '' }
  if (name === 'unix' || name === 'memory') return 'private'
  const family = isIP(value)
  if (family !== 0) return privateRanges.check(value, family === 4 ? 'ipv4' : 'ipv6') ? 'private' : 'public'
  return /^dns/.test(name) && /^[^.]+\.?$|\.(local|localhost)\.?$/i.test(value) ? 'private' : 'public'
}

/** Whether this machine or its own networks are what is connected to. */
export function isPrivate(addr: Multiaddr): boolean {
  return scopeOf(headOf(addr)) === 'private'
}

/** The IP family that the address asks for (of the relay, in a circuit); null where it leaves that open. */
export function familyOf(addr: Multiaddr): 4 | 6 | null {
  const name = hostOf(addr.getComponents())?.name
  return name === 'ip4' || name === 'dns4' ? 4 : name === 'ip6' || name === 'dns6' ? 6 : null
}

function hostOf(components: Component[]): Component | undefined {
  return components[components[0]?.name === 'ip6zone' ? 1 : 0]
}
