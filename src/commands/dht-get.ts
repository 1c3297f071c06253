import { parseRecordKey } from '../dht-keys.ts'
import { type DhtOptions, nearEvents, notFound, readSeeds, startWalk } from '../dht-query.ts'
import { openBallot } from '../dht-records.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { openNode } from '../node.ts'
import { safe } from '../safe.ts'

export interface Options extends DhtOptions {
  key: string
  /** So many nodes that have it are enough. */
  count?: number
}

export default async function* dhtGet(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { key: target, count = Infinity } = options
  const recordKey = parseRecordKey(target)
  const seeds = await readSeeds(options)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const walk = startWalk(node, seeds, options, target)
  const ballot = openBallot(recordKey)
  for await (const { event, answered } of walk.ask({ rpc: 'get_value', key: recordKey.key }, signal)) {
    yield event
    const record = answered?.answer.record
    if (record != null) await ballot.count(record)
    if (ballot.voters >= count) break
  }
  const done = walk.done()
  yield done
  if (seeds.alone) yield* nearEvents(walk.told(), recordKey.key, target)
  const values = ballot.values()
  for (const value of values) yield { type: 'dht.record', target, key: target, ...value }
  if (values.length === 0) throw notFound(`record of ${safe(target)}`, target, done)
  if (!values.some(({ chosen }) => chosen)) {
    throw new Failure('dht_not_found', `no valid record of ${safe(target)}: ${values[0]!.problem}`, {
      phase: 'protocol',
      target,
      hint: 'what the nodes keep under this key is not what belongs there'
    })
  }
  yield { type: 'run.summary', ok: true, target, peers: ballot.voters }
}
