import { connect } from '../connect.ts'
import type { Start } from '../crawl.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue, pause, type Queue } from '../flow.ts'
import { failureEvent, type Target } from '../targets.ts'
import { met, type Source } from './source.ts'

/** The connections to the named peers, for those who start from them. */
export interface Starts {
  queue: Queue<Start>
  /** Aborted once each peer was dialed. */
  over: AbortController
}

export const newStarts = (): Starts => ({ queue: createQueue(), over: new AbortController() })

/** With --watch, how long a named peer that is away is left alone. */
const REDIAL_MS = 3000

/** The peers that were named: each is dialed and asked who it is, and dialed again when it is away and --watch is on. */
export function bootstrapSource(targets: Target[], starts: Starts): Source {
  const name = 'bootstrap'
  return {
    name,
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
        void starts.queue.push({ connection, protocols: identity?.protocols ?? [] })
        yield* met(name, connection, addr, identity, search)
      }
      try {
        for (const target of targets) {
          try {
            yield* meet(target)
          } catch (error) {
            if (!(error instanceof Failure)) throw error
            yield failureEvent(error, target)
          }
        }
      } finally {
        starts.over.abort()
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
