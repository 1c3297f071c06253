/** Where is a peer of which only the ID is known? Asks the named sources, side by side. */
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { isPrivate, parseAddr, withPeerId } from './addr.ts'
import { connect, type DialOptions } from './connect.ts'
import { isKad } from './crawl.ts'
import { idBytes } from './dht-keys.ts'
import { openWalk } from './dht-walk.ts'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import { createQueue, merge, resultOf } from './flow.ts'
import { startLimit } from './limit.ts'
import { type Node, openNode } from './node.ts'
import { askKad } from './protocols/kad.ts'
import { openMdns } from './protocols/mdns.ts'
import { safe } from './safe.ts'
import { addrOfIp, askAgain } from './sources/mdns.ts'
import { dialable } from './sources/source.ts'
import { readTargets, type Target } from './targets.ts'

type FindEvent = Event<'dial.resolve' | 'source.end'>

/** Addresses of the peer, and who says so: a person or a neighbour, or else somebody who may have an end in view. */
interface Told {
  addrs: Multiaddr[]
  byStranger: boolean
}

/** One of them. */
export interface ToldAddr {
  addr: Multiaddr
  byStranger: boolean
}

interface Finder {
  source: string
  /** Gives addresses as it learns them, and ends when it can learn no more; the signal ends it too. */
  find(signal: AbortSignal): AsyncGenerator<Told>
  /** What was done, where nothing came of it. */
  report(): string
}

/** Once one source knows the peer, so long the others may still say where else it is. */
const REST_MS = 300
/** Addresses of one peer that are dialed. */
const MOST = 16

/**
 * The addresses of a peer, in the order in which they were learnt, those through a relay last. The look-up has a node
 * of its own, so that no connection that it makes is taken for one to the target. Throws Failure no_addresses.
 */
export async function* findPeer(
  { text, peerId }: Pick<Target, 'text' | 'peerId'>,
  options: DialOptions,
  signal: AbortSignal
): AsyncGenerator<FindEvent, ToldAddr[]> {
  const sought = peerId!
  const startedAt = performance.now()
  const finders = await findersOf(sought, options)
  using limit = startLimit(options.timeout, signal)
  const over = new AbortController()
  const until = AbortSignal.any([limit.signal, over.signal])
  const found = new Map<string, ToldAddr>()
  const failed: string[] = []
  let rest: NodeJS.Timeout | undefined
  const run = async function* ({ source, find, report }: Finder): AsyncGenerator<FindEvent> {
    let count = 0
    let message: string | null = null
    try {
      for await (const { addrs, byStranger } of find(until)) {
        const fresh = addrs.map(addr => withPeerId(addr, sought)).filter(addr => !found.has(addr.toString()))
        if (fresh.length === 0) continue
        for (const addr of fresh) found.set(addr.toString(), { addr, byStranger })
        count += fresh.length
        const ms = performance.now() - startedAt
        rest ??= setTimeout(() => over.abort(), finders.length > 1 ? REST_MS : 0)
        yield { type: 'dial.resolve', target: text, addr: `/p2p/${sought}`, addrs: fresh.map(String), ms, source }
      }
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Failure) message = error.message
      else if (!until.aborted) throw error
    }
    if (count > 0) return
    message ??= report()
    failed.push(`${source}: ${message}`)
    yield { type: 'source.end', target: text, source, peers: 0, message }
  }
  try {
    yield* merge(finders.map(run))
  } finally {
    clearTimeout(rest)
  }
  signal.throwIfAborted()
  const relayed = options.relay == null ? [] : [{ addr: throughRelay(options.relay, sought), byStranger: false }]
  const addrs = [...[...found.values()].slice(0, MOST), ...relayed]
  if (addrs.length > 0) return addrs
  throw new Failure('no_addresses', `cannot dial ${sought}: nobody knows where it is (${failed.join('; ')})`, {
    phase: 'resolve',
    target: text,
    hint: 'give its address, or name another source: --mdns, --bootstrap ADDR, --dht, --relay ADDR'
  })
}

/** The address of a peer that has a reservation on this relay. */
export function throughRelay(relay: string, peerId: string): Multiaddr {
  return multiaddr(`${parseAddr(relay)}/p2p-circuit/p2p/${peerId}`)
}

