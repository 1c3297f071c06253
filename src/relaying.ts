/** A node that is a relay for others and forwards topics between them: what `relay` and `browser` run. */
import { accessOf } from './access.ts'
import type { Said } from './events.ts'
import { createQueue, whereThereIsRoom } from './flow.ts'
import { type MeetOptions, openAnswerer, prepareMeeting, whileMeeting } from './meet.ts'
import type { Node, NodeOptions } from './node.ts'
import { relayServer } from './protocols/hop.ts'
import { pong } from './protocols/pong.ts'
import { endNode, listenAddrs, listenOnAll, MAX_WAITING, type ServeHooks, type ServeOptions, serve } from './serve.ts'
import { DISCOVERY_TOPIC, topicsOf } from './sources/pubsub.ts'

/** How much a relay gives, and to whom. */
export interface RelayRules {
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

export interface RelayOptions extends RelayRules, ServeOptions, MeetOptions {}

export interface Relaying {
  nodeOptions: NodeOptions
  /** Listens, once the node is there. Throws Failure. */
  listen(node: Node): Promise<void>
  /** Says what happens until the signal, then ends the node; gives the number of inbound connections. */
  serve(node: Node, signal: AbortSignal, hooks?: ServeHooks): AsyncGenerator<Said, number>
  /** For what else is to be said meanwhile. */
  push(event: Said): Promise<void>
}

/** How often open circuits are reported on. */
const TRAFFIC_MS = 1000

/** Reads the options, before there is a node. Throws Failure. */
export async function prepareRelay(options: RelayOptions): Promise<Relaying> {
  const addrs = listenAddrs(options)
  const mayUse = accessOf(options)
  const topics = options.pubsub == null ? [] : topicsOf(options.pubsub)
  // on other topics an announcement would be a message that nobody understands
  const announced = topics.filter(topic => topic.endsWith(DISCOVERY_TOPIC))
  const meeting = await prepareMeeting({ ...options, pubsub: announced.length > 0 ? announced : undefined })
  const queue = createQueue<Said>()
  const forwarding = topics.length === 0 ? null : (await import('./forward.ts')).forwarder(topics, queue)
  const relay = relayServer({
    maxReservations: options.maxReservations,
    ttlMs: options.ttl,
    limitDurationMs: options.limits === false ? 0 : options.limitDuration,
    limitDataBytes: options.limits === false ? 0 : options.limitData,
    maxCircuits: options.maxCircuits,
    maxCircuitsPerPeer: options.maxCircuitsPerPeer,
    maxReservationsPerIp: options.maxReservationsPerIp,
    exemptLoopback: options.limit?.['exempt-loopback'] !== 0,
    mayUse,
    trafficMs: TRAFFIC_MS,
    report: event => void queue.push(event),
    isBusy: () => queue.size >= MAX_WAITING
  })
  return {
    nodeOptions: {
      ...options,
      ...meeting.nodeOptions,
      services: { ...meeting.nodeOptions.services, ping: pong(), relay, ...forwarding?.services },
      mayConnect: () => queue.size < MAX_WAITING,
      onRefused: whereThereIsRoom(queue),
      limit: { connections: 1024, ...options.limit }
    },
    push: queue.push,
    async listen(node) {
      forwarding?.start(node)
      await listenOnAll(node, addrs, options)
    },
    async *serve(node, signal, hooks) {
      await using _ = await openAnswerer(node, meeting)
      const connections = yield* whileMeeting(node, meeting, serve(node, queue, options, signal, hooks))
      yield* endNode(node, queue)
      return connections
    }
  }
}
