/** One connection to a peer, which is made again when it is gone. */
import type { Connection } from '@libp2p/interface'
import { closeEvent, type Connected, connect, type DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said } from './events.ts'
import { orAbort, pause } from './flow.ts'
import type { Node } from './node.ts'
import type { Target } from './targets.ts'

export interface Link {
  readonly peerId: string
  /** The last one, which may be gone. */
  readonly connection: Connection
  /** The connection, or the next one as soon as it is there; rejects with the reason of the signal. */
  get(signal: AbortSignal): Promise<Connection>
  /** Why there is none, as long as there is none. */
  readonly failure: Failure | undefined
}

/** Between two tries; it doubles, and ends early when somebody wants the connection. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000

/** Keeps what was connected until the signal, always to the same peer. */
export function keepConnected(
  node: Node,
  target: Target,
  { connection, peerId }: Connected,
  options: DialOptions,
  said: (event: Said) => unknown,
  signal: AbortSignal
): Link {
  let current = connection
  let next = Promise.withResolvers<Connection>()
  let failure: Failure | undefined
  let wanted = new AbortController()

  const dialAgain = async (): Promise<Connection> => {
    const events: Said[] = []
    const steps = connect(node, target, { ...options, identified: false }, signal)
    let step = await steps.next()
    for (; step.done !== true; step = await steps.next()) events.push(step.value)
    const found = step.value
    if (found.peerId !== peerId) {
      found.connection.abort(new Error('another peer answered'))
      throw new Failure('peer_id_mismatch', `another peer answered: expected ${peerId}, got ${found.peerId}`)
    }
    for (const event of events) if (event.type !== 'dial.attempt' || event.ok) said(event)
    return found.connection
  }

  const keep = async (): Promise<void> => {
    for (let waitMs = FIRST_WAIT_MS; !signal.aborted; ) {
      if (failure == null) await closed(current, signal)
      if (signal.aborted) return
      if (failure == null) said(closeEvent(current))
      wanted = new AbortController()
      try {
        current = await dialAgain()
        failure = undefined
        waitMs = FIRST_WAIT_MS
        next.resolve(current)
        next = Promise.withResolvers()
      } catch (error) {
        if (signal.aborted) return
        if (!(error instanceof Failure)) throw error
        failure = error
        said({ type: 'forward.retry', peer_id: peerId, code: error.code, message: error.message, wait_ms: waitMs })
        await pause(FIRST_WAIT_MS, signal)
        await pause(waitMs - FIRST_WAIT_MS, AbortSignal.any([signal, wanted.signal]))
        waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)
      }
    }
  }
  // anything but a Failure is a bug, and ends the run as an uncaught error does
  void keep()
  return {
    peerId,
    get connection() {
      return current
    },
    async get(limit) {
      if (current.status === 'open') return current
      wanted.abort()
      return await orAbort(next.promise, limit)
    },
    get failure() {
      return failure
    }
  }
}

function closed(connection: Connection, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = (): void => {
      connection.removeEventListener('close', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    connection.addEventListener('close', done)
    signal.addEventListener('abort', done)
    if (connection.status === 'closed' || connection.status === 'aborted' || signal.aborted) done()
  })
}
