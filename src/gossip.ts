/** gossipsub, as this project sets it up. Import it when it is needed: it is heavy. */
import { type GossipSub, gossipsub, StrictNoSign, StrictSign } from '@libp2p/gossipsub'
import type { MetricsRegister } from '@libp2p/gossipsub/metrics'
import type { Event } from './events.ts'
import type { Components, Node } from './node.ts'

export interface GossipOptions {
  /** False: messages name no sender and carry no signature, and only such are taken (StrictNoSign). */
  sign?: boolean | undefined
  /** The largest message that is taken, in bytes; gossipsub hears no more of a peer that sends a larger one. */
  maxMessageBytes?: number | undefined
  /** Deliver what this node publishes to itself too, where it subscribes. */
  emitSelf?: boolean | undefined
  /** Forward each message to every subscriber at once, and not to a mesh of a few: for a peer that many have alone. */
  forwardToAll?: boolean | undefined
  /** Hears why something was not taken; unreadable: a stream failed, be it over a frame that is too large or a reset. */
  rejected?: ((reason: Rejection) => void) | undefined
}

export type Rejection = Event<'pubsub.reject'>['reason']

/** What the service can do beside its published interface. */
export interface Gossip extends GossipSub {
  /** By peer ID, those that something can be sent to. */
  readonly streamsOutbound: ReadonlyMap<string, unknown>
  getMeshPeers(topic: string): string[]
  getScore(peerId: string): number
}

/** Room for the sender, the key, the signature and the topic in the frame of a message. */
const ENVELOPE_BYTES = 8192

/**
 * The largest message that js-libp2p sends and takes: a frame is 4 MiB at most. A larger one is not sent, in silence;
 * and whoever sends one is not heard any more, in silence (gossipsub 17). go-libp2p takes frames of 1 MiB.
 */
export const MAX_MESSAGE_BYTES = 4 * 2 ** 20 - ENVELOPE_BYTES

/** What may wait for a peer that reads slowly, before it is cut off: gossipsub itself knows no end (17). */
const MAX_OUTBOUND_BYTES = 4 * MAX_MESSAGE_BYTES
/** More than a relay has connections. */
const EVERYBODY = 4096

/**
 * Creates the service; put it into the services of a node as `pubsub`. It hears of a peer once somebody tells the node
 * who that is: see identified.ts.
 */
export function gossipService(options: GossipOptions = {}): (components: Components) => GossipSub {
  return gossipsub({
    globalSignaturePolicy: options.sign === false ? StrictNoSign : StrictSign,
    emitSelf: options.emitSelf ?? false,
    maxInboundDataLength: (options.maxMessageBytes ?? MAX_MESSAGE_BYTES) + ENVELOPE_BYTES,
    maxOutboundBufferSize: MAX_OUTBOUND_BYTES,
    // over a relay too: without it a peer that nobody can dial hears of no topic
    runOnLimitedConnection: true,
    // it turns away from the eleventh peer of one address on, and a classroom behind one NAT is no attack
    scoreParams: { IPColocationFactorWeight: 0 },
    ...(options.forwardToAll === true && { D: EVERYBODY, Dlo: EVERYBODY, Dhi: EVERYBODY }),
    ...(options.rejected != null && {
      metricsRegister: rejections(options.rejected),
      metricsTopicStrToLabel: new Map<string, string>()
    })
  })
}

/** The service of a node that was opened with it. */
export function gossipOf(node: Node): Gossip {
  return (node.libp2p.services as Record<string, unknown>).pubsub as Gossip
}

/** What gossipsub does not take it tells nobody but its metrics. */
function rejections(rejected: (reason: Rejection) => void): MetricsRegister {
  const reasons: Record<string, Rejection> = {
    gossipsub_rpc_data_err_count_total: 'malformed',
    gossipsub_peer_read_stream_err_count_total: 'unreadable',
    gossipsub_rpc_rcv_not_accepted_total: 'bad_score'
  }
  const nothing = (): void => {}
  const gauge = ({ name }: { name: string }) => ({
    inc:
      name === 'gossipsub_msg_received_invalid_total'
        ? ({ error }: { error: Rejection }) => rejected(error)
        : name in reasons
          ? () => rejected(reasons[name]!)
          : nothing,
    set: nothing,
    addCollect: nothing
  })
  const histogram = () => ({ startTimer: () => nothing, observe: nothing, reset: nothing })
  return { gauge, histogram, avgMinMax: () => ({ set: nothing }) } as unknown as MetricsRegister
}
