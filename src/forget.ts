/** What libp2p knows of peers that have gone: its store keeps each for six hours, whoever comes and however many. */
import type { Libp2p, PeerId } from '@libp2p/interface'

/**
 * So many that are not connected are remembered. One costs some KiB: what is stored of it is a slice of a buffer that
 * others were cut from (libp2p 3.3, Node 24).
 */
const MOST_GONE = 256

/** Forgets the peers that were heard of longest ago and are not connected, from now on. */
export function forgetPeers(libp2p: Libp2p, most = MOST_GONE): void {
  /** In the order in which they were last heard of. */
  const gone = new Map<string, PeerId>()
  const isConnected = (peer: PeerId): boolean => libp2p.getConnections(peer).length > 0
  const leave = (peer: PeerId): void => {
    const id = peer.toString()
    gone.delete(id)
    gone.set(id, peer)
    if (gone.size <= most) return
    const [oldestId, oldest] = gone.entries().next().value!
    gone.delete(oldestId)
    // it takes its turn behind whatever is still being read or written of that peer
    if (!isConnected(oldest)) void libp2p.peerStore.delete(oldest).catch(() => {})
  }
  libp2p.addEventListener('peer:connect', ({ detail: peer }) => void gone.delete(peer.toString()))
  libp2p.addEventListener('peer:disconnect', ({ detail: peer }) => leave(peer))
  // what is only heard of, and what is written after somebody has left
  libp2p.addEventListener('peer:update', ({ detail: { peer } }) => {
    if (!isConnected(peer.id)) leave(peer.id)
  })
}
