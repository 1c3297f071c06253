import { type KadDHT, type KadDHTInit, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { addrOf, type PlainNode, plainNode } from './plain-node.ts'

export type DhtNode = PlainNode<{ dht: KadDHT; ping: Ping }>

/** A plain js-libp2p node that is part of a DHT; it takes any record of /v. */
export async function dhtNode(init: Partial<KadDHTInit> = {}): Promise<DhtNode> {
  const dht = kadDHT({
    protocol: '/ipfs/kad/1.0.0',
    clientMode: false,
    // with the default one every call times out on private addresses
    peerInfoMapper: passthroughMapper,
    allowQueryWithZeroPeers: true,
    validators: { v: async () => {}, ipns: async () => {} },
    selectors: { v: () => 0, ipns: () => 0 },
    ...init
  })
  return await plainNode<{ dht: KadDHT; ping: Ping }>({
    services: { dht: dht as never, ping: ping() },
    circuit: false
  })
}

/** Nodes of one DHT, each acquainted with the one before it: what the first one wants to know, it has to ask for. */
export async function dhtChain(count: number, init: Partial<KadDHTInit> = {}): Promise<DhtNode[] & AsyncDisposable> {
  const nodes: DhtNode[] = []
  for (let i = 0; i < count; i++) {
    const node = await dhtNode(init)
    const before = nodes.at(-1)
    nodes.push(node)
    if (before != null) await acquaint(before, node)
  }
  return Object.assign(nodes, {
    [Symbol.asyncDispose]: async () => {
      await Promise.all(nodes.map(node => node.stop()))
    }
  })
}

/** Connects two nodes, and waits until each has the other one in its routing table. */
export async function acquaint(one: DhtNode, other: DhtNode): Promise<void> {
  const both = [knows(one, other.peerId.toString()), knows(other, one.peerId.toString())]
  await one.dial(multiaddr(addrOf(other)))
  await Promise.all(both)
}

/** Resolves as soon as a node has a peer in its routing table. */
export function knows({ services }: { services: { dht: unknown } }, peerId: string): Promise<void> {
  const { routingTable } = services.dht as { routingTable: EventTarget }
  return new Promise(resolve => {
    routingTable.addEventListener('peer:add', event => {
      if ((event as CustomEvent).detail.toString() === peerId) resolve()
    })
  })
}
