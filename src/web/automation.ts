/** `window.p2pctl`: what the page's peer says and can do, for scripts and tests. docs/browser.md describes it. */
import { lineOf } from '../envelope.ts'
import { CONTRACT, type Said } from '../events.ts'
import { version } from '../version.ts'
import type { Actions } from './actions.ts'

/** So many events are kept, the newest. */
const MOST = 10_000

/** An event as a line of `--json`, with `cmd: 'page'`. */
export type PageEvent = ReturnType<typeof lineOf>

export interface Automation extends Actions {
  readonly version: string
  /** Null until there is a peer. */
  readonly peerId: string | null
  /** Every event so far, the newest 10,000. */
  readonly events: readonly PageEvent[]
  /** Hears every event from now on; gives what ends that. */
  on(listener: (event: PageEvent) => void): () => void
  /** Resolves once others can reach this peer, or the first try at that has failed; without a relay once it is there. */
  readonly ready: Promise<void>
}

/** Puts it there, and gives what is to be told of each event. */
export function expose(actions: Actions, ready: Promise<void>): (event: Said) => void {
  const events: PageEvent[] = []
  const listeners = new Set<(event: PageEvent) => void>()
  let peerId: string | null = null
  const automation: Automation = {
    ...actions,
    version,
    events,
    ready,
    get peerId() {
      return peerId
    },
    on(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    }
  }
  Object.defineProperty(globalThis, 'p2pctl', { value: Object.freeze(automation), configurable: true })
  return said => {
    if (said.type === 'run.start') peerId = said.peer_id
    const line = lineOf('page', whole(said))
    events.push(line)
    if (events.length > MOST) events.shift()
    for (const listener of listeners) listener(line)
  }
}

/** What src/run.ts and src/output.ts add on the command line. */
function whole(said: Said): Parameters<typeof lineOf>[1] {
  if (said.type === 'run.start') return { ...said, contract: CONTRACT, version }
  if (said.type === 'run.summary') return { exit_code: said.ok ? 0 : 1, ...said, reason: 'complete', signal: null }
  return said
}
