/**
 * libp2p's mDNS: https://github.com/libp2p/specs/blob/master/discovery/mdns.md
 *
 * Not @libp2p/mdns (12.0): it asks on the system's one default interface and on none without a route, keeps to itself
 * that a port was taken or a query could not be sent, drops an answer whole for one address that it does not know, and
 * tells the loopback addresses of this machine to others. IPv4 only, as it is.
 */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { networkInterfaces } from 'node:os'
import type { Multiaddr } from '@multiformats/multiaddr'
import { AUTHORITATIVE_ANSWER, type Answer, decode, encode, type Outgoing, type Packet } from 'dns-packet'
import { parseAddr, peerIdOf } from '../addr.ts'
import { Failure } from '../errors.ts'
import { inRange, ipOf } from '../reach.ts'

export const MDNS_TAG = '_p2p._udp.local'

export interface MdnsOptions {
  /** Of the key of a private network, which has a name of its own: `_p2p-<fingerprint>._udp.local`. */
  fingerprint?: string | null
  /** Of this node, whose own answers are not news. */
  peerId: string
  /** Where this node can be dialed; without it nobody is answered. */
  addrs?: (() => Multiaddr[]) | undefined
  found?: (peer: MdnsPeer) => void
  /** A peer has said that it leaves. */
  left?: (peerId: string) => void
}

export interface MdnsPeer {
  peerId: string
  /** Those of the machine that the answer came from first. */
  addrs: Multiaddr[]
  /** The IP address that the answer came from. */
  from: string
}

export interface Mdns extends AsyncDisposable {
  /** Asks on every interface; those that are new by now take part. */
  ask(): Promise<void>
  /** Says where this node is, unasked. */
  announce(): Promise<void>
  /** What was done and heard, in a phrase: `3 queries sent on eth0 and lo, 0 answers`. */
  report(): string
}

/** One interface. */
interface Link {
  name: string
  cidr: string
  internal: boolean
  /** Bound to the address of the interface, so that what it sends leaves there without asking a routing table. */
  socket: Socket
  answeredAt: number
  pending: NodeJS.Timeout | undefined
}

const GROUP = '224.0.0.251'
const PORT = 5353
const TTL_S = 120
/** RFC 6762, 6: the same is not said twice within a second. */
const ANSWER_EVERY_MS = 1000
const MAX_TEXT_BYTES = 255
/** Of all addresses, so that an answer fits in one packet of Ethernet. */
const MAX_TEXTS_BYTES = 1000
const MAX_ADDRS = 100
/** Instances whose peers are remembered. */
const MAX_INSTANCES = 1000

