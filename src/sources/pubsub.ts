import type { PeerInfo } from '@libp2p/interface'
import type { PubSubPeerDiscovery, PubSubPeerDiscoveryComponents } from '@libp2p/pubsub-peer-discovery'
import type { Multiaddr } from '@multiformats/multiaddr'
import { addrIn, isPrivate } from '../addr.ts'
import { createQueue, merge, pause } from '../flow.ts'
import type { Gossip } from '../gossip.ts'
import type { Components, Node } from '../node.ts'
import { type Source, withDials } from './source.ts'

/** https://github.com/libp2p/js-libp2p-pubsub-peer-discovery */
export const DISCOVERY_TOPIC = '_peer-discovery._p2p._pubsub'

/** What --pubsub [topic...] names. */
export function topicsOf(pubsub: string[] | true): string[] {
  return pubsub === true ? [DISCOVERY_TOPIC] : pubsub
}

/** As js-libp2p's own. */
const ANNOUNCE_MS = 10_000
/** One of them is heard in this time. */
const LOOK_MS = 15_000
const LOOK_AGAIN_MS = 5000
/** A peer that has missed three of its own announcements is gone. */
const SILENT_MS = 35_000
/** @libp2p/pubsub-peer-discovery 12.0 hears nothing with `listenOnly`; this is as long as a timer can be. */
const NEVER_MS = 2 ** 31 - 1
/** Announcements that wait to be looked at. More are lost, and come again. */
const MAX_WAITING = 1000

/** Who announces itself on topics of gossipsub. The node has to be opened with the services of one who hears. */
export function pubsubSource(topics: string[]): Source {
  const name = 'pubsub'
  let gossip: Gossip | undefined
  return {
    name,
    lookMs: LOOK_MS,
    services: async () => ({
      pubsub: (await import('../gossip.ts')).gossipService(),
      discovery: await discoveryService(topics, { announce: false })
    }),
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
      const hear = ({ detail }: CustomEvent<PeerInfo>): void => {
        if (heard.size < MAX_WAITING) void heard.push(detail)
      }
      const services = node.libp2p.services as unknown as { pubsub: Gossip; discovery: PubSubPeerDiscovery }
      gossip = services.pubsub
      services.discovery.addEventListener('peer', hear)
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
            const toldBy = farthest(node)
            if (toldBy == null) continue
            lastHeard.set(peerId, performance.now())
            yield* tell({ peerId, addrs: multiaddrs.flatMap(addr => addrIn(addr.bytes)), toldBy })
          }
        }
        yield* merge([hearing(), leaving()])
      })
      services.discovery.removeEventListener('peer', hear)
    }
  }
}

/** Whom an announcement came over nobody says: as far away as any of them is. Null where nobody is connected. */
function farthest(node: Node): Multiaddr | null {
  const addrs = node.libp2p.getConnections().map(({ remoteAddr }) => remoteAddr)
  return addrs.find(addr => !isPrivate(addr)) ?? addrs[0] ?? null
}

/**
 * What a node needs beside gossipsub, which has to come first among its services, to hear of peers, and to announce
 * itself if it is to be found: every 10 s, and as soon as somebody new can be sent to or is heard,
 * or its own addresses change.
 */
export async function discoveryService(topics: string[], { announce }: { announce: boolean }) {
  const { PubSubPeerDiscovery } = await import('@libp2p/pubsub-peer-discovery')
  return (components: Components): PubSubPeerDiscovery => {
    const { peerId, addressManager, logger, events, pubsub: gossip } = components as unknown as Parts
    const pubsub = {
      subscribe: (topic: string) => gossip.subscribe(topic),
      unsubscribe: (topic: string) => gossip.unsubscribe(topic),
      getSubscribers: (topic: string) => gossip.getSubscribers(topic),
      addEventListener: gossip.addEventListener.bind(gossip),
      removeEventListener: gossip.removeEventListener.bind(gossip),
      // it leaves the promise alone, which rejects where all subscribers have a bad score (pubsub-peer-discovery 12.0)
      publish: (topic: string, bytes: Uint8Array) => void gossip.publish(topic, bytes).catch(() => {})
    }
    const interval = announce ? ANNOUNCE_MS : NEVER_MS
    const parts = { peerId, addressManager, logger, pubsub } as unknown as PubSubPeerDiscoveryComponents
    const discovery = new PubSubPeerDiscovery(parts, { topics, interval })
    let told = new Set<string>()
    const heard = new Set<string>()
    let answers = false
    // so that who is new hears of us in turn, though a peer in between passes both announcements on
    const hear = ({ detail: { id } }: CustomEvent<PeerInfo>): void => {
      answers ||= !heard.has(id.toString())
      heard.add(id.toString())
      if (heard.size > MAX_WAITING) heard.delete(heard.values().next().value!)
    }
    const tellNew = (): void => {
      const subscribers = new Set(topics.flatMap(topic => gossip.getSubscribers(topic)).map(String))
      const reached = new Set([...subscribers].filter(id => gossip.streamsOutbound.has(id)))
      if (answers || [...reached].some(id => !told.has(id))) discovery._broadcast()
      told = reached
      answers = false
    }
    // once a second at most, however many come
    if (announce) gossip.addEventListener('gossipsub:heartbeat', tellNew)
    if (announce) discovery.addEventListener('peer', hear)
    // who has its first reservation was announced without any address before
    if (announce) events.addEventListener('self:peer:update', () => discovery.isStarted() && discovery._broadcast())
    return discovery
  }
}

type Parts = Omit<PubSubPeerDiscoveryComponents, 'pubsub'> & Pick<Components, 'events'> & { pubsub: Gossip }
