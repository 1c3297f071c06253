/** What happens on topics, as events. */
import type { Said } from './events.ts'
import { MAX_WAITING, type Queue } from './flow.ts'
import { type Gossip, gossipOf, type Rejection } from './gossip.ts'
import type { Node } from './node.ts'

type Change = 'pubsub.join' | 'pubsub.leave' | 'pubsub.graft' | 'pubsub.prune'

/**
 * Tells who joins and leaves these topics, and who comes into our mesh and goes. It compares what gossipsub knows with
 * what it knew, since gossipsub tells nobody when a peer is gone from a topic with its connection. While a slow reader
 * holds the queue up, peers can come and go without filling it.
 */
export function watchTopics(node: Node, topics: Iterable<string>, queue: Queue<Said>): void {
  const gossip = gossipOf(node)
  const joined = compared('pubsub.join', 'pubsub.leave', topic => gossip.getSubscribers(topic).map(String))
  const meshed = compared('pubsub.graft', 'pubsub.prune', topic => gossip.getMeshPeers(topic))
  let due = false
  const look = (): void => {
    due = false
    for (const topic of topics) {
      // whoever leaves the topic has left the mesh
      const [subscribers, mesh] = [joined(topic), meshed(topic)]
      for (const change of [...subscribers.come, ...mesh.come, ...mesh.gone, ...subscribers.gone]) {
        if (queue.size < MAX_WAITING) change.settle(queue)
      }
    }
  }
  const soon = (): void => {
    if (!due) setImmediate(look)
    due = true
  }
  for (const type of ['subscription-change', 'gossipsub:graft', 'gossipsub:prune', 'gossipsub:heartbeat'] as const) {
    gossip.addEventListener(type, soon)
  }
  node.libp2p.addEventListener('peer:disconnect', soon)
}

interface Step {
  settle(queue: Queue<Said>): void
}

/** What has come and gone since the last look; what is not settled comes again. */
function compared(come: Change, gone: Change, now: (topic: string) => string[]) {
  const known = new Map<string, Set<string>>()
  return (topic: string): { come: Step[]; gone: Step[] } => {
    const before = known.get(topic) ?? new Set()
    known.set(topic, before)
    const present = new Set(now(topic))
    const step = (type: Change, peer_id: string, note: () => void): Step => ({
      settle(queue) {
        note()
        void queue.push({ type, peer_id, topic })
      }
    })
    return {
      come: [...present].filter(id => !before.has(id)).map(id => step(come, id, () => before.add(id))),
      gone: [...before].filter(id => !present.has(id)).map(id => step(gone, id, () => before.delete(id)))
    }
  }
}

/** Counts what gossipsub did not take, and tells it once a second at most, however much of it there is. */
export interface Rejections {
  readonly total: number
  /** For the service. */
  count(reason: Rejection): void
  /** Tells it as long as the node lives. */
  watch(node: Node): void
  tell(): void
}

export function countRejections(queue: Queue<Said>): Rejections {
  const counts = new Map<Rejection, number>()
  let gossip: Gossip | undefined
  let suspects: string[] = []
  let total = 0
  const tell = (): void => {
    for (const [reason, messages] of counts) void queue.push({ type: 'pubsub.reject', reason, messages })
    counts.clear()
  }
  return {
    get total() {
      return total
    },
    tell,
    count(reason) {
      // it is not said of whom, and not only of those that sent too much
      if (reason === 'unreadable') suspects = gossip!.getPeers().map(String)
      else counts.set(reason, (counts.get(reason) ?? 0) + 1)
      if (reason !== 'unreadable') total++
    },
    watch(node) {
      gossip = gossipOf(node)
      gossip.addEventListener('gossipsub:heartbeat', () => {
        tell()
        for (const peer_id of sendAway(node, suspects)) {
          total++
          void queue.push({ type: 'pubsub.reject', reason: 'unreadable', messages: 1, peer_id })
        }
        suspects = []
      })
    }
  }
}

/**
 * gossipsub gives a peer up over a frame that is too large, and leaves the connection open: neither side would hear of
 * the other again (gossipsub 17). Gives those that it has given up, their connections closed.
 */
function sendAway(node: Node, suspects: string[]): string[] {
  if (suspects.length === 0) return []
  const known = new Set(gossipOf(node).getPeers().map(String))
  const gone = node.libp2p
    .getConnections()
    .filter(({ remotePeer, status }) => status === 'open' && !known.has(remotePeer.toString()))
    .filter(({ remotePeer }) => suspects.includes(remotePeer.toString()))
  for (const connection of gone) connection.abort(new Error('it sent a frame that gossipsub does not read'))
  return [...new Set(gone.map(({ remotePeer }) => remotePeer.toString()))]
}
