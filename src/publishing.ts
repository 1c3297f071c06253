/** Publishing to topics, as `pubsub pub` and the checks do. */
import { Failure } from './errors.ts'
import type { Said } from './events.ts'
import { createQueue, orAbort, pause } from './flow.ts'
import { type GatherOptions, gather, prepareGathering } from './gathering.ts'
import { type Gossip, gossipOf } from './gossip.ts'
import { startLimit } from './limit.ts'
import { type Node, openNode } from './node.ts'
import { barrier } from './protocols/pipe.ts'
import { safe } from './safe.ts'
import { endNode } from './serve.ts'

export interface PublishOptions extends GatherOptions {
  topic: string
  /** Subscribers that have to be there before the first message goes out. */
  wait: number
  /** False: unsigned. */
  sign?: boolean
}

/** How often to look whether the subscribers are there; gossipsub says nothing when the way to one is open. */
const LOOK_MS = 20
const FLUSH_MS = 5000

/** Publishes each payload once enough subscribe to the topic, and waits until it has left. Throws Failure. */
export async function* publishAll(
  options: PublishOptions,
  payloads: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const gathering = await prepareGathering(options, { sign: options.sign })
  const queue = createQueue<Said>()
  await using node = await openNode({ ...options, ...gathering.nodeOptions })
  yield { type: 'run.start', peer_id: node.peerId }
  const gossip = gossipOf(node)
  let sent = 0
  const verdict = yield* gather(node, queue, gathering, signal, async over => {
    const reached = new Set<string>()
    await subscribers(gossip, options, options.wait, over)
    for await (const payload of payloads) {
      // they may leave between two lines
      await subscribers(gossip, options, 1, over)
      const { duplicate, peerIds } = await publish(gossip, options.topic, payload)
      for (const peerId of peerIds) reached.add(peerId)
      await Promise.all(peerIds.map(peerId => flushed(node, peerId, over)))
      sent++
      const about = { topic: options.topic, bytes: payload.length, peers: peerIds.length, peer_ids: peerIds }
      await orAbort(queue.push({ type: 'pubsub.sent', ...about, ...(duplicate && { duplicate }) }), over)
    }
    await Promise.all(connectionsTo(node, reached).map(connection => barrier(connection, over)))
  })
  yield* endNode(node, queue)
  yield { type: 'run.summary', ok: true, ...verdict, sent }
}

/** Waits until so many of the topic's subscribers can be sent to. Throws Failure when the time is over. */
async function subscribers(
  gossip: Gossip,
  { topic, timeout }: PublishOptions,
  wanted: number,
  signal: AbortSignal
): Promise<void> {
  const there = (): number =>
    gossip.getSubscribers(topic).filter(id => gossip.streamsOutbound.has(id.toString())).length
  using limit = startLimit(timeout, signal)
  while (there() < wanted) {
    if (await pause(LOOK_MS, limit.signal)) continue
    signal.throwIfAborted()
    const found = there()
    const who = found === 0 ? 'nobody subscribes' : `${found} of ${wanted} subscribe`
    throw new Failure('no_subscribers', `${who} to ${safe(topic)} within ${timeout / 1000} s; nothing was sent`)
  }
}

async function publish(
  gossip: Gossip,
  topic: string,
  payload: Uint8Array
): Promise<{ duplicate: boolean; peerIds: string[] }> {
  try {
    const { recipients } = await gossip.publish(topic, payload)
    return { duplicate: false, peerIds: recipients.map(String) }
  } catch (error) {
    // of unsigned messages two with the same bytes are one
    if (String(error).includes('PublishError.Duplicate')) return { duplicate: true, peerIds: [] }
    if (!String(error).includes('PublishError.NoPeersSubscribedToTopic')) throw error
    throw new Failure('no_subscribers', `nobody subscribes to ${safe(topic)} any more`, { cause: error })
  }
}

function connectionsTo(node: Node, peerIds: ReadonlySet<string>) {
  return node.libp2p.getConnections().filter(({ remotePeer }) => peerIds.has(remotePeer.toString()))
}

/** Resolves when the streams of gossipsub to a peer have given everything to its connection. */
async function flushed(node: Node, peerId: string, signal: AbortSignal): Promise<void> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(FLUSH_MS)])
  const streams = connectionsTo(node, new Set([peerId])).flatMap(({ streams }) => streams)
  for (const stream of streams) {
    if (!/^\/(meshsub|floodsub)\//.test(stream.protocol) || stream.direction !== 'outbound') continue
    const idle = new Promise<void>(resolve => {
      stream.addEventListener('idle', () => resolve(), { once: true })
      stream.addEventListener('close', () => resolve(), { once: true })
    })
    if (stream.writeBufferLength > 0) await orAbort(idle, limit).catch(() => {})
  }
}
