/** The peer that a page is: what `p2pctl listen --circuit RELAY --webrtc --pubsub` is in a terminal. */
import { parseTarget } from '../addr.ts'
import { connect } from '../connect.ts'
import { errorEvent, Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { gossipOf, gossipService } from '../gossip.ts'
import { type Node, openNode } from '../node.ts'
import { contentOf } from '../payload.ts'
import { receiveItems, SEND_PROTOCOL, sendHandlerOptions, sendItem } from '../protocols/send.ts'
import { keep, reserve } from '../reserve.ts'
import { discoveryService } from '../sources/pubsub.ts'
import type { Target } from '../targets.ts'
import { ownAddrs, watch } from '../watch.ts'
import { listenOverWebrtc } from '../webrtc.ts'
import { echo } from '@libp2p/echo'
import { ping } from '@libp2p/ping'

export interface PeerOptions {
  /** The multiaddr of the relay to be reachable through. */
  relay: string | null
  /** Peers announce themselves on these. */
  discovery: string[]
  /** Messages are shown that come on these. */
  topics: string[]
}

export interface PagePeer {
  readonly node: Node
  readonly peerId: string
  /** Dials an address; what came of it is said. */
  connect(addr: string): Promise<void>
  hangUp(peerId: string): Promise<void>
  /** Over /p2pctl/send/1.0.0; confirmed once it is said to be. */
  send(peerId: string, text: string): Promise<void>
  echo(peerId: string, text: string): Promise<void>
  sendFile(peerId: string, file: File): Promise<void>
  subscribe(topic: string): Promise<void>
  unsubscribe(topic: string): Promise<void>
  publish(topic: string, text: string): Promise<void>
  useRelay(addr: string | null): Promise<void>
  /** Forgets a received file. */
  discard(path: string): void
  stop(): Promise<void>
}

const DIALING = { timeout: 10_000, identified: true }

export async function openPeer(
  options: PeerOptions,
  say: (event: Said) => void,
  signal: AbortSignal
): Promise<PagePeer> {
  const { relay, discovery } = options
  const queue = createQueue<Said>()
  const node = await openNode({
    security: ['noise'],
    muxer: ['yamux'],
    services: {
      pubsub: gossipService(),
      ...(discovery.length > 0 && { discovery: await discoveryService(discovery, { announce: true }) }),
      ping: ping(),
      echo: echo({ runOnLimitedConnection: true })
    }
  })
  say({ type: 'run.start', peer_id: node.peerId })
  const onMessage = async ({ peerId, protocol, bytes }: { peerId: string; protocol: string; bytes: Uint8Array }) =>
    say({ type: 'message.received', peer_id: peerId, protocol, ...contentOf(bytes) })
  await node.libp2p.handle(SEND_PROTOCOL, receiveItems({ maxMessageBytes: 1 << 20, onMessage }), sendHandlerOptions)
  watch(
    node,
    queue,
    signal,
    () => {},
    () => {}
  )
  await listenOverWebrtc(node)
  void drain(queue.items(signal))
  if (relay != null) void drain(stayReachable(targetOf(relay)))

  async function drain(events: AsyncIterable<Said>): Promise<void> {
    try {
      for await (const event of events) say(event)
    } catch (error) {
      if (signal.aborted) return
      say(errorEvent(failureOf(error)))
    }
  }
  async function* stayReachable(target: Target): AsyncGenerator<Said> {
    const held = yield* reserve(node, target, DIALING, signal)
    yield { type: 'listen.addrs', addrs: ownAddrs(node) }
    yield* keep(node, held, DIALING, signal)
  }
  const connectionTo = (peerId: string) => {
    const open = node.libp2p.getConnections().filter(one => one.remotePeer.toString() === peerId)
    const best = open.find(one => one.limits == null) ?? open[0]
    if (best == null) throw new Failure('no_addresses', `not connected to ${peerId}`)
    return best
  }
  return {
    node,
    peerId: node.peerId,
    connect: async addr => {
      await drain(connect(node, targetOf(addr), DIALING, signal))
    },
    hangUp: async peerId => {
      await connectionTo(peerId).close()
    },
    send: async (peerId, text) => {
      const bytes = new TextEncoder().encode(text)
      const source = (async function* () {
        yield bytes
      })()
      await drain(sendItem(connectionTo(peerId), { kind: 'message', size: bytes.length, source }, signal))
    },
    echo: async () => {},
    sendFile: async () => {},
    subscribe: async topic => gossipOf(node).subscribe(topic),
    unsubscribe: async topic => gossipOf(node).unsubscribe(topic),
    useRelay: async () => {},
    discard: () => {},
    stop: async () => await node[Symbol.asyncDispose](),
    publish: async (topic, text) => {
      await gossipOf(node).publish(topic, new TextEncoder().encode(text))
    }
  }
}

function targetOf(text: string): Target {
  const { addr, peerId } = parseTarget(text)
  if (addr == null) throw new Failure('no_addresses', `${text} says who, and not where`)
  return { text, addr, peerId } as unknown as Target
}

function failureOf(error: unknown): Failure {
  return error instanceof Failure ? error : new Failure('internal', String(error), { cause: error })
}
