import { idBytes, parsePeerId } from '../dht-keys.ts'
import { type DhtOptions, nearEvents, notFound, readSeeds, startWalk } from '../dht-query.ts'
import { findPeer } from '../dht-walk.ts'
import type { Said } from '../events.ts'
import { openNode } from '../node.ts'

export interface Options extends DhtOptions {
  peer: string
}

export default async function* dhtFindPeer(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const target = options.peer
  const peerId = parsePeerId(target)
  const seeds = await readSeeds(options)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const walk = startWalk(node, seeds, options, target)
  const found = yield* findPeer(walk, peerId, signal)
  const done = walk.done()
  yield done
  if (seeds.alone) yield* nearEvents(walk.told(), idBytes(peerId), target)
  if (found == null) throw notFound(`address of ${peerId}`, target, done)
  yield { ...found, target }
  yield { type: 'run.summary', ok: true, target, peers: 1 }
}