async function findersOf(peerId: string, options: DialOptions): Promise<Finder[]> {
  const { mdns, bootstrap, dht } = options
  const finders: Finder[] = []
  if (mdns === true) finders.push(mdnsFinder(peerId, options))
  const targets = bootstrap == null ? [] : await readTargets(bootstrap)
  if (targets.length > 0) finders.push(bootstrapFinder(peerId, targets, options))
  if (dht === true) finders.push(dhtFinder(peerId, targets, options))
  return finders
}

function mdnsFinder(peerId: string, options: DialOptions): Finder {
  const { psk } = options
  let report = (): string => ''
  return {
    source: 'mdns',
    report: () => report(),
    async *find(signal) {
      const heard = createQueue<Told>()
      const found = (peer: { peerId: string; addrs: Multiaddr[]; from: string }): void => {
        if (peer.peerId === peerId) void heard.push(toldBy(addrOfIp(peer.from), peer.addrs, options))
      }
      const fingerprint = psk == null ? null : (await (await import('./psk.ts')).readSwarmKey(psk)).fingerprint
      await using mdns = await openMdns({ fingerprint, peerId: '', found })
      report = () => mdns.report()
      const asking = async function* (): AsyncGenerator<Told> {
        for await (const _ of askAgain(mdns, signal)) yield { addrs: [], byStranger: false }
      }
      yield* merge([asking(), heard.items(signal)])
    }
  }
}

/** Whether one of these is the peer itself, and what the DHT on them knows of it. */
function bootstrapFinder(peerId: string, targets: Target[], options: DialOptions): Finder {
  const said: string[] = []
  return {
    source: 'bootstrap',
    report: () => said.join(', ') || 'not answered in time',
    async *find(signal) {
      await using node = await openSeeker(options)
      const askOne = async function* (target: Target): AsyncGenerator<Told> {
        if (target.peerId === peerId) return yield { addrs: [target.addr], byStranger: false }
        try {
          const { connection, addr, identity, peerId: other } = await reach(node, target, options, signal)
          if (other === peerId) return yield { addrs: [multiaddr(addr)], byStranger: false }
          const who = safe(target.text)
          const protocols = identity?.protocols.filter(isKad) ?? []
          if (protocols.length === 0) said.push(`${who} keeps no DHT`)
          for (const protocol of protocols) {
            const request = { rpc: 'find_node', key: idBytes(peerId) } as const
            const { closer } = await askKad(connection, protocol, [request], signal)
            const known = closer.find(one => one.peerId === peerId)?.addrs ?? []
            const told = toldBy(connection.remoteAddr, known, options)
            if (told.addrs.length > 0) yield told
            else
              said.push(
                known.length === 0
                  ? `${who} does not know it`
                  : `${who} knows private addresses of it only (--allow-private dials them)`
              )
          }
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          said.push(error.message)
        }
      }
      yield* merge(targets.map(askOne))
    }
  }
}

function dhtFinder(peerId: string, targets: Target[], options: DialOptions): Finder {
  const tally = { asked: 0, answered: 0 }
  return {
    source: 'dht',
    report: () => `${tally.asked} asked, ${tally.answered} answered, and none knows it`,
    async *find(signal) {
      await using node = await openSeeker(options)
      const walk = openWalk(node, targets, options)
      for await (const { event, answered } of walk.ask({ rpc: 'find_node', key: idBytes(peerId) }, signal)) {
        if (event.type === 'dht.query' && event.step === 'sent') tally.asked++
        if (answered == null) continue
        tally.answered++
        const known = answered.answer.closer.find(one => one.peerId === peerId)?.addrs ?? []
        const told = toldBy(answered.by.connection.remoteAddr, known, options)
        if (told.addrs.length === 0) continue
        yield told
        return
      }
    }
  }
}

/** What may be dialed of what somebody at this address tells. */
function toldBy(teller: Multiaddr, addrs: Multiaddr[], options: DialOptions): Told {
  return { addrs: dialable(addrs, teller, options), byStranger: !isPrivate(teller) }
}

/** A node that is nobody's: whom this side is in the dial that follows, those who are asked need not know. */
async function openSeeker(options: DialOptions): Promise<Node> {
  return await openNode({ ...options, identity: undefined })
}

/** Connects, and keeps to itself what came on the way. */
async function reach(node: Node, target: Target, options: DialOptions, signal: AbortSignal) {
  return await resultOf(connect(node, target, { ...options, transport: undefined, identified: true }, signal))
}
