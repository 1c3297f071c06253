import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue, pause } from '../flow.ts'
import { checkWay, type GatherOptions, gather, prepareGathering } from '../gathering.ts'
import { type Gossip, gossipOf } from '../gossip.ts'
import { openNode } from '../node.ts'
import { endNode } from '../serve.ts'
import { checkTopic } from '../topic.ts'

export interface Options extends GatherOptions {
  /** Only who subscribes to this. */
  topic?: string
  /** How long to look, in ms. */
  for: number
  /** Enough of them. */
  min?: number
  /** Subscribe too. */
  join?: boolean
}

const LOOK_MS = 50

export default async function* peers(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { topic, min, join = false } = options
  checkWay(options)
  if (topic != null) checkTopic(topic)
  if (topic == null && join) throw new Failure('invalid_option', '--join needs a TOPIC')
  const gathering = await prepareGathering({ ...options, for: undefined })
  const queue = createQueue<Said>()
  await using node = await openNode({ ...options, ...gathering.nodeOptions })
  yield { type: 'run.start', peer_id: node.peerId }
  const gossip = gossipOf(node)
  const topics = subscriptionsOf(gossip)
  if (join) gossip.subscribe(topic!)
  const seen = (): string[] => (topic == null ? gossip.getPeers() : gossip.getSubscribers(topic)).map(String)
  const agents = new Map<string, string | null>()
  let found: Said[] = []
  const events = gather(node, queue, gathering, signal, async over => {
    const end = performance.now() + options.for
    while (performance.now() < end && !(min != null && seen().length >= min)) {
      if (!(await pause(LOOK_MS, over))) break
    }
    found = seen()
      .sort()
      .map(peerId => ({
        type: 'pubsub.peer',
        peer_id: peerId,
        topics: [...(topics.get(peerId) ?? [])].sort(),
        mesh: gossip.getTopics().filter(one => gossip.getMeshPeers(one).includes(peerId)),
        score: gossip.getScore(peerId),
        agent_version: agents.get(peerId) ?? null
      }))
  })
  let step = await events.next()
  for (; step.done !== true; step = await events.next()) {
    if (step.value.type === 'peer.identify') agents.set(step.value.peer_id, step.value.agent_version)
    yield step.value
  }
  yield* endNode(node, queue)
  yield* found
  const ok = found.length >= (min ?? 1)
  yield { type: 'run.summary', ok, ...step.value, peers: found.length }
}

/** By peer ID, the topics that each subscribes to. */
function subscriptionsOf(gossip: Gossip): Map<string, Set<string>> {
  const topics = new Map<string, Set<string>>()
  gossip.addEventListener('subscription-change', ({ detail: { peerId, subscriptions } }) => {
    const own = topics.get(peerId.toString()) ?? new Set()
    topics.set(peerId.toString(), own)
    for (const { topic, subscribe } of subscriptions) {
      if (subscribe) own.add(topic)
      else own.delete(topic)
    }
  })
  return topics
}
