/** A peer that forwards topics: what a relay does for browsers, which reach each other through it alone. */
import type { Said } from './events.ts'
import type { Queue } from './flow.ts'
import { gossipOf, gossipService } from './gossip.ts'
import type { Node } from './node.ts'
import { checkTopic, countRejections, sendAwayUnreadable, watchTopics } from './topics.ts'

/** The services of a node that forwards these topics. Throws Failure where one is none. */
export function forwarding(topics: string[], queue: Queue<Said>) {
  for (const topic of topics) checkTopic(topic)
  const rejected = countRejections(queue)
  return {
    pubsub: (components: Parameters<ReturnType<typeof gossipService>>[0]) => {
      const gossip = gossipService({ forwardToAll: true, rejected: rejected.count })(components)
      gossip.addEventListener('gossipsub:heartbeat', rejected.tell)
      return gossip
    }
  }
}

/** Subscribes, since gossipsub forwards nothing else, and tells who joins and leaves. */
export function forward(node: Node, topics: string[], queue: Queue<Said>): void {
  const gossip = gossipOf(node)
  sendAwayUnreadable(node, gossip, queue)
  watchTopics(node, gossip, topics, queue)
  for (const topic of topics) gossip.subscribe(topic)
}
