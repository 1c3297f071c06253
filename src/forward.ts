/** A peer that forwards topics: what a relay does for browsers, which reach each other through it alone. */
import type { Said } from './events.ts'
import type { Queue } from './flow.ts'
import { gossipOf, gossipService } from './gossip.ts'
import type { Node } from './node.ts'
import { checkTopic } from './topic.ts'
import { countRejections, watchTopics } from './topics.ts'

/** Throws Failure where one of the topics is none. `services` go into the node; `start` is for when it is there. */
export function forwarder(topics: string[], queue: Queue<Said>) {
  for (const topic of topics) checkTopic(topic)
  const rejected = countRejections(queue)
  return {
    services: { pubsub: gossipService({ forwardToAll: true, rejected: rejected.count }) },
    start(node: Node): void {
      rejected.watch(node)
      watchTopics(node, topics, queue)
      // gossipsub forwards what it subscribes to, and nothing else
      for (const topic of topics) gossipOf(node).subscribe(topic)
    }
  }
}
