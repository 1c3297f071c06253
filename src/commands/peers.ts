import type { Connection } from '@libp2p/interface'
import { connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { createQueue, merge } from '../flow.ts'
import { type Node, openNode } from '../node.ts'
import { identify } from '../protocols/identify.ts'
import { reserve } from '../reserve.ts'
import { failureEvent, readTargets, type Target } from '../targets.ts'

export interface Options extends DialOptions {
  bootstrap?: string[]
  relay?: string
  identity?: string
  /** How long to look, in ms. */
  for?: number
  /** Enough of them. */
  min?: number
  watch?: boolean
}

/** What a source of peers has to work with. */
interface Search {
  node: Node
  options: Options
  seen: Roster
  signal: AbortSignal
}

interface Source {
  name: string
  /** There may always come another peer. */
  endless: boolean
  look(search: Search): AsyncGenerator<Said>
}

const LOOK_MS = 10_000

export default async function* peers(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const sources = await sourcesOf(options)
  const { ping } = await import('@libp2p/ping')
  await using node = await openNode({ ...options, services: { ping: ping() } })
  yield { type: 'run.start', peer_id: node.peerId }

  const enough = new AbortController()
  const seen = createRoster(count => {
    if (options.min != null && options.watch !== true && count >= options.min) enough.abort()
  })
  const lasts = options.watch !== true || options.for != null
  const timer = lasts ? setTimeout(() => enough.abort(), options.for ?? LOOK_MS) : undefined
  const search = { node, options, seen, signal: AbortSignal.any([signal, enough.signal]) }
  const stay = options.watch === true ? [watchLeaving(search)] : []
  yield* merge([...sources.map(source => lookIn(source, search)), ...stay])
  clearTimeout(timer)
  const count = seen.count()
  yield { type: 'run.summary', ok: count >= (options.min ?? 1), peers: count }
}

async function sourcesOf({ bootstrap, relay }: Options): Promise<Source[]> {
  const sources: Source[] = []
  if (bootstrap != null) sources.push(bootstrapSource(await readTargets(bootstrap)))
  if (relay != null) sources.push(relaySource((await readTargets([relay]))[0]!))
  if (sources.length > 0) return sources
  throw new Failure('invalid_option', 'no source of peers is named', { hint: 'give --bootstrap ADDR or --relay ADDR' })
}

/** Runs one source, and says at its end how many it gave: none is worth knowing. */
async function* lookIn(source: Source, search: Search): AsyncGenerator<Said> {
  let message: string | null = null
  try {
    yield* source.look(search)
  } catch (error) {
    if (error instanceof Failure) message = error.message
    else if (!search.signal.aborted) throw error
  }
  const count = search.seen.count(source.name)
  const nothing = count === 0 ? (message ?? 'nobody was seen') : message
  yield { type: 'source.end', source: source.name, peers: count, message: nothing }
}

/** The peers that were named: each is dialed and asked who it is. */
function bootstrapSource(targets: Target[]): Source {
  const name = 'bootstrap'
  return {
    name,
    endless: false,
    async *look({ node, options, seen, signal }) {
      for (const target of targets) {
        try {
          const { peerId, addr, identity } = yield* connect(node, target, { ...options, identified: true }, signal)
          const addrs = [addr, ...(identity?.listen_addrs ?? [])]
          yield* seen.add(name, peerId, addrs, identity?.agent_version ?? null)
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          yield failureEvent(error, target)
        }
      }
    }
  }
}

/** The relay itself, and whoever comes through it. */
function relaySource(relay: Target): Source {
  const name = 'relay'
  return {
    name,
    endless: true,
    async *look({ node, options, seen, signal }) {
      const came = createQueue<Connection>()
      node.libp2p.addEventListener('connection:open', ({ detail }) => {
        if (detail.direction === 'inbound') void came.push(detail)
      })
      const { peerId, addr, identity: own } = yield* reserve(node, relay, { ...options, identified: true }, signal)
      yield* seen.add(name, peerId, [addr, ...(own?.listen_addrs ?? [])], own?.agent_version ?? null)
      for await (const connection of came.items(signal)) {
        const identity = await identify(
          connection,
          AbortSignal.any([signal, AbortSignal.timeout(options.timeout)])
        ).catch(() => null)
        const addrs = [connection.remoteAddr.toString(), ...(identity?.listen_addrs ?? [])]
        yield* seen.add(name, connection.remotePeer.toString(), addrs, identity?.agent_version ?? null)
      }
    }
  }
}

async function* watchLeaving({ node, seen, signal }: Search): AsyncGenerator<Said> {
  const left = createQueue<string>()
  node.libp2p.addEventListener('peer:disconnect', ({ detail }) => void left.push(detail.toString()))
  for await (const peerId of left.items(signal)) yield* seen.remove(peerId)
}

interface Roster {
  add(source: string, peerId: string, addrs: string[], agent: string | null): Generator<Said>
  remove(peerId: string): Generator<Said>
  /** Of all, or those that one source gave. */
  count(source?: string): number
}

/** Who was seen, and where each is known from. */
function createRoster(counted: (count: number) => void): Roster {
  const peers = new Map<string, Event<'peer.add'>>()
  const given = new Map<string, Set<string>>()
  return {
    *add(source, peerId, addrs, agent) {
      given.set(source, (given.get(source) ?? new Set()).add(peerId))
      const known = peers.get(peerId)
      const peer: Event<'peer.add'> = {
        type: 'peer.add',
        peer_id: peerId,
        addrs: [...new Set([...(known?.addrs ?? []), ...addrs])],
        sources: [...new Set([...(known?.sources ?? []), source])],
        connected: true,
        agent_version: agent ?? known?.agent_version ?? null
      }
      peers.set(peerId, peer)
      if (known == null) yield peer
      else if (JSON.stringify(known) !== JSON.stringify(peer)) yield { ...peer, type: 'peer.change' }
      counted(peers.size)
    },
    *remove(peerId) {
      const known = peers.get(peerId)
      if (known == null) return
      peers.delete(peerId)
      yield { ...known, type: 'peer.remove', connected: false }
    },
    count: source => (source == null ? peers.size : (given.get(source)?.size ?? 0))
  }
}
