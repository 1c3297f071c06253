/** Asks a DHT, node by node, ever nearer to a key: https://github.com/libp2p/specs/blob/master/kad-dht/README.md */
import type { Connection } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { withPeerId } from './addr.ts'
import { connect, type DialOptions, furthest, labelOf } from './connect.ts'
import { dialTold, MAX_DIALED, mayDial, within } from './dht-dial.ts'
import { hashOf, idBytes } from './dht-keys.ts'
import { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { merge } from './flow.ts'
import type { Node } from './node.ts'
import { askKad, KAD, type KadAnswer, type KadPeer, type KadRequest } from './protocols/kad.ts'
import type { Target } from './targets.ts'

export interface WalkOptions extends DialOptions {
  /** /ipfs/kad/1.0.0 unless told. */
  dhtProtocol?: string | undefined
  /** The walk ends after this long, in ms. */
  for?: number | undefined
  /** How many are asked at a time. */
  concurrency?: number | undefined
  /** Ask those who were named, and nobody that they tell of. */
  alone?: boolean | undefined
  /** What is looked for, as it was given. */
  target?: string | undefined
}

/** A node, where it was met and where others say that it is. */
export interface Heard {
  peerId: string
  addrs: string[]
}

export interface Reached extends Heard {
  connection: Connection
}

/** Something happened on the way; with what a node has answered, where one has. */
export interface Step {
  event: Said
  answered?: { answer: KadAnswer; by: Reached }
}

export interface Walk {
  /** Asks the same of ever nearer nodes, until the nearest have answered. Fails only where nobody has. */
  ask(request: KadRequest, signal: AbortSignal): AsyncGenerator<Step>
  /** The nearest of those who have answered, 20 at most, nearest first. */
  closest(): Reached[]
  /** The nearest of those whom others have told of, whether or not they were asked. */
  told(): Heard[]
  done(): Event<'dht.done'>
}

/** The specification's k and alpha. */
export const K = 20
const ALPHA = 10
/** In the whole network of IPFS a walk asks fifty: who tells of more makes them up. */
const MAX_ASKED = 250
const MAX_KNOWN = 2500
const MAX_TOLD_ADDRS = 32
const WALK_MS = 60_000

interface Candidate {
  /** Unknown for an address without a peer ID, until it is met. */
  peerId: string | null
  /** Where it was named, and not told of. */
  seed: Target | null
  hop: number
  addrs: Set<string>
  dialable: Map<string, Multiaddr>
  distance: bigint
  state: 'heard' | 'asked' | 'answered' | 'failed'
  connection: Connection | null
}

/** A walk from the nodes that are named. */
export function openWalk(node: Node, seeds: Target[], options: WalkOptions): Walk {
  const { dhtProtocol = KAD, alone = false, concurrency = ALPHA, for: lastsMs = WALK_MS } = options
  const startedAt = performance.now()
  const named = seeds.map(seed => newCandidate(seed.peerId, seed, 0))
  const known = new Map<string, Candidate>()
  const failures: Failure[] = []
  let target = 0n
  let asked = 0

  const nearest = (): Candidate[] =>
    [...known.values()]
      .filter(({ state }) => state !== 'failed')
      .sort((a, b) => (a.distance < b.distance ? -1 : 1))
      .slice(0, K)

  function nextStep(request: KadRequest, signal: AbortSignal): AsyncGenerator<Step> | undefined {
    if (signal.aborted || asked >= MAX_ASKED) return undefined
    const isNew = ({ state }: Candidate): boolean => state === 'heard'
    const one = named.find(isNew) ?? (alone ? undefined : nearest().find(isNew))
    if (one == null) return undefined
    one.state = 'asked'
    asked++
    return step(one, request, signal)
  }

  async function* step(one: Candidate, request: KadRequest, signal: AbortSignal): AsyncGenerator<Step> {
    const said = { type: 'dht.query', target: options.target, rpc: request.rpc, hop: one.hop } as const
    try {
      const begunAt = performance.now()
      const connection = yield* reach(one, signal)
      const by = meet(one, connection)
      if (by == null) return
      const who = { ...said, peer_id: by.peerId, connect_ms: performance.now() - begunAt }
      yield { event: { ...who, step: 'sent' } }
      const sentAt = performance.now()
      const answer = await within(options.timeout, signal, limit => askKad(connection, dhtProtocol, [request], limit))
      const ms = performance.now() - sentAt
      one.state = 'answered'
      hear(answer.closer, one)
      const { closer, providers, record } = answer
      const counts = { closer: closer.length, providers: providers.length, record: record != null }
      yield { event: { ...who, step: 'answer', ms, ...counts }, answered: { answer, by } }
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof Failure)) throw error
      one.state = 'failed'
      if (one.seed != null) failures.push(error.phase === 'protocol' ? ofSeed(error, one.seed) : error)
      const { code, message } = error
      yield { event: { ...said, peer_id: one.peerId, step: 'error', error: code, reason: message } }
    }
  }

  async function* reach(one: Candidate, signal: AbortSignal): AsyncGenerator<Step, Connection> {
    if (one.seed == null) return await dialTold(node, one.peerId!, [...one.dialable.values()], options, signal)
    const dialing = connect(node, one.seed, { ...options, identified: false }, signal)
    for (;;) {
      const event = await dialing.next()
      if (event.done === true) return event.value.connection
      yield { event: event.value }
    }
  }

  /** It is there, and has shown who it is; null where it has been asked under another name. */
  function meet(one: Candidate, connection: Connection): Reached | null {
    const peerId = connection.remotePeer.toString()
    const before = known.get(peerId)
    if (before != null && before !== one && before.state !== 'heard') return null
    one.peerId = peerId
    one.connection = connection
    one.distance = target ^ hashOf(idBytes(peerId))
    one.addrs = new Set([withPeerId(multiaddr(connection.remoteAddr.bytes), peerId).toString()])
    for (const addr of before?.addrs ?? []) one.addrs.add(addr)
    known.set(peerId, one)
    return reached(one)
  }

  function hear(peers: KadPeer[], teller: Candidate): void {
    // an honest node tells of no more
    for (const { peerId, addrs } of peers.slice(0, K + 1)) {
      if (peerId === node.peerId) continue
      const one = known.get(peerId) ?? newCandidate(peerId, null, teller.hop + 1)
      if (!known.has(peerId)) {
        if (known.size >= MAX_KNOWN) return
        one.distance = target ^ hashOf(idBytes(peerId))
        known.set(peerId, one)
      }
      for (const addr of addrs.map(bare => withPeerId(bare, peerId))) {
        if (one.addrs.size < MAX_TOLD_ADDRS) one.addrs.add(addr.toString())
        if (one.dialable.size < MAX_DIALED && mayDial(addr, peerId, teller.connection!.remoteAddr, options)) {
          one.dialable.set(addr.toString(), addr)
        }
      }
    }
  }

  return {
    async *ask(request, signal) {
      target = hashOf(request.key)
      const over = new AbortController()
      const timer = setTimeout(() => over.abort(), lastsMs)
      const until = AbortSignal.any([signal, over.signal])
      // there is another one to ask whenever an answer has told of one
      const next = (): IteratorResult<AsyncGenerator<Step>> => {
        const value = nextStep(request, until)
        return value == null ? { done: true, value } : { done: false, value }
      }
      const steps = merge({ [Symbol.iterator]: () => ({ next }) }, concurrency)
      try {
        for (let said = await steps.next(); said.done !== true; said = await steps.next()) yield said.value
      } catch (error) {
        // its own time is a normal end
        if (signal.aborted || !over.signal.aborted) throw error
      } finally {
        clearTimeout(timer)
        // first, since the steps that are still under way wait for peers
        over.abort()
        await steps.return()
      }
      if (!named.concat(...known.values()).some(isAnswered)) throw worst(failures, lastsMs)
    },
    closest: () => nearest().filter(isAnswered).map(reached),
    told: () =>
      nearest()
        .filter(({ seed }) => seed == null)
        .map(({ peerId, addrs }) => ({ peerId: peerId!, addrs: [...addrs] })),
    done: () => {
      const all = [...known.values()].filter(isAnswered)
      const hops = Math.max(0, ...all.map(({ hop }) => hop))
      const ms = performance.now() - startedAt
      return { type: 'dht.done', target: options.target, asked, answered: all.length, hops, ms }
    }
  }
}

