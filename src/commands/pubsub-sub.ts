import { once } from 'node:events'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { type GatherOptions, gather, prepareGathering } from '../gathering.ts'
import { gossipOf } from '../gossip.ts'
import { openNode } from '../node.ts'
import { bytesOf } from '../payload.ts'
import { safe } from '../safe.ts'
import { endNode, MAX_WAITING } from '../serve.ts'
import { checkTopic, receivedEvent } from '../topic.ts'
import { countRejections, watchTopics } from '../topics.ts'

export interface Options extends GatherOptions {
  topic: string[]
  /** Enough messages. */
  count?: number
  /** False: unsigned messages, and only these. */
  sign?: boolean
  /** The bytes of each message to stdout, and nothing else. */
  raw?: boolean
  json?: boolean
}

/** How much of messages may wait for a slow reader of stdout. */
const MAX_WAITING_BYTES = 32 * 2 ** 20

export default async function* sub(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const topics = [...new Set(options.topic)]
  for (const topic of topics) checkTopic(topic)
  if (options.raw === true && options.json === true) {
    throw new Failure('invalid_option', "--raw writes the peers' bytes to stdout, and so cannot go with --json")
  }
  const queue = createQueue<Said>()
  const rejected = countRejections(queue)
  const inlet = boundedInlet(queue.push, () => queue.size < MAX_WAITING)
  const gathering = await prepareGathering(options, { sign: options.sign, rejected: rejected.count })
  await using node = await openNode({
    ...options,
    ...gathering.nodeOptions,
    mayConnect: () => queue.size < MAX_WAITING
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

  const events = gather(node, queue, gathering, until)
  let step = await events.next()
  for (; step.done !== true; step = await events.next()) {
    if (options.raw === true && step.value.type === 'message.received') await writeRaw(step.value)
    yield step.value
  }
  inlet.tell()
  rejected.tell()
  yield* endNode(node, queue)
  const counts = { messages, dropped: inlet.dropped, rejected: rejected.total }
  yield { type: 'run.summary', ok: true, ...step.value, ...counts }
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

/** The bytes and a newline into a pipe or a file; a line that is safe to look at on a terminal. */
async function writeRaw(event: Event<'message.received'>): Promise<void> {
  const { stdout } = process
  const bytes = bytesOf(event)
  const line = stdout.isTTY ? safe(bytes.toString()) : Buffer.concat([bytes, Buffer.from('\n')])
  if (!stdout.write(stdout.isTTY ? `${line}\n` : line)) await once(stdout, 'drain').catch(() => {})
}
