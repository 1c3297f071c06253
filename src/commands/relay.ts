import { accessOf } from '../access.ts'
import type { Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { type MeetOptions, openAnswerer, prepareMeeting, whileMeeting } from '../meet.ts'
import { openNode } from '../node.ts'
import { relayServer } from '../protocols/hop.ts'
import { endNode, listenAddrs, listenOnAll, MAX_WAITING, type ServeOptions, serve } from '../serve.ts'
import { DISCOVERY_TOPIC, topicsOf } from '../sources/pubsub.ts'

export interface Options extends ServeOptions, MeetOptions {
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
}

/** How often open circuits are reported on. */
const TRAFFIC_MS = 1000

export default async function* relay(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const addrs = listenAddrs(options)
  const mayUse = accessOf(options)
  const topics = options.pubsub == null ? [] : topicsOf(options.pubsub)
  // on other topics an announcement would be a message that nobody understands
  const announced = topics.filter(topic => topic.endsWith(DISCOVERY_TOPIC))
  const meeting = await prepareMeeting({ ...options, pubsub: announced.length > 0 ? announced : undefined })
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
    ...meeting.nodeOptions,
    services: { ...meeting.nodeOptions.services, ping: ping(), relay: server, ...forwarding?.services },
    mayConnect: () => queue.size < MAX_WAITING,
    maxConnections: 1024
  })
  yield { type: 'run.start', peer_id: node.peerId }
  forwarding?.start(node)
  await listenOnAll(node, addrs, options)
  await using _ = await openAnswerer(node, meeting)
  const connections = yield* whileMeeting(node, meeting, serve(node, queue, options, signal))
  yield* endNode(node, queue)
  yield { type: 'run.summary', ok: true, connections }
}
