import { parseAddr, withoutPeerId } from '../addr.ts'
import { parseCid } from '../dht-keys.ts'
import { type DhtOptions, findKeepers, leaveWith, readSeeds } from '../dht-query.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue, whereThereIsRoom } from '../flow.ts'
import { openNode } from '../node.ts'
import type { KadAnswer } from '../protocols/kad.ts'
import { pong } from '../protocols/pong.ts'
import { endNode, listenOnAll, MAX_WAITING, serve } from '../serve.ts'
import { ownAddrs } from '../watch.ts'

export interface Options extends DhtOptions {
  cid: string
  listen?: string[]
  announce?: string[]
  /** Then keep listening for so many ms, or until it is stopped. */
  stay?: number | true
}

/** Tells the nodes nearest to a content that this peer has it, and asks each of them whether it says so now. */
export default async function* dhtProvide(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { cid: target, listen = [], announce = [], stay } = options
  const key = parseCid(target)
  check(options)
  const seeds = await readSeeds(options)
  const queue = createQueue<Said>()
  await using node = await openNode({
    ...options,
    services: { ping: pong() },
    mayConnect: () => queue.size < MAX_WAITING,
    onRefused: whereThereIsRoom(queue)
  })
  yield { type: 'run.start', peer_id: node.peerId }
  await listenOnAll(node, listen, {})
  const keepers = yield* findKeepers(node, seeds, key, { ...options, target }, signal)
  const addrs = announce.length > 0 ? announce : ownAddrs(node)
  const provider = {
    id: node.libp2p.peerId.toMultihash().bytes,
    addrs: addrs.map(addr => withoutPeerId(parseAddr(addr)))
  }
  // nobody answers to the first one, so the same node is asked behind it, on the same stream
  const requests = [{ rpc: 'add_provider', key, provider } as const, { rpc: 'get_providers', key } as const]
  const keeps = ({ providers }: KadAnswer): string | null =>
    providers.some(({ peerId }) => peerId === node.peerId) ? null : 'does not name this peer as a provider'
  const what = { type: 'dht.provide', target, requests, keeps } as const
  const kept = yield* leaveWith(keepers, what, options, signal)
  if (stay != null) {
    yield* serve(node, queue, { for: stay === true ? undefined : stay }, signal)
    yield* endNode(node, queue)
  }
  yield { type: 'run.summary', ok: true, target, peers: kept }
}

function check({ listen, announce, stay }: Options): void {
  if (listen == null && announce == null) {
    throw new Failure('invalid_option', 'a provider that nobody can reach is of no use: it has no address', {
      hint: 'give -l ADDR to listen there, with --stay to remain; or --announce ADDR and --identity FILE of a peer that runs'
    })
  }
  if (stay != null && listen == null) throw new Failure('invalid_option', '--stay needs -l ADDR')
}
