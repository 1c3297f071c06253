/** What our own identify learned, for the services of a node that wait for libp2p's. */
import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { timeLimit } from './limit.ts'
import type { Node } from './node.ts'
import { type Identity, identify } from './protocols/identify.ts'

/**
 * Tells the services of a node (gossipsub, kad-dht) that a peer has said who it is. libp2p calls the topologies that
 * they register only at `peer:identify`, which its own identify sends and ours does not (libp2p 3.3); and at the end
 * of the connection only for the protocols that the peer store has. Does nothing where no service waits for any of
 * the peer's protocols.
 */
export async function tellIdentity(node: Node, connection: Connection, identity: Identity): Promise<void> {
  const { registrar, peerStore, events } = node.components
  const { protocols, agent_version: agent, protocol_version: version } = identity
  if (!protocols.some(protocol => registrar.getTopologies(protocol).length > 0)) return
  const { remotePeer } = connection
  const record = identity.signed_record?.valid === true ? identity.signed_record : null
  const listenAddrs = identity.listen_addrs.flatMap(addrOf)
  const signed = record?.addrs.flatMap(addrOf)
  // in place of what it said before
  await peerStore.patch(remotePeer, { protocols, multiaddrs: signed ?? listenAddrs })
  if (connection.status !== 'open') return
  events.safeDispatchEvent('peer:identify', {
    detail: {
      peerId: remotePeer,
      connection,
      protocols,
      listenAddrs,
      ...(agent != null && { agentVersion: agent }),
      ...(version != null && { protocolVersion: version }),
      ...(signed != null && { signedPeerRecord: { addresses: signed, seq: BigInt(record?.seq ?? 0) } })
    }
  })
}

/**
 * gossipsub has one stream to a peer, and is not told that another connection could carry it when that of the stream
 * closes: a peer that came through a relay and then directly would be deaf once the circuit is over (gossipsub 17.1).
 * So where a connection closes and another is left, the services are told of the peer again, with that one.
 */
export function tellOfOtherWays(node: Node, signal: AbortSignal): void {
  node.libp2p.addEventListener('connection:close', ({ detail: { remotePeer } }) => {
    const other = node.libp2p.getConnections(remotePeer).find(({ status }) => status === 'open')
    if (other == null || signal.aborted) return
    // after gossipsub has seen the end of its stream
    setTimeout(() => void again(node, other, signal), AFTER_CLOSE_MS)
  })
}

const AFTER_CLOSE_MS = 100
const IDENTIFY_MS = 5000

async function again(node: Node, connection: Connection, signal: AbortSignal): Promise<void> {
  try {
    const identity = await identify(connection, AbortSignal.any([signal, timeLimit(IDENTIFY_MS)]))
    if (identity != null) await tellIdentity(node, connection, identity)
  } catch {
    // it has gone as well
  }
}

/** What a signed record names may still be an address that nobody can write down. */
function addrOf(text: string): Multiaddr[] {
  try {
    return [multiaddr(text)]
  } catch {
    return []
  }
}