/** Throws Failure where the port cannot be had, or there is no interface to ask on. */
export async function openMdns({ fingerprint = null, peerId, addrs, found, left }: MdnsOptions): Promise<Mdns> {
  const tag = fingerprint == null ? MDNS_TAG : `_p2p-${fingerprint}._udp.local`
  const label = randomBytes(20).toString('hex')
  const [instance, host] = [`${label}.${tag}`, `${label}.local`]
  const links = new Map<string, Link>()
  const broken = new Map<string, string>()
  const known = new Map<string, string>()
  const count = { asked: 0, answers: 0, bad: 0 }
  let announced = false

  const send = async ({ name, socket }: Link, packet: Outgoing): Promise<void> => {
    const error = await new Promise<Error | null>(done => socket.send(encode(packet), PORT, GROUP, done))
    if (error == null) broken.delete(name)
    else broken.set(name, codeOf(error))
  }
  const answer = async (link: Link): Promise<void> => {
    link.answeredAt = performance.now()
    const data = textsFor(link, addrs?.() ?? [])
    // not a peer that nobody can dial
    if (data.length === 0) return
    announced = true
    const port = Number(/\/(?:tcp|udp)\/(\d+)/.exec(data[0]!)?.[1] ?? 0)
    await send(link, {
      type: 'response',
      flags: AUTHORITATIVE_ANSWER,
      answers: [{ name: tag, type: 'PTR', ttl: TTL_S, data: instance }],
      additionals: [
        { name: instance, type: 'TXT', ttl: TTL_S, data },
        // without these two go-libp2p takes no notice (0.51); libp2p itself reads the texts alone
        { name: instance, type: 'SRV', ttl: TTL_S, data: { target: host, port } },
        { name: host, type: 'A', ttl: TTL_S, data: link.cidr.split('/')[0]! }
      ]
    })
  }
  const takeBack = (link: Link): Promise<void> =>
    send(link, {
      type: 'response',
      flags: AUTHORITATIVE_ANSWER,
      answers: [{ name: tag, type: 'PTR', ttl: 0, data: instance }]
    })
  const answerSoon = (link: Link): void => {
    const wait = link.answeredAt + ANSWER_EVERY_MS - performance.now()
    if (wait <= 0) void answer(link)
    else {
      link.pending ??= setTimeout(() => {
        link.pending = undefined
        void answer(link)
      }, wait)
    }
  }
  const read = ({ answers = [], additionals = [] }: Packet, from: string): void => {
    const pointer = answers.find(one => one.type === 'PTR' && same(one.name, tag))
    if (pointer == null) return
    count.answers++
    const name = String(pointer.data)
    if (pointer.ttl === 0) {
      const gone = known.get(name)
      if (gone != null) left?.(gone)
      return
    }
    const { peers, bad } = peersIn([...answers, ...additionals], from)
    count.bad += bad
    for (const peer of peers) {
      if (peer.peerId === peerId) continue
      if (known.size < MAX_INSTANCES) known.set(name, peer.peerId)
      found?.(peer)
    }
  }
  const hear = (bytes: Uint8Array, { address }: { address: string }): void => {
    let packet: Packet
    try {
      packet = decode(bytes)
    } catch {
      // whose it was cannot be told
      return
    }
    if (packet.type === 'response') read(packet, address)
    else if (addrs != null && packet.questions?.some(({ name }) => same(name, tag))) {
      const near = [...links.values()].filter(({ cidr }) => inRange(address, cidr))
      for (const link of near.length > 0 ? near : links.values()) answerSoon(link)
    }
  }

  const ear = await bound('0.0.0.0', hear)
  const join = async (): Promise<void> => {
    for (const { name, address, cidr, internal } of interfaces()) {
      if (links.has(address)) continue
      try {
        ear.addMembership(GROUP, address)
        const socket = await bound(address, hear)
        socket.setMulticastInterface(address)
        socket.setMulticastTTL(255)
        links.set(address, { name, cidr, internal, socket, answeredAt: Number.NEGATIVE_INFINITY, pending: undefined })
      } catch (error) {
        broken.set(name, codeOf(error))
      }
    }
  }
  const mdns: Mdns = {
    async ask() {
      await join()
      count.asked++
      const query: Packet = { type: 'query', questions: [{ name: tag, type: 'PTR' }] }
      await Promise.all([...links.values()].map(link => send(link, query)))
    },
    async announce() {
      await join()
      for (const link of links.values()) answerSoon(link)
    },
    report() {
      const names = [...links.values()].map(({ name }) => name).filter(name => !broken.has(name))
      const where = names.length === 0 ? 'no interface' : names.join(', ')
      const parts = [`${countOf(count.asked, 'query', 'queries')} sent on ${where}`, countOf(count.answers, 'answer')]
      if (count.bad > 0) parts.push(`${countOf(count.bad, 'address', 'addresses')} in them not understood`)
      return [...parts, ...[...broken].map(([name, why]) => `${name}: ${why}`)].join(', ')
    },
    async [Symbol.asyncDispose]() {
      const all = [...links.values()]
      for (const { pending } of all) clearTimeout(pending)
      if (announced) await Promise.all(all.map(takeBack))
      for (const socket of [ear, ...all.map(link => link.socket)]) socket.close()
    }
  }
  await join()
  if (links.size > 0) return mdns
  await mdns[Symbol.asyncDispose]()
  const why = [...broken].map(([name, text]) => `${name}: ${text}`).join(', ') || 'this machine has no IPv4 address'
  throw new Failure('address_not_available', `cannot speak mDNS on any interface: ${why}`, { phase: 'listen' })
}

