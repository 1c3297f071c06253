/** What a topic is, and a message of one. */
import type { GossipsubMessage } from '@libp2p/gossipsub'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import { contentOf } from './payload.ts'
import { safe } from './safe.ts'

/** A topic is any text; one that is longer costs every peer its room for topics. */
const MAX_TOPIC_BYTES = 1024

export function checkTopic(topic: string): void {
  if (topic !== '' && new TextEncoder().encode(topic).byteLength <= MAX_TOPIC_BYTES) return
  throw new Failure(
    'invalid_option',
    topic === '' ? 'the topic is empty' : `the topic ${safe(topic, 40)} is too long`,
    {
      hint: `a topic is 1 to ${MAX_TOPIC_BYTES} bytes of text`
    }
  )
}

/** Who signed it, who passed it on, and what it says. */
export function receivedEvent({ msg, propagationSource }: GossipsubMessage): Event<'message.received'> {
  const signed = msg.type === 'signed' ? msg : null
  return {
    type: 'message.received',
    peer_id: signed?.from.toString() ?? null,
    topic: msg.topic,
    ...(signed != null && { seq: signed.sequenceNumber.toString() }),
    received_from: propagationSource.toString(),
    ...contentOf(msg.data)
  }
}
