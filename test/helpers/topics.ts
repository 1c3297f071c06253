import { type GossipSub, type GossipsubMessage, gossipsub, type GossipsubOpts } from '@libp2p/gossipsub'
import { RPC } from '@libp2p/gossipsub/message'
import { type IdentifyInit, identify } from '@libp2p/identify'
import { multiaddr } from '@multiformats/multiaddr'
import type { Gossip } from '../../src/gossip.ts'
import { frame } from '../../src/protocols/framing.ts'
import { plainNode } from './plain-node.ts'

/** A plain js-libp2p node with gossipsub, and what has come to it. */
export async function topicNode(options: Partial<GossipsubOpts> = {}, listen?: string[], asks: IdentifyInit = {}) {
  const services = { pubsub: gossipsub({ runOnLimitedConnection: true, ...options }), identify: identify(asks) }
  const node = await plainNode<{ pubsub: GossipSub }>({ services, identify: false, ...(listen && { listen }) })
  const { pubsub } = node.services
  const inner = pubsub as Gossip
  const received: GossipsubMessage[] = []
  const changed = new Set<() => void>()
  const wake = (): void => {
    for (const resume of changed) resume()
    changed.clear()
  }
  pubsub.addEventListener('gossipsub:message', ({ detail }) => {
    received.push(detail)
    wake()
  })
  for (const type of ['subscription-change', 'gossipsub:graft', 'gossipsub:heartbeat'] as const) {
    pubsub.addEventListener(type, wake)
  }
  const until = async (holds: () => boolean): Promise<void> => {
    while (!holds()) await new Promise<void>(resume => changed.add(resume))
  }
  return Object.assign(node, {
    pubsub,
    id: node.peerId.toString(),
    received,
    /** Resolves once something holds; looked at whenever gossipsub has something to say. */
    until,
    meet: async (addr: string) => await node.dial(multiaddr(addr)),
    /** Resolves once so many peers subscribe to the topic, and can be sent to. */
    subscribers: (topic: string, count: number) =>
      until(() => pubsub.getSubscribers(topic).filter(id => inner.streamsOutbound.has(`${id}`)).length >= count),
    /** Resolves once so many peers are in the own mesh for the topic. */
    meshed: (topic: string, count: number) => until(() => inner.getMeshPeers(topic).length >= count),
    async texts(count: number): Promise<string[]> {
      await until(() => received.length >= count)
      return received.map(({ msg }) => Buffer.from(msg.data).toString())
    },
    publish: async (topic: string, data: string | Uint8Array) => await pubsub.publish(topic, Buffer.from(data))
  })
}

/** What a peer can say on a stream of gossipsub, as bytes. */
export function rpc(message: Partial<RPC>): Uint8Array {
  return frame(RPC.encode({ subscriptions: [], messages: [], ...message }))
}