/** One address of each interface. */
function interfaces(): { name: string; address: string; cidr: string; internal: boolean }[] {
  return Object.entries(networkInterfaces()).flatMap(([name, list]) => {
    const own = list?.find(({ family }) => family === 'IPv4')
    return own?.cidr == null ? [] : [{ name, address: own.address, cidr: own.cidr, internal: own.internal }]
  })
}

/** With SO_REUSEADDR, as every other mDNS responder of this machine has it. */
async function bound(address: string, hear: (bytes: Uint8Array, from: { address: string }) => void): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject)
      socket.bind(PORT, address, resolve)
    })
  } catch (cause) {
    socket.close()
    const taken = (cause as NodeJS.ErrnoException).code === 'EADDRINUSE'
    const why = taken ? 'another program keeps it for itself' : codeOf(cause)
    throw new Failure(
      taken ? 'address_in_use' : 'address_not_available',
      `cannot speak mDNS on UDP port ${PORT}: ${why}`,
      { phase: 'listen', cause, ...(taken && { hint: `see which one: ss -ulpn sport = ${PORT}` }) }
    )
  }
  // what a network does later shows where something is sent
  socket.on('error', () => {})
  socket.on('message', hear)
  return socket
}

/** What a neighbour on this interface can dial. */
function textsFor({ cidr, internal }: Link, addrs: Multiaddr[]): string[] {
  const fits = (addr: Multiaddr): boolean => {
    const ip = ipOf(addr)
    if (addr.getComponents().some(({ name }) => name === 'p2p-circuit')) return false
    return ip == null || internal || !(ip.startsWith('127.') || ip === '::1')
  }
  const near = (addr: Multiaddr): number => Number(!inRange(ipOf(addr) ?? '', cidr))
  const texts: string[] = []
  let room = MAX_TEXTS_BYTES
  for (const addr of addrs.filter(fits).toSorted((a, b) => near(a) - near(b))) {
    const text = `dnsaddr=${addr}`
    if (text.length > MAX_TEXT_BYTES || text.length >= room) continue
    texts.push(text)
    room -= text.length + 1
  }
  return texts
}

/** The peers whose addresses stand in TXT records, and how many of these cannot be read. */
function peersIn(records: Answer[], from: string): { peers: MdnsPeer[]; bad: number } {
  const peers = new Map<string, Multiaddr[]>()
  let bad = 0
  for (const { type, data } of records) {
    if (type !== 'TXT') continue
    for (const part of Array.isArray(data) ? data : [data]) {
      const text = typeof part === 'string' ? part : Buffer.from(part).toString('utf8')
      if (!text.startsWith('dnsaddr=')) continue
      const addr = addrOf(text.slice('dnsaddr='.length))
      const peerId = addr == null ? undefined : peerIdOf(addr)
      if (addr == null || peerId == null) bad++
      else peers.set(peerId, [...(peers.get(peerId) ?? []), addr].slice(0, MAX_ADDRS))
    }
  }
  const far = (addr: Multiaddr): number => Number(ipOf(addr) !== from)
  const sorted = [...peers].map(([peerId, addrs]) => ({
    peerId,
    addrs: addrs.toSorted((a, b) => far(a) - far(b)),
    from
  }))
  return { peers: sorted, bad }
}

function addrOf(text: string): Multiaddr | null {
  try {
    return parseAddr(text)
  } catch {
    return null
  }
}

/** Names of DNS have no case. */
function same(name: string, other: string): boolean {
  return name.toLowerCase() === other.toLowerCase()
}

/** `ENETUNREACH`, of the network or of what failed because of it. */
function codeOf(error: unknown): string {
  const { code } = (error instanceof Failure ? error.cause : error) as NodeJS.ErrnoException
  return code ?? 'unknown error'
}

function countOf(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`
}
