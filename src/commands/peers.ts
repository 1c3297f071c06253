import type { Connection } from '@libp2p/interface'
import { connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue, merge, pause } from '../flow.ts'
import { type Node, openNode } from '../node.ts'
import { type Identity, identify } from '../protocols/identify.ts'
import { roundTrip } from '../protocols/ping.ts'
import { reserve } from '../reserve.ts'
import { createRoster, type Order, type Roster } from '../roster.ts'
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
  /** Only peers that speak all of these. */
  protocol?: string[]
  /** Measure the round trip to each peer. */
  dial?: boolean
  /** Tell them at the end, in this order. */
  sort?: Order
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
/** With --watch, how long a named peer that is away is left alone. */
const REDIAL_MS = 3000
/** https://github.com/libp2p/specs/tree/master/identify */
const IDENTIFY_PUSH = '/ipfs/id/push/1.0.0'

export default async function* peers(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { watch = false, min, sort } = options
  if (sort != null && watch) {
    throw new Failure('invalid_option', '--sort needs all peers, and --watch never has them', {
      hint: 'leave out one of the two'
    })
  }
  const sources = await sourcesOf(options)
  const { ping } = await import('@libp2p/ping')
  await using node = await openNode({ ...options, services: { ping: ping() } })
  yield { type: 'run.start', peer_id: node.peerId }

  const enough = new AbortController()
  const seen = createRoster(options.protocol ?? [], count => {
    if (min != null && !watch && count >= min) enough.abort()
  })
  const lasts = !watch || options.for != null
  const timer = lasts ? setTimeout(() => enough.abort(), options.for ?? LOOK_MS) : undefined
  const search = { node, options, seen, signal: AbortSignal.any([signal, enough.signal]) }
  const stay = watch ? [watchLeaving(search), await watchChanges(search)] : []
  for await (const event of merge([...sources.map(source => lookIn(source, search)), ...stay])) {
    if (sort == null || !event.type.startsWith('peer.')) yield event
  }
  clearTimeout(timer)
  if (sort != null) yield* seen.sorted(sort)
  const count = seen.count()
  yield { type: 'run.summary', ok: count >= (min ?? 1), peers: count }
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

/** The peers that were named: each is dialed and asked who it is, and dialed again when it is away and --watch is on. */
function bootstrapSource(targets: Target[]): Source {
  const name = 'bootstrap'
  return {
    name,
    endless: false,
    async *look(search) {
      const { node, options, seen, signal } = search
      const peerIds = new Map<Target, string>()
      const meet = async function* (target: Target): AsyncGenerator<Said> {
        const { connection, peerId, addr, identity } = yield* connect(
          node,
          target,
          { ...options, identified: true },
          signal
        )
        peerIds.set(target, peerId)
        yield* found(name, connection, addr, identity, search)
      }
      for (const target of targets) {
        try {
          yield* meet(target)
        } catch (error) {
          if (!(error instanceof Failure)) throw error
          yield failureEvent(error, target)
        }
      }
      while (options.watch === true && (await pause(REDIAL_MS, signal))) {
        const away = targets.filter(target => !seen.has(peerIds.get(target)))
        for (const target of away) yield* wholeOrNothing(meet(target))
      }
    }
  }
}

/** What was said on the way to a success. A peer that is still away was told of once, and is not told of again. */
async function* wholeOrNothing(events: AsyncGenerator<Said>): AsyncGenerator<Said> {
  const said: Said[] = []
  try {
    for await (const event of events) said.push(event)
  } catch (error) {
    if (error instanceof Failure) return
    throw error
  }
  yield* said
}

/** The relay itself, and whoever comes through it. */
function relaySource(relay: Target): Source {
  const name = 'relay'
  return {
    name,
    endless: true,
    async *look(search) {
      const { node, options, signal } = search
      const came = createQueue<Connection>()
      node.libp2p.addEventListener('connection:open', ({ detail }) => {
        if (detail.direction === 'inbound') void came.push(detail)
      })
      const own = yield* reserve(node, relay, { ...options, identified: true }, signal)
      yield* found(name, own.connection, own.addr, own.identity, search)
      for await (const connection of came.items(signal)) {
        const identity = await ask(connection, search)
        yield* found(name, connection, connection.remoteAddr.toString(), identity, search)
      }
    }
  }
}

/** A peer that a source gave, and that there is a connection to. */
async function* found(
  source: string,
  connection: Connection,
  addr: string,
  identity: Identity | null,
  { options, seen, signal }: Search
): AsyncGenerator<Said> {
  // the order of --sort rtt is nothing without it
  const dialed = options.dial === true || options.sort === 'rtt'
  const rttMs = dialed ? await roundTrip(connection, options.timeout, signal) : undefined
  const connected = connection.status === 'open'
  // with --watch it has left already
  if (options.watch === true && !connected) return
  yield* seen.see(connection.remotePeer.toString(), { source, addr, identity, connected, rttMs })
}

async function ask(connection: Connection, { options, signal }: Search): Promise<Identity | null> {
  const late = AbortSignal.timeout(options.timeout)
  return await identify(connection, AbortSignal.any([signal, late])).catch(() => null)
}

async function* watchLeaving({ node, seen, signal }: Search): AsyncGenerator<Said> {
  const left = createQueue<string>()
  node.libp2p.addEventListener('peer:disconnect', ({ detail }) => void left.push(detail.toString()))
  for await (const peerId of left.items(signal)) yield* seen.forget(peerId)
}

/** A peer that has changed says so with identify push; then it is asked, so that one reader reads what it says. */
async function watchChanges(search: Search): Promise<AsyncGenerator<Said>> {
  const { node, seen, signal } = search
  const changed = createQueue<Connection>()
  // from the start, since a peer is told in the first identify whether it may push
  await node.libp2p.handle(IDENTIFY_PUSH, async (stream, connection) => {
    await stream.close({ signal: AbortSignal.timeout(1000) }).catch(error => stream.abort(error))
    void changed.push(connection)
  })
  return (async function* () {
    for await (const connection of changed.items(signal)) {
      const identity = await ask(connection, search)
      if (identity != null) yield* seen.see(connection.remotePeer.toString(), { identity })
    }
  })()
}
