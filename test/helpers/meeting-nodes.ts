import { gossipsub } from '@libp2p/gossipsub'
import { pubsubPeerDiscovery } from '@libp2p/pubsub-peer-discovery'
import { type PlainNode, plainNode } from './plain-node.ts'
import type { PeerInfo } from '@libp2p/interface'

/** Resolves once a node hears of a peer over pubsub, with the addresses that it is said to have. */
export function hears(node: PlainNode, peerId: string): Promise<string[]> {
  // not peer:discovery of the node: libp2p 3.3 does not listen to this service
  const { discovery } = node.services as unknown as { discovery: EventTarget }
  return new Promise(resolve => {
    discovery.addEventListener('peer', event => {
      const { id, multiaddrs } = (event as CustomEvent<PeerInfo>).detail
      if (id.toString() === peerId) resolve(multiaddrs.map(String))
    })
  })
}

/** A js-libp2p node that announces itself over pubsub, four times a second. */
export async function announcingNode(topics?: string[]): Promise<PlainNode> {
  const services = {
    pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }),
    discovery: pubsubPeerDiscovery({ interval: 250, ...(topics && { topics }) })
  }
  return (await plainNode({ services: services as never })) as unknown as PlainNode
}
