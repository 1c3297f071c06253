/** Among the peers of a topic: those that were named, and whoever dials us. */
import { connect, type DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said, Verdict } from './events.ts'
import { merge, orAbort, pause, type Queue } from './flow.ts'
import type { Node } from './node.ts'
import { type Held, reserve, whileKept } from './reserve.ts'
import { listenAddrs, listenOnAll, namesAddrs, type ServeOptions, serve } from './serve.ts'
import { failureEvent, readTargets, type Target, type TargetOptions, verdictOf } from './targets.ts'

/** How peers are met. */
export interface GatherOptions extends ServeOptions, DialOptions, TargetOptions {
  /** Dial these. */
  bootstrap?: string[]
}

/** Between two tries to get a peer back; it doubles. */
const FIRST_WAIT_MS = 1000
const LONGEST_WAIT_MS = 30_000

/** Where to listen: where it was asked for, and everywhere when there is no other way to meet anybody. */
export function gatherAddrs(options: GatherOptions): string[] {
  return namesAddrs(options) || !dials(options) ? listenAddrs(options) : []
}

/** Refuses a run that could meet nobody. */
export function checkWay(options: GatherOptions): void {
  if (namesAddrs(options) || dials(options)) return
  throw new Failure('invalid_option', 'no way to meet a peer is named', {
    hint: 'give --bootstrap ADDR, --relay ADDR, or --tcp to be dialed'
  })
}

function dials({ bootstrap, relay }: GatherOptions): boolean {
  return bootstrap != null || relay != null
}

/**
 * Listens, reserves on the relay and dials the peers that were named; goes on as soon as one of them is there, and
 * dials each again that leaves. `work` is what is to be done then, and the end of all; without it that is the signal.
 * Gives the verdict where every dial failed and nobody could dial us, else null.
 */
export async function* gather(
  node: Node,
  queue: Queue<Said>,
  options: GatherOptions,
  signal: AbortSignal,
  work?: (signal: AbortSignal) => Promise<void>
): AsyncGenerator<Said, Verdict | null> {
  // those that are named are not asked where they are themselves
  const { bootstrap, ...ways } = options
  const dialing = { ...ways, identified: true }
  const targets = bootstrap == null ? [] : await readTargets(bootstrap, ways)
  const relays = options.relay == null ? [] : await readTargets([options.relay])
  const addrs = gatherAddrs(options)
  await listenOnAll(node, addrs, options)
  const held: Held[] = []
  for (const relay of relays) held.push(yield* reserve(node, relay, dialing, signal))

  const over = new AbortController()
  const until = AbortSignal.any([signal, over.signal])
  const prepared = Promise.withResolvers<void>()
  const failures: Failure[] = []
  let alone = false
  const failed = (failure: Failure): void => {
    failures.push(failure)
    if (failures.length < targets.length) return
    prepared.resolve()
    alone = addrs.length === 0 && held.length === 0
    if (alone) over.abort()
  }
  if (targets.length === 0) prepared.resolve()
  const working = async (): Promise<void> => {
    await prepared.promise
    if (alone || work == null) return
    await work(until).finally(() => over.abort())
  }
  const serving = async function* (): AsyncGenerator<Said> {
    try {
      yield* whileKept(node, held, dialing, serve(node, queue, options, until, { prepared: prepared.promise }))
    } finally {
      over.abort()
    }
  }
  const meetings = targets.map(target => meet(node, target, ways, { met: prepared.resolve, failed }, until))
  signal.addEventListener('abort', () => prepared.resolve(), { once: true })
  const worked = working()
  // it is waited for only once nobody serves any more
  worked.catch(() => {})
  yield* merge([serving(), ...meetings])
  await worked
  return alone ? verdictOf(targets, 0, failures) : null
}

/** Keeps one peer: the first failure is told, those of later tries are not. */
async function* meet(
  node: Node,
  target: Target,
  options: DialOptions,
  { met, failed }: { met(): void; failed(failure: Failure): void },
  signal: AbortSignal
): AsyncGenerator<Said> {
  let waitMs = FIRST_WAIT_MS
  for (let first = true; ; first = false) {
    const said: Said[] = []
    try {
      const steps = connect(node, target, { ...options, identified: true }, signal)
      let step = await steps.next()
      for (; step.done !== true; step = await steps.next()) {
        // whoever serves tells of all connections
        if (step.value.type === 'connection.open') continue
        if (first) yield step.value
        else said.push(step.value)
      }
      yield* said
      met()
      waitMs = FIRST_WAIT_MS
      const { connection } = step.value
      const left = Promise.withResolvers<void>()
      connection.addEventListener('close', () => left.resolve())
      if (connection.status === 'open') await orAbort(left.promise, signal)
    } catch (error) {
      if (signal.aborted) return
      if (!(error instanceof Failure)) throw error
      if (first) {
        yield failureEvent(error, target)
        failed(error)
      }
    }
    if (!(await pause(waitMs, signal))) return
    waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)
  }
}