/** Where a peer is, as the first node says that knows; null where nobody does. */
export async function* findPeer(
  walk: Walk,
  peerId: string,
  signal: AbortSignal
): AsyncGenerator<Said, Event<'dht.peer'> | null> {
  for await (const { event, answered } of walk.ask({ rpc: 'find_node', key: idBytes(peerId) }, signal)) {
    yield event
    if (answered == null) continue
    const { answer, by } = answered
    const told = answer.closer.find(peer => peer.peerId === peerId)?.addrs ?? []
    const addrs = told.length > 0 ? textsOf(told, peerId) : by.peerId === peerId ? by.addrs : []
    if (addrs.length > 0) return { type: 'dht.peer', peer_id: peerId, addrs, from_peer_id: by.peerId }
  }
  return null
}

/** The nodes that are nearest to a key, of those that answer. */
export async function* closestTo(walk: Walk, key: Uint8Array, signal: AbortSignal): AsyncGenerator<Said, Reached[]> {
  for await (const { event } of walk.ask({ rpc: 'find_node', key }, signal)) yield event
  return walk.closest()
}

/** The addresses of a peer, each with its ID. */
export function textsOf(addrs: Multiaddr[], peerId: string): string[] {
  return [...new Set(addrs.map(addr => withPeerId(addr, peerId).toString()))]
}

function newCandidate(peerId: string | null, seed: Target | null, hop: number): Candidate {
  const fresh = { addrs: new Set<string>(), dialable: new Map(), distance: 0n, connection: null }
  return { peerId, seed, hop, state: 'heard', ...fresh }
}

function reached({ peerId, connection, addrs }: Candidate): Reached {
  return { peerId: peerId!, connection: connection!, addrs: [...addrs] }
}

function isAnswered({ state }: Candidate): boolean {
  return state === 'answered'
}

function ofSeed({ code, message, ...options }: Failure, seed: Target): Failure {
  return new Failure(code, `${labelOf(seed)} ${message}`, { ...options, target: seed.text })
}

/** Of the nodes that were named, the one that came furthest. */
function worst(failures: Failure[], lastsMs: number): Failure {
  if (failures.length === 0) return new Failure('io_timeout', `nobody has answered within ${lastsMs / 1000} s`)
  return failures.find(({ phase }) => phase === 'protocol') ?? furthest(failures)
}
