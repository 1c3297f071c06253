/** Among the peers of a topic: those that were named, those that are found, and whoever dials us. */
import { parseTarget } from './addr.ts'
import type { DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said, Verdict } from './events.ts'
import { merge, type Queue } from './flow.ts'
import { createFoundDialer } from './found.ts'
import { type GossipOptions, gossipOf, gossipService } from './gossip.ts'
import { type Meeting, openAnswerer, openings, stayConnected } from './meet.ts'
import type { Node } from './node.ts'
import { pong } from './protocols/pong.ts'
import { createRoster } from './roster.ts'
import { type Held, reserve, whileKept } from './reserve.ts'
import { listenAddrs, listenOnAll, namesAddrs, type ServeOptions, serve } from './serve.ts'
import { newStarts, type Starts } from './sources/bootstrap.ts'
import { checkSources } from './sources/named.ts'
import { topicsOf } from './sources/pubsub.ts'
import type { Source } from './sources/source.ts'
import { readList, readTargets, type Target, type TargetOptions, verdictOf } from './targets.ts'

/** How peers are met. */
export interface GatherOptions extends ServeOptions, DialOptions, TargetOptions {
  /** Ask the local network, and answer it. */
  mdns?: boolean
  /** Dial these. */
  bootstrap?: string[]
  /** Walk through the DHT of these peers, and take part in it. */
  dht?: boolean
  /** Announce itself on these topics, and hear who does. */
  discover?: string[] | true
}

/** What was named, read before there is a node. */
export interface Gathering {
  /** What the node has to be opened with. */
  nodeOptions: Meeting['nodeOptions']
  options: GatherOptions
  targets: Target[]
  relays: Target[]
  starts: Starts
  sources: Source[]
}

/** So many peers of a DHT are asked in one walk. */
const MOST_WALKED = 64
const GOSSIP = /^\/(meshsub|floodsub)\//

/** Refuses a run that could meet nobody. */
export function checkWay(options: GatherOptions): void {
  if (namesAddrs(options) || dials(options)) return
  throw new Failure('invalid_option', 'no way to meet a peer is named', {
    hint: 'give --bootstrap ADDR, --relay ADDR, --mdns, or --tcp to be dialed'
  })
}

function dials({ bootstrap, relay, mdns }: GatherOptions): boolean {
  return bootstrap != null || relay != null || mdns === true
}

/** Where to listen: where it was asked for; and everywhere when others are to find us, or there is no other way. */
function gatherAddrs(options: GatherOptions): string[] {
  const { mdns, dht, discover } = options
  const isFound = mdns === true || dht === true || discover != null
  return namesAddrs(options) || isFound || !dials(options) ? listenAddrs(options) : []
}

/** Reads the options. Throws Failure. */
export async function prepareGathering(options: GatherOptions, gossip: GossipOptions = {}): Promise<Gathering> {
  const { bootstrap, relay, mdns, dht, dhtProtocol, discover } = options
  checkSources({ bootstrap, dht, dhtProtocol })
  if (discover != null && gossip.sign === false) {
    throw new Failure('invalid_option', '--discover needs signatures, and --no-sign takes unsigned messages only')
  }
  const texts = bootstrap == null ? [] : await readList(bootstrap, 'target')
  // a peer ID without an address is looked up at the others
  const placed = texts.filter(text => parseTarget(text).addr != null)
  const dialing = { ...options, bootstrap: placed.length > 0 ? placed : undefined } as GatherOptions
  const targets = texts.length === 0 ? [] : await readTargets(texts, dialing)
  const topics = discover == null ? [] : topicsOf(discover)
  const starts = newStarts()
  const sources: Source[] = []
  if (mdns === true) sources.push((await import('./sources/mdns.ts')).mdnsSource())
  if (dht === true) sources.push((await import('./sources/dht.ts')).dhtSource(dhtProtocol, starts))
  if (topics.length > 0) sources.push((await import('./sources/pubsub.ts')).pubsubSource(topics))
  const { services, mayDial } = await openings(
    { dht, dhtProtocol, topics, targets, allowPrivate: options.allowPrivate },
    { pubsub: gossipService(gossip) }
  )
  return {
    nodeOptions: { services: { ...services, ping: pong() }, mayDial },
    options: dialing,
    targets,
    relays: relay == null ? [] : await readTargets([relay]),
    starts,
    sources
  }
}

/**
 * Listens, reserves on the relay and dials the peers that were named or are found; goes on as soon as one of the named
 * is there, and dials each again that leaves. `work` is what is to be done then, and the end of all; without it that
 * is the signal. Gives the verdict where every dial failed and nobody else could be met, else null.
 */
export async function* gather(
  node: Node,
  queue: Queue<Said>,
  { options, targets, relays, starts, sources }: Gathering,
  signal: AbortSignal,
  work?: (signal: AbortSignal) => Promise<void>
): AsyncGenerator<Said, Verdict | null> {
  const dialing = { ...options, identified: true }
  const addrs = gatherAddrs(options)
  await listenOnAll(node, addrs, options)
  await using _ = await openAnswerer(node, { mdns: options.mdns === true })
  const held: Held[] = []
  for (const relay of relays) held.push(yield* reserve(node, relay, dialing, signal))

  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const prepared = Promise.withResolvers<void>()
  const failures = new Map<Target, Failure>()
  const settled = new Set<Target>()
  let alone = false
  const settle = (target: Target): void => {
    settled.add(target)
    if (settled.size === targets.length) starts.over.abort()
  }
  const meet = (target: Target): AsyncGenerator<Said> =>
    stayConnected(node, target, options, until, {
      met({ connection, identity }) {
        void starts.queue.push({ connection, protocols: identity?.protocols ?? [] })
        settle(target)
        prepared.resolve()
      },
      failed(failure) {
        if (!settled.has(target)) failures.set(target, failure)
        settle(target)
        if (failures.size < targets.length) return
        prepared.resolve()
        alone = addrs.length === 0 && held.length === 0
        if (alone) over.abort()
      }
    })
  if (targets.length === 0) prepared.resolve()
  const working = async (): Promise<void> => {
    await prepared.promise
    if (alone || work == null) return
    await work(until).finally(() => over.abort())
  }
  const serving = async function* (): AsyncGenerator<Said> {
    try {
      yield* whileKept(node, held, dialing, serve(node, queue, options, until, { prepared: prepared.promise }))
    } finally {
      over.abort()
    }
  }
  until.addEventListener('abort', () => prepared.resolve(), { once: true })
  const worked = working()
  // it is waited for only once nobody serves any more
  worked.catch(() => {})
  yield* merge([serving(), ...targets.map(meet), ...finding(node, options, sources, until)])
  await worked
  return alone ? verdictOf(targets, 0, [...failures.values()]) : null
}

/** Looks for peers, and dials those that speak gossipsub. */
function finding(node: Node, options: GatherOptions, sources: Source[], signal: AbortSignal): AsyncGenerator<Said>[] {
  if (sources.length === 0) return []
  const gossip = gossipOf(node)
  const isMet = (peerId: string): boolean => gossip.getPeers().some(peer => peer.toString() === peerId)
  const { found, dialers } = createFoundDialer(
    node,
    options,
    { wanted: protocol => GOSSIP.test(protocol), isMet },
    signal
  )
  const seen = createRoster([], () => {})
  const search = { node, options: { ...options, watch: true }, seen, signal, found, most: MOST_WALKED }
  return [...sources.map(source => source.look(search)), ...dialers]
}
