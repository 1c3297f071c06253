/** How a node that listens is found by others: what `listen` and `relay` do besides waiting. */
import { scopeOf, withPeerId } from './addr.ts'
import { connect } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said } from './events.ts'
import { merge, pause } from './flow.ts'
import type { Node, NodeOptions } from './node.ts'
import type { Mdns } from './protocols/mdns.ts'
import { checkSources } from './sources/named.ts'
import { discoveryServices, topicsOf } from './sources/pubsub.ts'
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
}

export interface Meeting {
  /** What the node has to be opened with. */
  nodeOptions: Pick<NodeOptions, 'services' | 'mayDial'>
  targets: Target[]
  mdns: boolean
  insecure: boolean
}

const TIMEOUT_MS = 10_000
/** As js-libp2p's own. */
const ANNOUNCE_MS = 10_000
/** Between two tries to connect to a peer that is away; it doubles. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** Keeps the connection when libp2p closes some for want of room. */
const TAG = { 'p2pctl-bootstrap': { value: 50 } }

/** Reads the options, before there is a node. */
export async function prepareMeeting(options: MeetOptions): Promise<Meeting> {
  const { mdns = false, insecure = false, bootstrap, dht, dhtProtocol, pubsub } = options
  // others may come and subscribe, where it is not this side that has to begin
  checkSources({ bootstrap, dht, dhtProtocol })
  const targets = bootstrap == null ? [] : await readTargets(bootstrap)
  const services: NodeOptions['services'] = {}
  if (dht === true) services.dht = (await import('./dht.ts')).dhtService({ protocol: dhtProtocol, serve: true })
  if (pubsub != null) Object.assign(services, await discoveryServices(topicsOf(pubsub), ANNOUNCE_MS))
  // whom a DHT of the internet names is not sought in the own network
  const isPrivate = targets.some(({ addr }) => scopeOf(addr) === 'private')
  const mayDial: NodeOptions['mayDial'] = addr => isPrivate || scopeOf(addr) !== 'private'
  return { nodeOptions: { services, mayDial }, targets, mdns, insecure }
}

/** Answers the local network, if that was asked for. Throws Failure. */
export async function openAnswerer(node: Node, { mdns }: Meeting): Promise<AsyncDisposable | null> {
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

/** Keeps the connections to the named peers for as long as something serves, and gives the events of both. */
export async function* whileMeeting<T>(
  node: Node,
  { targets, insecure }: Meeting,
  serving: AsyncGenerator<Said, T>
): AsyncGenerator<Said, T> {
  const over = new AbortController()
  let result: T
  const untilEnd = async function* (): AsyncGenerator<Said> {
    try {
      result = yield* serving
    } finally {
      over.abort()
    }
  }
  yield* merge([untilEnd(), ...targets.map(target => stayConnected(node, target, insecure, over.signal))])
  return result!
}

/** Dials a peer, and again when it is away. Whoever serves tells of the connections; a failure is told once in a row. */
async function* stayConnected(
  node: Node,
  target: Target,
  insecure: boolean,
  signal: AbortSignal
): AsyncGenerator<Said> {
  let waitMs = FIRST_WAIT_MS
  let told = false
  while (!signal.aborted) {
    const dialing = connect(node, target, { timeout: TIMEOUT_MS, identified: true, insecure }, signal)
    try {
      let step = await dialing.next()
      for (; step.done !== true; step = await dialing.next()) {
        if (step.value.type === 'dial.attempt' && step.value.certificate_checked === false) yield step.value
      }
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
