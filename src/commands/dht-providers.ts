import { parseCid } from '../dht-keys.ts'
import { type DhtOptions, nearEvents, notFound, readSeeds, startWalk } from '../dht-query.ts'
import { textsOf } from '../dht-walk.ts'
import type { Said } from '../events.ts'
import { openNode } from '../node.ts'
import { safe } from '../safe.ts'

export interface Options extends DhtOptions {
  cid: string
  /** Enough of them. */
  count?: number
}

/** What strangers may have us remember. */
const MAX_PROVIDERS = 1000

export default async function* dhtProviders(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { cid: target, count = MAX_PROVIDERS } = options
  const key = parseCid(target)
  const seeds = await readSeeds(options)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const walk = startWalk(node, seeds, options, target)
  const seen = new Set<string>()
  for await (const { event, answered } of walk.ask({ rpc: 'get_providers', key }, signal)) {
    yield event
    for (const { peerId, addrs } of answered?.answer.providers ?? []) {
      if (seen.has(peerId) || seen.size >= count) continue
      seen.add(peerId)
      const from_peer_id = answered!.by.peerId
      yield { type: 'dht.provider', target, peer_id: peerId, addrs: textsOf(addrs, peerId), from_peer_id }
    }
    if (seen.size >= count) break
  }
  const done = walk.done()
  yield done
  if (seeds.alone) yield* nearEvents(walk.told(), key, target)
  if (seen.size === 0) throw notFound(`provider of ${safe(target)}`, target, done)
  yield { type: 'run.summary', ok: true, target, peers: seen.size }
}
