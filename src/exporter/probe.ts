/** One probe: what a check of its kind does, to one target, within the time of one scrape. */
import { COUNT, INTERVAL_MS, probe, type ProbeOptions } from '../check/probe.ts'
import { type Seen, seenOf } from '../check/seen.ts'
import { type Code, codes, Failure } from '../errors.ts'
import type { Phases, Said } from '../events.ts'
import { startLimit } from '../limit.ts'
import type { Target } from '../targets.ts'
import type { Module } from './modules.ts'
import { openGuard, type Policy } from './policy.ts'

export interface Asked {
  module: Module
  target: Target
  /** Until the answer has to be there, from now on. */
  budgetMs: number
}

export interface Probed {
  ok: boolean
  /** What went wrong, as the table of our codes has it; null for a probe that came to its end. */
  error: Code | null
  /** By field, whether it is as expected; null where it was not come to. */
  held: Map<string, boolean | null>
  seen: Seen
  /** Of the dial that worked, else of the last one. */
  phases: Partial<Phases>
  /** The round trips that count, in ms. */
  rttsMs: number[]
  durationMs: number
}

/** One attempt, unless the module says otherwise. */
const ATTEMPT_MS = 5000
/** So that a peer which never answers is told as that, and not as the end of the probe. */
const MARGIN_MS = 50

/** Throws only what is a bug, or the reason of the signal. */
export async function runProbe(
  { module, target, budgetMs }: Asked,
  policy: Policy,
  given: Partial<ProbeOptions>,
  signal: AbortSignal
): Promise<Probed> {
  const startedAt = performance.now()
  const timeout = attemptMs(module, budgetMs)
  const guard = openGuard(policy, target, given.dns, timeout)
  const { admit, isAdmitted, hosts } = guard
  // of private addresses too it is the guard that says which are dialed, whoever names them
  const options: ProbeOptions = { ...given, timeout, admit, hosts, mayDial: isAdmitted, allowPrivate: true }
  const { name, prober: kind, expectations } = module
  const settings = { ...module.settings, timeout }
  const check = { kind, name, text: target.text, target, settings, expectations, place: null }
  using limit = startLimit(budgetMs, signal)
  const events: Said[] = []
  let failure: Failure | null = null
  try {
    for await (const said of probe(check, options, limit.signal)) events.push(said)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Failure) failure = error
    else if (limit.passed) failure = new Failure('deadline', `not done within ${budgetMs} ms`)
    else throw error
  }
  signal.throwIfAborted()
  const [seen = {}] = seenOf(kind, events, failure)
  const attempts = events.filter(said => said.type === 'dial.attempt')
  const held = new Map(
    expectations.map(({ field, test }) => [field, seen[field] === undefined ? null : test(seen[field])])
  )
  return {
    ok: [...held.values()].every(one => one === true),
    error: codeOf(seen.error),
    held,
    seen,
    phases: (attempts.find(({ ok }) => ok) ?? attempts.at(-1))?.phases ?? {},
    rttsMs: events.flatMap(said => (said.type === 'ping.reply' && said.stalled !== true ? said.rtt_ms : [])),
    durationMs: performance.now() - startedAt
  }
}

/** A ping has to connect and then to wait for its replies. In whole ms, as AbortSignal.timeout() takes them. */
function attemptMs({ prober, settings }: Module, budgetMs: number): number {
  const { count = COUNT, interval = INTERVAL_MS, timeout = ATTEMPT_MS } = settings
  const pacing = prober === 'ping' ? (Number(count) - 1) * Number(interval) : 0
  // pings that are too many for it are cut off; the connection is not
  const room = Math.max(budgetMs / 2, budgetMs - pacing - MARGIN_MS)
  return Math.floor(Math.min(Number(timeout), prober === 'ping' ? room / 2 : room))
}

function codeOf(error: unknown): Code | null {
  if (error == null) return null
  return Object.hasOwn(codes, String(error)) ? (error as Code) : 'internal'
}
