/** How a node that listens is found by others: what `listen` and `relay` do besides waiting. */
import { headOf, isPrivate, withPeerId } from './addr.ts'
import { type Connected, connect, type DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said } from './events.ts'
import { alongside, pause } from './flow.ts'
import type { Node, NodeOptions, Service } from './node.ts'
import type { Limits } from './limits.ts'
import type { Mdns } from './protocols/mdns.ts'
import { ipOf } from './reach.ts'
import { createRoster } from './roster.ts'
import { checkSources } from './sources/named.ts'
import { discoveryService, pubsubSource, topicsOf } from './sources/pubsub.ts'
import { failureEvent, readTargets, type Target } from './targets.ts'

/** What every command takes that can be found by others; nothing of it is done unasked. */
export interface MeetOptions {
  /** Answer queries of the local network. */
  mdns?: boolean | undefined
  /** Peers to be connected to. */
  bootstrap?: string[] | undefined
  /** Serve the DHT of these peers. */
  dht?: boolean | undefined
  dhtProtocol?: string | undefined
  /** Announce itself on these topics. */
  pubsub?: string[] | true | undefined
  /** How the certificates of wss servers are looked at; see TlsOptions. */
  ca?: string | undefined
  insecure?: boolean | undefined
  /** Dial private addresses too that others name. */
  allowPrivate?: boolean | undefined
  /** What names may cost (limits.ts). */
  limit?: Partial<Limits> | undefined
}

export interface Meeting {
  /** What the node has to be opened with. */
  nodeOptions: Pick<NodeOptions, 'services' | 'mayDial'>
  targets: Target[]
  mdns: boolean
  /** Those that it announces itself on. */
  topics: string[]
  /** For the dials of all of them. */
  dialing: DialOptions
}

const TIMEOUT_MS = 10_000
/** Between two tries to connect to a peer that is away; it doubles. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** Keeps the connection when libp2p closes some for want of room. */
const TAG = { 'p2pctl-bootstrap': { value: 50 } }

/** Reads the options, before there is a node. */
export async function prepareMeeting(options: MeetOptions): Promise<Meeting> {
  const { mdns = false, insecure = false, bootstrap, dht, dhtProtocol, allowPrivate, limit } = options
  // others may come and subscribe, where it is not this side that has to begin
  checkSources({ bootstrap, dht, dhtProtocol })
  const targets = bootstrap == null ? [] : await readTargets(bootstrap)
  const topics = options.pubsub == null ? [] : topicsOf(options.pubsub)
  const services: Record<string, Service> = {}
  if (topics.length > 0) services.pubsub = (await import('./gossip.ts')).gossipService()
  const nodeOptions = await openings({ ...options, topics, targets }, services)
  return { nodeOptions, targets, mdns, topics, dialing: { timeout: TIMEOUT_MS, insecure, allowPrivate, limit } }
}

/** What a node has to be opened with so that it is found; gossipsub comes first where there are topics. */
export async function openings(
  options: Pick<MeetOptions, 'dht' | 'dhtProtocol' | 'allowPrivate'> & Pick<Meeting, 'topics' | 'targets'>,
  first: Record<string, Service>
): Promise<Meeting['nodeOptions']> {
  const { dht, dhtProtocol, topics, targets } = options
  const services = { ...first }
  if (topics.length > 0) services.discovery = await discoveryService(topics, { announce: true })
  if (dht === true) services.dht = (await import('./dht.ts')).dhtService({ protocol: dhtProtocol, serve: true })
  // whom a DHT of the internet names is not sought in the own network
  const isOpen = options.allowPrivate === true || targets.some(({ addr }) => isPrivate(addr))
  // and a name may lead anywhere
  return { services, mayDial: addr => isOpen || (ipOf(headOf(addr)) != null && !isPrivate(addr)) }
}

/** Answers the local network, if that was asked for. Throws Failure. */
export async function openAnswerer(node: Node, { mdns }: Pick<Meeting, 'mdns'>): Promise<AsyncDisposable | null> {
  if (!mdns) return null
  const { openMdns } = await import('./protocols/mdns.ts')
  const { addressManager, transportManager } = node.components
  const addrs = () =>
    [...addressManager.getAnnounceAddrs(), ...transportManager.getAddrs()].map(addr => withPeerId(addr, node.peerId))
  const answerer: Mdns = await openMdns({ fingerprint: node.fingerprint, peerId: node.peerId, addrs })
  await answerer.announce()
  node.libp2p.addEventListener('self:peer:update', () => void answerer.announce())
  return answerer
}

/**
 * Keeps the connections to the named peers for as long as something serves, and gives the events of both, with who
 * else announces itself.
 */
export async function* whileMeeting<T>(
  node: Node,
  { targets, topics, dialing }: Meeting,
  serving: AsyncGenerator<Said, T>
): AsyncGenerator<Said, T> {
  const seen = createRoster([], () => {})
  return yield* alongside(serving, signal => {
    const search = { node, options: { ...dialing, watch: true }, seen, signal }
    const stays = targets.map(target => stayConnected(node, target, dialing, signal))
    return topics.length === 0 ? stays : [...stays, pubsubSource(topics).look(search)]
  })
}

/** Hears what becomes of the dials of one peer. */
export interface Stay {
  met?(connected: Connected): void
  failed?(failure: Failure): void
}

/** Dials a peer, and again when it is away. Whoever serves tells of the connections; a failure is told once in a row. */
export async function* stayConnected(
  node: Node,
  target: Target,
  options: DialOptions,
  signal: AbortSignal,
  { met, failed }: Stay = {}
): AsyncGenerator<Said> {
  let waitMs = FIRST_WAIT_MS
  let told = false
  while (!signal.aborted) {
    const said: Said[] = []
    try {
      const steps = connect(node, target, { ...options, identified: true }, signal)
      let step = await steps.next()
      for (; step.done !== true; step = await steps.next()) {
        if (step.value.type === 'connection.open') continue
        if (told) said.push(step.value)
        else yield step.value
      }
      yield* said
      met?.(step.value)
      const { connection } = step.value
      await node.libp2p.peerStore.merge(connection.remotePeer, { tags: TAG })
      waitMs = FIRST_WAIT_MS
      told = false
      const closed = new AbortController()
      connection.addEventListener('close', () => closed.abort())
      if (connection.status === 'open') await untilAborted(AbortSignal.any([signal, closed.signal]))
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Failure)) throw error
      if (!told) yield failureEvent(error, target)
      told = true
      failed?.(error)
    }
    await pause(waitMs, signal)
    waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)
  }
}

function untilAborted(signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
