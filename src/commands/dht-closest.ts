import { parseAny } from '../dht-keys.ts'
import { type DhtOptions, nearEvents, notFound, readSeeds, startWalk } from '../dht-query.ts'
import { closestTo } from '../dht-walk.ts'
import type { Said } from '../events.ts'
import { openNode } from '../node.ts'

export interface Options extends DhtOptions {
  key: string
}

/** The nodes nearest to a key that answer; of one node alone, those that it tells of. */
export default async function* dhtClosest(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const target = options.key
  const key = parseAny(target)
  const seeds = await readSeeds(options)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const walk = startWalk(node, seeds, options, target)
  const answered = yield* closestTo(walk, key, signal)
  const done = walk.done()
  yield done
  const nodes = seeds.alone ? walk.told() : answered
  yield* nearEvents(nodes, key, target)
  if (nodes.length === 0) throw notFound('other node', target, done)
  yield { type: 'run.summary', ok: true, target, peers: nodes.length }
}
