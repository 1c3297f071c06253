import { availableParallelism } from 'node:os'
import { Failure } from '../errors.ts'
import type { Event, FieldsOf } from '../events.ts'
import { startLimit } from '../limit.ts'

export type Group = FieldsOf<'doctor.check'>['group']
type Finding = FieldsOf<'doctor.check'>

/** What a look has found; `fix` says what to do where there is something to do. */
export type Found = Omit<Finding, 'group' | 'check' | 'ms' | 'fix'> & { fix?: string | null }

export interface Check {
  group: Group
  name: string
  /** Starts processes, so that only a few of its kind run at a time. */
  heavy?: boolean
  /** In place of the time that all others have, where its parts have times of their own. */
  timeoutMs?: number
  /** A Failure that it throws is a finding too: fail. */
  look(signal: AbortSignal): Promise<Found>
}

/** More of them would measure each other. */
const HEAVY_AT_ONCE = Math.min(3, availableParallelism())

/** Makes checks side by side, each within its own time, and gives what they find in the order of the list. */
export async function* findings(
  checks: Check[],
  timeoutMs: number,
  signal: AbortSignal
): AsyncGenerator<Event<'doctor.check'>> {
  const turns = createTurns(HEAVY_AT_ONCE)
  const begun = checks.map(async check => {
    if (check.heavy !== true) return await made(check, timeoutMs, signal)
    using _turn = await turns.next()
    return await made(check, timeoutMs, signal)
  })
  // each is awaited in its turn; until then a failure is not yet unhandled
  for (const finding of begun) finding.catch(() => {})
  try {
    for (const finding of begun) yield await finding
  } finally {
    await Promise.allSettled(begun)
  }
}

/**
 * Makes one check, and says how long it took. Where the time of the whole run is over it says that alone; throws only
 * for another end of the run, and for a bug.
 */
export async function made(check: Check, usualMs: number, signal: AbortSignal): Promise<Event<'doctor.check'>> {
  const { group, name, timeoutMs = usualMs } = check
  const startedAt = performance.now()
  using limit = startLimit(timeoutMs, signal)
  let found: Found
  try {
    signal.throwIfAborted()
    found = await check.look(limit.signal)
  } catch (error) {
    if (isOver(signal)) found = { status: 'skip', message: 'not looked at to the end: the time of the run is over' }
    else {
      signal.throwIfAborted()
      if (error instanceof Failure) found = { status: 'fail', message: error.message, fix: error.hint }
      else if (limit.passed) found = { status: 'fail', message: `no end within ${timeoutMs / 1000} s`, fix: PATIENCE }
      else throw error
    }
  }
  const { status, message, fix = null, ...facts } = found
  const ms = performance.now() - startedAt
  return { type: 'doctor.check', group, check: name, status, message, fix, ms, ...facts }
}

/** The deadline has passed, and nobody has stopped the run. */
export function isOver(signal: AbortSignal): boolean {
  return signal.aborted && signal.reason?.name === 'TimeoutError'
}

const PATIENCE = 'the machine may be busy: try a longer --timeout'

function createTurns(places: number) {
  const waiting: (() => void)[] = []
  let free = places
  return {
    async next(): Promise<Disposable> {
      if (free > 0) free--
      else await new Promise<void>(resolve => waiting.push(resolve))
      return {
        [Symbol.dispose]: () => {
          const resume = waiting.shift()
          if (resume == null) free++
          else resume()
        }
      }
    }
  }
}
