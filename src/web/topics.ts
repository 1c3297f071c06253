/** Messages of topics, as the page takes and sends them. */
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { pause, type Queue } from '../flow.ts'
import { type Gossip, gossipOf, MAX_MESSAGE_BYTES } from '../gossip.ts'
import type { Node } from '../node.ts'
import { safe } from '../safe.ts'
import { checkTopic, receivedEvent } from '../topic.ts'
import { watchTopics } from '../topics.ts'
import type { Gate } from './flood.ts'

export interface Topics {
  /** Throws Failure where it is no topic. */
  subscribe(topic: string): void
  unsubscribe(topic: string): void
  /** Throws Failure. */
  publish(topic: string, text: string): Promise<Event<'pubsub.sent'>>
}

const REACH_MS = 2000
const LOOK_MS = 50

/** Says who joins and leaves, and the messages of others; what comes faster than the gate lets through is lost, and counted. */
export function openTopics(node: Node, gate: Gate, queue: Queue<Said>, signal: AbortSignal): Topics {
  const gossip = gossipOf(node)
  const topics = new Set<string>()
  const say = (event: Said): void => void queue.push(event)
  watchTopics(node, topics, queue)
  let lost = { messages: 0, bytes: 0 }
  gossip.addEventListener('gossipsub:message', ({ detail }) => {
    const { topic, data } = detail.msg
    if (signal.aborted || !topics.has(topic)) return
    if (gate.take(data.byteLength)) say(receivedEvent(detail))
    else lost = { messages: lost.messages + 1, bytes: lost.bytes + data.byteLength }
  })
  gossip.addEventListener('gossipsub:heartbeat', () => {
    if (lost.messages > 0) say({ type: 'pubsub.drop', ...lost })
    lost = { messages: 0, bytes: 0 }
  })
  return {
    subscribe(topic) {
      checkTopic(topic)
      topics.add(topic)
      gossip.subscribe(topic)
    },
    unsubscribe(topic) {
      if (topics.delete(topic)) gossip.unsubscribe(topic)
    },
    async publish(topic, text) {
      checkTopic(topic)
      const bytes = new TextEncoder().encode(text)
      if (bytes.length > MAX_MESSAGE_BYTES) {
        throw new Failure('too_large', `a message is ${MAX_MESSAGE_BYTES} bytes at most, and this one is longer`, {
          phase: 'transfer',
          hint: 'gossipsub would drop it in silence, and the sender with it: send it as a file'
        })
      }
      await everybodyReached(gossip, topic, signal)
      const { recipients } = await gossip.publish(topic, bytes).catch(cause => {
        if (!String(cause).includes('PublishError.NoPeersSubscribedToTopic')) throw cause
        throw new Failure('no_subscribers', `nobody subscribes to ${safe(topic)}; nothing was sent`, {
          hint: `have another page subscribe, or start: p2pctl pubsub sub ${safe(topic)}`,
          cause
        })
      })
      return {
        type: 'pubsub.sent',
        topic,
        bytes: bytes.length,
        peers: recipients.length,
        peer_ids: recipients.map(String)
      }
    }
  }
}

/** A subscriber whose connection is just becoming a direct one has no stream for a moment, and would be left out. */
async function everybodyReached(gossip: Gossip, topic: string, signal: AbortSignal): Promise<void> {
  const until = performance.now() + REACH_MS
  const isMissing = (): boolean => gossip.getSubscribers(topic).some(id => !gossip.streamsOutbound.has(id.toString()))
  while (isMissing() && performance.now() < until && (await pause(LOOK_MS, signal)));
}
