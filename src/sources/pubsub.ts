import type { GossipSub } from '@libp2p/gossipsub'
import type { PeerDiscovery, PeerInfo } from '@libp2p/interface'
import type { PubSubPeerDiscoveryComponents } from '@libp2p/pubsub-peer-discovery'
import { createQueue, merge, pause } from '../flow.ts'
import type { Components } from '../node.ts'
import { type Source, withDials } from './source.ts'

/** https://github.com/libp2p/js-libp2p-pubsub-peer-discovery */
export const DISCOVERY_TOPIC = '_peer-discovery._p2p._pubsub'

/** What --pubsub [topic...] names. */
export function topicsOf(pubsub: string[] | true): string[] {
  return pubsub === true ? [DISCOVERY_TOPIC] : pubsub
}

/** Peers announce themselves every 10 s: one of them is heard in this time. */
const LOOK_MS = 15_000
const LOOK_AGAIN_MS = 5000
/** A peer that has missed three of its own announcements is gone. */
const SILENT_MS = 35_000
/** @libp2p/pubsub-peer-discovery 12.0 hears nothing with `listenOnly`; this is as long as a timer can be. */
const NEVER_MS = 2 ** 31 - 1

/** Who announces itself on a topic of gossipsub; this node itself does not. */
export function pubsubSource(topics: string[]): Source {
  const name = 'pubsub'
  let gossip: GossipSub | undefined
  let discovery: PeerDiscovery | undefined
  return {
    name,
    lookMs: LOOK_MS,
    services: async () => {
      const services = await discoveryServices(topics, NEVER_MS)
      return {
        pubsub: components => (gossip = services.pubsub(components)),
        discovery: components => (discovery = services.discovery(components))
      }
    },
    report() {
      const peers = gossip?.getPeers().length ?? 0
      if (peers === 0) return 'none of the connected peers speaks gossipsub'
      const subscribed = new Set(topics.flatMap(topic => gossip!.getSubscribers(topic).map(String))).size
      return `nobody announced itself on ${topics.join(', ')}; ${subscribed} of ${peers} connected peers subscribe to it`
    },
    async *look(search) {
      const { node, options, seen, signal } = search
      const heard = createQueue<PeerInfo>()
      const lastHeard = new Map<string, number>()
      const hear = ({ detail }: CustomEvent<PeerInfo>): void => void heard.push(detail)
      discovery!.addEventListener('peer', hear)
      const leaving = async function* () {
        while (options.watch === true && (await pause(LOOK_AGAIN_MS, signal))) {
          for (const [peerId, at] of lastHeard) {
            if (performance.now() - at < SILENT_MS) continue
            lastHeard.delete(peerId)
            yield* seen.lose(peerId, [name])
          }
        }
      }
      yield* withDials(name, search, async function* (tell) {
        const hearing = async function* () {
          for await (const { id, multiaddrs } of heard.items(signal)) {
            const peerId = id.toString()
            lastHeard.set(peerId, performance.now())
            // it came over somebody: as far as that one is
            const toldBy = node.libp2p.getConnections()[0]?.remoteAddr ?? null
            yield* tell({ peerId, addrs: multiaddrs, toldBy })
          }
        }
        yield* merge([hearing(), leaving()])
      })
      discovery!.removeEventListener('peer', hear)
    }
  }
}

/** What a node needs to be found over pubsub, or to hear of others. */
export async function discoveryServices(topics: string[], intervalMs: number) {
  const [{ gossipService }, { pubsubPeerDiscovery }] = await Promise.all([
    import('../gossip.ts'),
    import('@libp2p/pubsub-peer-discovery')
  ])
  const discovery = pubsubPeerDiscovery({ topics, interval: intervalMs })
  return {
    pubsub: gossipService(),
    discovery: (components: Components) => discovery(components as unknown as PubSubPeerDiscoveryComponents)
  }
}
