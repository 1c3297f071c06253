import type { Connection } from '@libp2p/interface'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue, merge } from '../flow.ts'
import { openNode } from '../node.ts'
import { pong } from '../protocols/pong.ts'
import { createRoster } from '../roster.ts'
import { namedSources, type SourceOptions } from '../sources/named.ts'
import { ask, type LookOptions, type Search, type Source } from '../sources/source.ts'

export interface Options extends LookOptions, SourceOptions {
  identity?: string
  /** How long to look, in ms. */
  for?: number
  /** Enough of them. */
  min?: number
}

const LOOK_MS = 10_000
/** The sources that know a peer only as long as it is connected. */
const CONNECTED = ['bootstrap', 'relay']
/** https://github.com/libp2p/specs/tree/master/identify */
const IDENTIFY_PUSH = '/ipfs/id/push/1.0.0'

export default async function* peers(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { watch = false, min, sort } = options
  if (sort != null && watch) {
    throw new Failure('invalid_option', '--sort needs all peers, and --watch never has them', {
      hint: 'leave out one of the two'
    })
  }
  const sources = await namedSources(options)
  const services = await Promise.all(sources.map(source => source.services?.()))
  await using node = await openNode({ ...options, services: Object.assign({ ping: pong() }, ...services) })
  yield { type: 'run.start', peer_id: node.peerId }

  const enough = new AbortController()
  const seen = createRoster(options.protocol ?? [], count => {
    if (min != null && !watch && count >= min) enough.abort()
  })
  const lasts = !watch || options.for != null
  const lookMs = options.for ?? Math.max(...sources.map(source => source.lookMs ?? LOOK_MS))
  const timer = lasts ? setTimeout(() => enough.abort(), lookMs) : undefined
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
  const nothing = count === 0 ? (message ?? (source.report?.() || 'nobody was seen')) : message
  yield { type: 'source.end', source: source.name, peers: count, message: nothing }
}

async function* watchLeaving({ node, seen, signal }: Search): AsyncGenerator<Said> {
  const left = createQueue<string>()
  node.libp2p.addEventListener('peer:disconnect', ({ detail }) => void left.push(detail.toString()))
  for await (const peerId of left.items(signal)) yield* seen.lose(peerId, CONNECTED, false)
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
