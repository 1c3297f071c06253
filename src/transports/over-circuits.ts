import type { PeerId, Transport } from '@libp2p/interface'
import type { ConnectionManager } from '@libp2p/interface-internal'
import { relayPart } from '../addr.ts'
import type { Components } from '../node.ts'

/**
 * Has libp2p's WebRTC signal over the circuit that was dialed last and over no other connection to the peer: it would
 * take the oldest (@libp2p/webrtc 6.0), which may be on its way out, or the one that the peer dialed, which ends as
 * soon as the peer is done with it.
 */
export function overCircuits(library: (components: Components) => Transport): (components: Components) => Transport {
  return components => {
    const { connectionManager } = components
    const circuits: Pick<ConnectionManager, 'getConnections'> = {
      getConnections: (peer?: PeerId) =>
        connectionManager
          .getConnections(peer)
          .filter(({ remoteAddr, status }) => status === 'open' && isCircuit(remoteAddr))
          .filter(({ direction }) => direction === 'outbound')
          .reverse()
    }
    return library(Object.create(components, { connectionManager: { value: circuits } }))
  }
}

function isCircuit(addr: Parameters<typeof relayPart>[0]): boolean {
  return relayPart(addr) !== undefined && !addr.getComponents().some(({ name }) => name === 'webrtc')
}
