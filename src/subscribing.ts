/** Being subscribed to topics, as `pubsub sub` and the checks are. */
import type { Event, Said } from './events.ts'
import { createQueue, whereThereIsRoom } from './flow.ts'
import { type GatherOptions, gather, prepareGathering } from './gathering.ts'
import { gossipOf } from './gossip.ts'
import { openNode } from './node.ts'
import { endNode, MAX_WAITING } from './serve.ts'
import { receivedEvent } from './topic.ts'
import { countRejections, watchTopics } from './topics.ts'

export interface SubscribeOptions extends GatherOptions {
  /** Enough messages. */
  count?: number
  /** False: unsigned messages, and only these. */
  sign?: boolean
}

/** How much of messages may wait for a slow reader of stdout. */
const MAX_WAITING_BYTES = 32 * 2 ** 20

/** Tells what comes on some topics and who joins and leaves them, until the signal or the count. Throws Failure. */
export async function* subscribe(
  options: SubscribeOptions,
  topics: string[],
  signal: AbortSignal
): AsyncGenerator<Said> {
  const queue = createQueue<Said>()
  const rejected = countRejections(queue)
  const inlet = boundedInlet(queue.push, () => queue.size < MAX_WAITING)
  const gathering = await prepareGathering(options, { sign: options.sign, rejected: rejected.count })
  await using node = await openNode({
    ...options,
    ...gathering.nodeOptions,
    mayConnect: () => queue.size < MAX_WAITING,
    onRefused: whereThereIsRoom(queue)
  })
  yield { type: 'run.start', peer_id: node.peerId }

  const enough = new AbortController()
  const until = AbortSignal.any([signal, enough.signal])
  const gossip = gossipOf(node)
  let messages = 0
  gossip.addEventListener('gossipsub:message', ({ detail }) => {
    // who announces itself is no message of ours
    if (until.aborted || !topics.includes(detail.msg.topic) || !inlet.take(receivedEvent(detail))) return
    if (++messages === options.count) enough.abort()
  })
  gossip.addEventListener('gossipsub:heartbeat', inlet.tell)
  rejected.watch(node)
  watchTopics(node, topics, queue)
  for (const topic of topics) gossip.subscribe(topic)

  const verdict = yield* gather(node, queue, gathering, until)
  inlet.tell()
  rejected.tell()
  yield* endNode(node, queue)
  const counts = { messages, dropped: inlet.dropped, rejected: rejected.total }
  yield { type: 'run.summary', ok: true, ...verdict, ...counts }
}

/** Takes messages as long as there is room for them, and counts those that are lost. */
function boundedInlet(push: (event: Said) => Promise<void>, hasRoom: () => boolean) {
  let waitingBytes = 0
  let untold = { messages: 0, bytes: 0 }
  let dropped = 0
  const tell = (): void => {
    if (untold.messages === 0 || !hasRoom()) return
    void push({ type: 'pubsub.drop', ...untold })
    untold = { messages: 0, bytes: 0 }
  }
  return {
    get dropped() {
      return dropped
    },
    tell,
    take(event: Event<'message.received'>): boolean {
      const { bytes } = event
      if (!hasRoom() || waitingBytes + bytes > MAX_WAITING_BYTES) {
        dropped++
        untold = { messages: untold.messages + 1, bytes: untold.bytes + bytes }
        return false
      }
      // where the gap is
      tell()
      waitingBytes += bytes
      void push(event).then(() => {
        waitingBytes -= bytes
      })
      return true
    }
  }
}
