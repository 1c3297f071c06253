/** The rows of src/event-table.ts that are about topics. */

const subscriber = { peer_id: 'string', topic: 'string' } as const

/** Why a message of a topic was not taken. */
const rejections = [
  'invalid_signature',
  'invalid_seqno',
  'invalid_peerid',
  'signature_present',
  'seqno_present',
  'from_present',
  'malformed',
  'bad_score',
  'unreadable'
] as const

export const pubsubEvents = {
  'pubsub.join': ['a peer subscribed to a topic', subscriber],
  'pubsub.leave': ['it unsubscribed, or is gone', subscriber],
  'pubsub.graft': ['a peer is in our mesh for a topic now: messages go to and come from it at once', subscriber],
  'pubsub.prune': ['it is no longer in our mesh', subscriber],
  'pubsub.sent': [
    'a message went out to these subscribers; that one of them has read it nobody knows',
    { topic: 'string', bytes: 'integer', peers: 'integer', peer_ids: 'string[]', 'duplicate?': 'boolean' }
  ],
  'pubsub.reject': [
    'what peers sent and gossipsub did not take; unreadable: larger than the limit, and its sender is sent away',
    { reason: rejections, messages: 'integer', 'peer_id?': 'string' }
  ],
  'pubsub.drop': [
    'messages that were lost here, since stdout took them too slowly',
    { messages: 'integer', bytes: 'integer' }
  ],
  'pubsub.peer': [
    'a peer that speaks gossipsub, what it subscribes to, for which topics it is in our mesh, and how it is rated',
    {
      peer_id: 'string',
      topics: 'string[]',
      mesh: 'string[]',
      score: 'number',
      agent_version: 'string|null'
    }
  ]
} as const
