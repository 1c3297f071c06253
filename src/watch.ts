/** What becomes known of a node while it is there: who comes and goes, who they are, and where it can be dialed. */
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { withPeerId } from './addr.ts'
import { closeEvent, openEvent } from './connect.ts'
import type { Event, Said } from './events.ts'
import type { Queue } from './flow.ts'
import { tellIdentity } from './identified.ts'
import { startLimit } from './limit.ts'
import type { LimitName } from './limits.ts'
import type { Node } from './node.ts'
import { type Identity, identify, identityEvent } from './protocols/identify.ts'
import { guardOf } from './stream-limits.ts'

/** Is told who has come, once for each inbound connection. */
export type OnIdentify = (connection: Connection, identity: Identity) => void

const IDENTIFY_MS = 5000

/** The addresses that others can dial: announced ones first, each with the peer ID. */
export function ownAddrs(node: Node): string[] {
  const { addressManager, transportManager } = node.components
  const all = [...addressManager.getAnnounceAddrs(), ...transportManager.getAddrs()]
  return [...new Set(all.map(addr => withPeerId(multiaddr(addr.toString()), node.peerId).toString()))]
}

/** Puts connections, identities and changed addresses into the queue. */
export function watch(
  node: Node,
  queue: Queue<Said>,
  signal: AbortSignal,
  onIdentify: OnIdentify,
  count: (what: 'open' | 'close') => void
): void {
  const { libp2p } = node
  let known = ownAddrs(node).join()
  const closed = new WeakSet<Connection>()
  libp2p.addEventListener('connection:open', ({ detail: connection }) => {
    void queue.push(openEvent(connection))
    const guard = guardOf(connection)
    if (guard != null) guard.onRefused = (limit, streams) => void queue.push(refusedEvent(connection, limit, streams))
    if (connection.direction === 'inbound') count('open')
    // cut for a limit before it was there: libp2p tells of no end then (3.3)
    if (connection.status !== 'open') return ended(connection)
    if (connection.direction !== 'inbound') return
    void ask(node, connection, queue, signal, onIdentify)
  })
  libp2p.addEventListener('connection:close', ({ detail: connection }) => ended(connection))
  const ended = (connection: Connection): void => {
    // over a WebSocket that is cut off it comes twice (@libp2p/websockets 10.1)
    if (closed.has(connection)) return
    closed.add(connection)
    const limit = guardOf(connection)?.closedFor
    void queue.push({
      ...closeEvent(connection),
      ...(limit != null && { by: 'local', reason: `over the limit ${limit}`, limit })
    })
    if (connection.direction === 'inbound') count('close')
  }
  libp2p.addEventListener('self:peer:update', () => {
    const addrs = ownAddrs(node)
    if (signal.aborted || addrs.join() === known) return
    known = addrs.join()
    void queue.push({ type: 'listen.addrs', addrs })
  })
}

function refusedEvent(
  { remotePeer, remoteAddr }: Connection,
  limit: LimitName,
  streams: number
): Event<'stream.refused'> {
  return {
    type: 'stream.refused',
    peer_id: remotePeer.toString(),
    remote_addr: remoteAddr.toString(),
    limit: limit as Event<'stream.refused'>['limit'],
    streams
  }
}

/** Who is it? A peer that does not say is shown all the same, with nothing known of it. */
async function ask(
  node: Node,
  connection: Connection,
  queue: Queue<Said>,
  signal: AbortSignal,
  onIdentify: OnIdentify
): Promise<void> {
  const peerId = connection.remotePeer.toString()
  const nothing = { agent_version: null, protocol_version: null, observed_addr: null, listen_addrs: [], protocols: [] }
  using limit = startLimit(IDENTIFY_MS, signal)
  const identity = await identify(connection, limit.signal).catch(() => null)
  if (identity != null) {
    onIdentify(connection, identity)
    await tellIdentity(node, connection, identity)
  }
  await queue.push(identityEvent(peerId, identity ?? { ...nothing, signed_record: null }))
}
