/** One check: looked at until it holds or its time is over, and each expectation held against what was seen. */
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { pause } from '../flow.ts'
import type { Expectation, Value } from './expectation.ts'
import type { Check } from './plan.ts'
import { type ProbeOptions, probe } from './probe.ts'
import { type Seen, seenOf } from './seen.ts'

export type Case = Event<'check.case'>

/** What became of a check. */
export interface Result {
  check: Check
  status: 'passed' | 'failed' | 'skipped'
  cases: Case[]
  attempts: number
  durationMs: number
  /** The code of what went wrong, in its last attempt. */
  error: string | null
  seen: Seen[]
}

const EVERY_MS = 1000
/** How much of a text that somebody else wrote stands in a report. */
const MAX_CHARS = 1024
/** How many addresses are named that do not do what was expected. */
const MAX_NAMED = 8

/** Yields each try that does not hold, when there will be another; gives the result, which is skipped after the signal. */
export async function* runCheck(
  check: Check,
  options: ProbeOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'check.retry'>, Result> {
  const startedAt = performance.now()
  const { for: forMs = 0, every: everyMs = EVERY_MS } = check.settings
  for (let attempts = 1; ; attempts++) {
    if (signal.aborted) return skipped(check, whyOf(signal))
    const seen = await look(check, options, signal)
    const durationMs = performance.now() - startedAt
    if (seen == null) return skipped(check, whyOf(signal))
    const cases = check.expectations.map(expectation => caseOf(check, expectation, seen))
    const failed = cases.filter(({ status }) => status === 'failed')
    const error = seen.map(one => one.error).find(code => typeof code === 'string') as string | undefined
    const status = failed.length === 0 ? 'passed' : 'failed'
    const result: Result = { check, status, cases, attempts, durationMs, error: error ?? null, seen }
    if (failed.length === 0 || durationMs + Number(everyMs) >= Number(forMs)) return result
    yield {
      type: 'check.retry',
      target: check.text,
      check: check.name,
      attempt: attempts,
      failed: failed.map(({ field }) => field),
      error: result.error,
      wait_ms: Number(everyMs)
    }
    // a try that was whole is a result, though the run ends before the next one
    if (!(await pause(Number(everyMs), signal))) return result
  }
}

/** The cases of a check that was not come to. */
export function skipped(check: Check, why: string): Result {
  const cases = check.expectations.map((one): Case => ({ ...caseFields(check, one), status: 'skipped', message: why }))
  return { check, status: 'skipped', cases, attempts: 0, durationMs: 0, error: null, seen: [] }
}

/** In words, why a run did not come to all of its checks. */
export function whyOf({ reason }: AbortSignal): string {
  if (typeof reason === 'string') return reason
  return reason instanceof Error && reason.name === 'TimeoutError' ? 'the deadline passed first' : 'interrupted'
}

/** What there is to see of it; null if the run was ended before all was seen. */
async function look(check: Check, options: ProbeOptions, signal: AbortSignal): Promise<Seen[] | null> {
  const events: Said[] = []
  let failure: Failure | null = null
  try {
    for await (const said of probe(check, options, signal)) events.push(said)
  } catch (error) {
    if (error instanceof Failure) failure = error
    else if (!signal.aborted) throw error
  }
  return signal.aborted ? null : seenOf(check.kind, events, failure)
}

function caseFields(
  { name, kind, text, place: own }: Check,
  { field, expected, place }: Expectation
): Omit<Case, 'status'> {
  return {
    type: 'check.case',
    target: text,
    check: name,
    kind,
    field,
    expected,
    actual: null,
    message: null,
    line: (place ?? own)?.line ?? null,
    column: (place ?? own)?.column ?? null
  }
}

/** Of several addresses it holds where it holds for each. */
function caseOf(check: Check, expectation: Expectation, seen: Seen[]): Case {
  const fields = caseFields(check, expectation)
  const of = ({ addr }: Seen): string => (seen.length > 1 ? ` at ${addr}` : '')
  const wrong = seen.flatMap(one => {
    const fault = faultOf(expectation, one)
    return fault == null ? [] : { ...fault, at: of(one) }
  })
  if (wrong.length === 0) {
    const values = seen.map(one => textOf(one[expectation.field]))
    return { ...fields, status: 'passed', actual: [...new Set(values)].slice(0, MAX_NAMED).join('; ') }
  }
  const named = wrong.slice(0, MAX_NAMED)
  const most = wrong.length > named.length ? `; ${wrong.length - named.length} more` : ''
  const actual = named.map(one => `${one.actual}${one.at}`).join('; ')
  const messages = [...new Set(named.flatMap(({ message }) => message ?? []))]
  const count = seen.length > 1 ? [`${wrong.length} of ${seen.length} addresses`] : []
  const message = [...count, ...messages].join(': ')
  return { ...fields, status: 'failed', actual: `${actual}${most}`, message: message === '' ? null : message }
}

/** What was found instead, and why; null where it holds. */
function faultOf({ field, test }: Expectation, seen: Seen): { actual: string; message: string | null } | null {
  const value = seen[field]
  if (value === undefined) return { actual: 'nothing', message: `not known after ${textOf(seen.error)}` }
  const held = test(value)
  if (held === true) return null
  const actual = textOf(value)
  if (held == null) return { actual, message: 'the pattern takes too long on this text' }
  if (field === 'error' && typeof seen.error_message === 'string') return { actual, message: seen.error_message }
  const stalled = value === null && /^(rtt|connects)_/.test(field) && Number(seen.stalled) > 0
  return { actual, message: stalled ? 'every reply was taken while this machine stood still' : null }
}

function textOf(value: Value | undefined): string {
  if (value === undefined) return 'nothing'
  if (value === null) return 'none'
  if (typeof value === 'number') return String(Math.round(value * 1000) / 1000)
  const text = Array.isArray(value) ? (value.length === 0 ? 'none' : value.join(', ')) : String(value)
  return text.length > MAX_CHARS ? `${[...text].slice(0, MAX_CHARS).join('')}…` : text
}
