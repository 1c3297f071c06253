import { accessOf } from '../access.ts'
import type { Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { openNode } from '../node.ts'
import { relayServer } from '../protocols/hop.ts'
import { endNode, listenAddrs, listenOnAll, MAX_WAITING, type ServeOptions, serve } from '../serve.ts'

export interface Options extends ServeOptions {
  maxReservations: number
  /** In ms. */
  ttl: number
  limitDuration: number
  /** In bytes, each way. */
  limitData: number
  /** False takes both limits away. */
  limits?: boolean
  maxCircuits?: number
  maxCircuitsPerPeer?: number
  maxReservationsPerIp?: number
  /** Peer IDs, IP addresses and CIDR blocks. */
  allow?: string[]
  deny?: string[]
  /** Topics to forward; true for that of peer discovery. */
  pubsub?: string[] | true
}

/** How often open circuits are reported on. */
const TRAFFIC_MS = 1000
/** Where peers that find each other by pubsub say where they are: https://github.com/libp2p/js-libp2p-pubsub-peer-discovery */
const DISCOVERY_TOPIC = '_peer-discovery._p2p._pubsub'

export default async function* relay(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const addrs = listenAddrs(options)
  const mayUse = accessOf(options)
  const topics = options.pubsub === true ? [DISCOVERY_TOPIC] : (options.pubsub ?? [])
  const { ping } = await import('@libp2p/ping')
  const queue = createQueue<Said>()
  const forwarding = topics.length === 0 ? null : (await import('../forward.ts')).forwarder(topics, queue)
  const server = relayServer({
    maxReservations: options.maxReservations,
    ttlMs: options.ttl,
    limitDurationMs: options.limits === false ? 0 : options.limitDuration,
    limitDataBytes: options.limits === false ? 0 : options.limitData,
    maxCircuits: options.maxCircuits,
    maxCircuitsPerPeer: options.maxCircuitsPerPeer,
    maxReservationsPerIp: options.maxReservationsPerIp,
    mayUse,
    trafficMs: TRAFFIC_MS,
    report: event => void queue.push(event)
  })
  await using node = await openNode({
    ...options,
    services: { ping: ping(), relay: server, ...forwarding?.services },
    mayConnect: () => queue.size < MAX_WAITING,
    maxConnections: 1024
  })
  yield { type: 'run.start', peer_id: node.peerId }
  forwarding?.start(node)
  await listenOnAll(node, addrs, options)
  const connections = yield* serve(node, queue, options, signal)
  yield* endNode(node, queue)
  yield { type: 'run.summary', ok: true, connections }
}
