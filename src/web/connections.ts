/** Which of the connections to a peer is the one to use. */
import type { Connection } from '@libp2p/interface'
import { Failure } from '../errors.ts'
import type { Node } from '../node.ts'
import { safe } from '../safe.ts'

const CLOSE_MS = 1000

/** One for each connected peer: a direct one if there is any, and of those the oldest. */
export function bestConnections(node: Node): Map<string, Connection> {
  const best = new Map<string, Connection>()
  for (const connection of node.libp2p.getConnections()) {
    if (connection.status !== 'open') continue
    const peerId = connection.remotePeer.toString()
    const known = best.get(peerId)
    if (known == null || (known.limits != null && connection.limits == null)) best.set(peerId, connection)
  }
  return best
}

/** In order, or else at once. */
export async function hangUp(connections: Connection[]): Promise<void> {
  const close = (one: Connection): Promise<void> =>
    one.close({ signal: AbortSignal.timeout(CLOSE_MS) }).catch(error => one.abort(error))
  await Promise.all(connections.map(close))
}

/** Throws Failure where there is none. */
export function connectionTo(node: Node, peerId: string): Connection {
  const connection = bestConnections(node).get(peerId)
  if (connection != null) return connection
  throw new Failure('no_addresses', `not connected to ${safe(peerId)}`, {
    target: peerId,
    hint: 'connect to one of its addresses first'
  })
}
