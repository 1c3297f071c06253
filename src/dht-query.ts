/** What the commands of `dht` share: whom they ask, and how a record is left with the nodes that are nearest to it. */
import type { Connection } from '@libp2p/interface'
import { connect } from './connect.ts'
import { within } from './dht-dial.ts'
import { commonBits, hashOf, idBytes } from './dht-keys.ts'
import { closestTo, type Heard, openWalk, type Walk, type WalkOptions } from './dht-walk.ts'
import { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { merge } from './flow.ts'
import type { Node } from './node.ts'
import { askKad, KAD, type KadAnswer, type KadRequest } from './protocols/kad.ts'
import { readTargets, type Target } from './targets.ts'

export interface DhtOptions extends Omit<WalkOptions, 'alone' | 'target'> {
  /** Walk from these. */
  bootstrap?: string[]
  /** Ask this one and nobody else. */
  node?: string
  identity?: string
  relay?: string
  requirePeerId?: boolean
}

/** The nodes to begin with, and whether they are all. */
export interface Seeds {
  seeds: Target[]
  alone: boolean
}

export async function readSeeds(options: DhtOptions): Promise<Seeds> {
  const { bootstrap, node } = options
  if ((bootstrap == null) === (node == null)) {
    throw new Failure('invalid_option', node == null ? 'no node of the DHT is named' : 'choose --bootstrap or --node', {
      hint: 'give --bootstrap ADDR to walk from there, or --node ADDR to ask that node alone'
    })
  }
  if (bootstrap != null) return { seeds: await readTargets(bootstrap, options), alone: false }
  const seeds = await readTargets([node!], options)
  if (seeds.length > 1) throw new Failure('invalid_option', '--node takes one node', { hint: 'give --bootstrap ADDR' })
  return { seeds, alone: true }
}

export function startWalk(node: Node, { seeds, alone }: Seeds, options: DhtOptions, target: string): Walk {
  return openWalk(node, seeds, { ...options, alone, target })
}

/** The nodes that are to keep a record: the nearest ones, or the one that was named. */
export async function* findKeepers(
  node: Node,
  { seeds, alone }: Seeds,
  key: Uint8Array,
  options: WalkOptions,
  signal: AbortSignal
): AsyncGenerator<Said, Keeper[]> {
  if (alone) return [yield* connect(node, seeds[0]!, { ...options, identified: false }, signal)]
  const walk = openWalk(node, seeds, options)
  const closest = yield* closestTo(walk, key, signal)
  yield walk.done()
  return closest
}

type Keeper = { peerId: string; connection: Connection }
type Kept = Event<'dht.put' | 'dht.provide'>

/** Sends requests to each keeper, and says whether its answer is that it keeps the record; gives how many do. */
export async function* leaveWith(
  keepers: Keeper[],
  what: {
    type: Kept['type']
    target: string
    requests: readonly KadRequest[]
    keeps: (answer: KadAnswer) => string | null
  },
  { dhtProtocol = KAD, timeout, concurrency }: DhtOptions,
  signal: AbortSignal
): AsyncGenerator<Said, number> {
  const { type, target, requests, keeps } = what
  let kept = 0
  let only: Failure | null = null
  const send = async function* ({ peerId, connection }: Keeper): AsyncGenerator<Said> {
    const sentAt = performance.now()
    const said = { type, target, peer_id: peerId }
    try {
      const answer = await within(timeout, signal, limit => askKad(connection, dhtProtocol, requests, limit))
      const ms = performance.now() - sentAt
      const reason = keeps(answer)
      if (reason == null) kept++
      yield { ...said, ok: reason == null, ms, error: reason == null ? null : 'dht_refused', reason }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof Failure)) throw error
      only = error
      const { code, message } = error
      yield { ...said, ok: false, ms: performance.now() - sentAt, error: code, reason: message }
    }
  }
  yield* merge(keepers.map(send), concurrency)
  if (kept > 0) return kept
  throw refusedBy(keepers, target, only)
}

function refusedBy(keepers: Keeper[], target: string, failure: Failure | null): Failure {
  const [first] = keepers
  // a node that does not take part is another matter than one that does not want the record
  if (keepers.length === 1 && failure?.code === 'protocol_not_supported') {
    return new Failure(failure.code, `${first!.peerId} ${failure.message}`, { ...failure, target })
  }
  const who = keepers.length === 1 ? first!.peerId : `none of ${keepers.length} nodes`
  const why =
    keepers.length === 1
      ? `did not keep the record${failure == null ? '' : `: it ${failure.message}`}`
      : 'kept the record'
  return new Failure('dht_refused', `${who} ${why}`, { phase: 'protocol', target })
}

/** The search is over, and nobody knew. */
export function notFound(what: string, target: string, { asked, answered }: Event<'dht.done'>): Failure {
  const many = `no ${what}: ${answered} of ${asked} nodes answered, and none knows one`
  const message = asked === 1 ? `the node that was asked knows no ${what}` : many
  return new Failure('dht_not_found', message, { phase: 'protocol', target })
}

/** Nodes as events, nearest first, with how near they are. */
export function nearEvents(nodes: Heard[], key: Uint8Array, target: string): Event<'dht.closest'>[] {
  const place = hashOf(key)
  return nodes.map(({ peerId, addrs }, index) => {
    const common_bits = commonBits(place, hashOf(idBytes(peerId)))
    return { type: 'dht.closest', target, peer_id: peerId, addrs, rank: index + 1, common_bits }
  })
}
