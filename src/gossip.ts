/** gossipsub, as this project sets it up. Import it when it is needed: it is heavy. */
import { type GossipSub, gossipsub, StrictNoSign, StrictSign } from '@libp2p/gossipsub'
import type { Components, Node } from './node.ts'

export interface GossipOptions {
  /** False: messages name no sender and carry no signature, and only such are taken (StrictNoSign). */
  sign?: boolean | undefined
  /** The largest message that is taken, in bytes; a peer that sends a larger one is heard no more. */
  maxMessageBytes?: number | undefined
  /** Deliver what this node publishes to itself too, where it subscribes. */
  emitSelf?: boolean | undefined
}

/** What the service can do beside its published interface. */
export interface Gossip extends GossipSub {
  getMeshPeers(topic: string): string[]
  getScore(peerId: string): number
}

/**
 * What gossipsub 17 takes, and so the most that is sent: it reads frames of up to 4 MiB, which hold the envelope
 * (sender, key, signature, topic) too. go-libp2p takes 1 MiB unless it is told otherwise.
 */
export const MAX_MESSAGE_BYTES = 4 * 2 ** 20 - 8192
/** Room for the envelope within a frame. */
const ENVELOPE_BYTES = 8192

/**
 * Creates the service; put it into the services of a node as `pubsub`. It hears of a peer once somebody tells the node
 * who that is: see identified.ts.
 */
export function gossipService(options: GossipOptions = {}): (components: Components) => GossipSub {
  return gossipsub({
    globalSignaturePolicy: options.sign === false ? StrictNoSign : StrictSign,
    emitSelf: options.emitSelf ?? false,
    maxInboundDataLength: (options.maxMessageBytes ?? MAX_MESSAGE_BYTES) + ENVELOPE_BYTES,
    // over a relay too: without it a peer that nobody can dial hears of no topic
    runOnLimitedConnection: true
  })
}

/** The service of a node that was opened with it. */
export function gossipOf(node: Node): Gossip {
  return (node.libp2p.services as Record<string, unknown>).pubsub as Gossip
}
