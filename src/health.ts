/** Whether a node that serves does all that it was asked to, from what the command says and a look at what listens. */
import { existsSync } from 'node:fs'
import type { Listener } from '@libp2p/interface'
import type { Said } from './events.ts'
import { MAX_WAITING, type Queue } from './flow.ts'
import { watchLoop } from './loop-delay.ts'
import type { Node } from './node.ts'
import { safe } from './safe.ts'

export interface Health extends Disposable {
  /** Hears every event of the command. */
  tell(event: Said): void
  /** Whatever the node listens on now has to stay, and its events have to be taken. */
  holds(node: Node, queue: Pick<Queue<unknown>, 'size'>): void
  /** What is wrong, a sentence each; none where all is well. */
  problems(): string[]
}

export interface HealthRules {
  /** An event loop that stood still for longer was stuck. */
  stuckMs: number
  /** And that counts for so long: it could not be told while it was. */
  rememberMs: number
}

/** Two probes of Kubernetes, by default 10 s apart, cannot both miss it. */
const RULES: HealthRules = { stuckMs: 1000, rememberMs: 15_000 }
const LOOK_MS = 100

interface Held {
  text: string
  stands(): boolean
}

export function createHealth(signal: AbortSignal, { stuckMs, rememberMs }: HealthRules = RULES): Health {
  const loop = watchLoop({ periodMs: LOOK_MS, notedMs: stuckMs })
  /** Relays that no reservation is held on any more, as they were given. */
  const lost = new Set<string>()
  let held: Held[] = []
  let waiting: Pick<Queue<unknown>, 'size'> = { size: 0 }
  let readyAt = Infinity
  return {
    tell(event) {
      if (event.type === 'listen.ready') readyAt = performance.now()
      // those of others at a relay of ours have no target
      else if (event.type === 'reservation.close' && event.target != null) lost.add(event.target)
      else if (event.type === 'reservation.open' && event.target != null) lost.delete(event.target)
    },
    holds(node, queue) {
      const { transportManager } = node.components
      // what is listened on through a relay stands and falls with the reservation
      const own = transportManager.getListeners().filter(listener => isOwn(listener))
      held = own.map(listener => heldOf(listener, () => transportManager.getListeners().includes(listener)))
      waiting = queue
    },
    problems() {
      if (signal.aborted) return ['it is being stopped']
      if (readyAt === Infinity) return ['it is not ready yet']
      // what loading took is over
      const stoodMs = loop.since(Math.max(readyAt, performance.now() - rememberMs))
      return [
        ...held.filter(one => !one.stands()).map(({ text }) => `it no longer listens on ${safe(text, 512)}`),
        ...[...lost].map(relay => `the reservation on ${safe(relay, 512)} is lost`),
        ...(stoodMs == null
          ? []
          : [`it stood still for ${(stoodMs / 1000).toFixed(1)} s within the last ${rememberMs / 1000} s`]),
        ...(waiting.size < MAX_WAITING ? [] : ['nobody reads its stdout, so that nobody is let in'])
      ]
    },
    [Symbol.dispose]: () => loop[Symbol.dispose]()
  }
}

function isOwn(listener: Listener): boolean {
  const addrs = listener.getAddrs().map(addr => addr.toString())
  return addrs.length > 0 && addrs.every(addr => !addr.includes('/p2p-circuit'))
}

function heldOf(listener: Listener, known: () => boolean): Held {
  const addrs = listener.getAddrs()
  const first = addrs[0]!.getComponents()[0]
  // a socket whose file was removed listens on, and nobody can find it
  const file = first?.name === 'unix' ? first.value! : null
  return {
    text: addrs[0]!.toString(),
    stands: () => known() && listener.getAddrs().length > 0 && (file == null || existsSync(file))
  }
}
