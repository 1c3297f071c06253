import { countsOf, type Report } from '../check/report.ts'
import { openReports, readOrders } from '../check/reporting.ts'
import { type Result, runCheck, skipped, whyOf } from '../check/run.ts'
import { type ProbeOptions, warmUp } from '../check/probe.ts'
import { readPlan, type SourceOptions } from '../check/sources.ts'
import type { Check } from '../check/plan.ts'
import { errorEvent, Failure } from '../errors.ts'
import type { Event, Said, Verdict } from '../events.ts'
import { merge } from '../flow.ts'
import { safe } from '../safe.ts'
import { version } from '../version.ts'

export interface Options extends ProbeOptions, SourceOptions {
  /** A check file, or addresses. */
  target: string[]
  /** Only the checks whose name this pattern matches. */
  run?: string
  /** How many at a time; 8 by default. */
  concurrency?: number
  failFast?: boolean
  /** `junit=FILE`, `tap=-` and so on. */
  report?: string[]
  json?: boolean
}

/** Each has a handshake to compute, or several: more would measure this machine. */
const CONCURRENCY = 8

export default async function* check(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const orders = readOrders(options.report ?? [], options.json === true)
  const plan = await readPlan(options.target, options, process.env)
  const checks = chosen(plan.checks, options.run)
  await using reports = await openReports(orders, process.env.GITHUB_STEP_SUMMARY)
  const startedAt = new Date()
  const began = performance.now()
  yield {
    type: 'check.plan',
    file: plan.file,
    checks: checks.length,
    cases: checks.reduce((sum, { expectations }) => sum + expectations.length, 0),
    left_out: plan.checks.length - checks.length
  }
  await warmUp(checks, options)

  const enough = new AbortController()
  const until = AbortSignal.any([signal, enough.signal])
  const done = new Map<Check, Result>()
  const each = function* () {
    for (const one of checks) {
      // once it is over, the rest is told below, in order
      if (until.aborted) return
      yield follow(one, options, until, result => {
        done.set(one, result)
        if (result.status === 'failed' && options.failFast === true)
          enough.abort('a check has failed, with --fail-fast')
      })
    }
  }
  yield* merge(each(), options.concurrency ?? CONCURRENCY)
  for (const one of checks) {
    if (done.has(one)) continue
    const result = skipped(one, whyOf(until))
    done.set(one, result)
    yield* tell(result)
  }

  const results = checks.map(one => done.get(one)!)
  const report: Report = { version, file: plan.file, startedAt, durationMs: performance.now() - began, results }
  const unwritten: Failure[] = []
  for await (const written of reports.write(report)) {
    if (written instanceof Failure) unwritten.push(written)
    yield written instanceof Failure ? errorEvent(written) : written
  }
  const verdict = verdictOf(report, unwritten[0])
  if (verdict.exit_code === 4 && signal.reason?.name === 'TimeoutError') {
    yield errorEvent(new Failure('deadline', `${verdict.skipped} of ${verdict.cases} expectations were not come to`))
  }
  yield verdict
}

async function* follow(
  check: Check,
  options: Options,
  signal: AbortSignal,
  done: (result: Result) => void
): AsyncGenerator<Said> {
  const result = yield* runCheck(check, options, signal)
  done(result)
  yield* tell(result)
}

function* tell({ check, status, cases, attempts, durationMs, error, seen }: Result): Generator<Said> {
  yield* cases
  const { failed } = countsOf(cases)
  const event: Event<'check.result'> = {
    type: 'check.result',
    target: check.text,
    check: check.name,
    kind: check.kind,
    ...{ status, cases: cases.length, failed, attempts, duration_ms: durationMs, error, seen }
  }
  yield event
}

function chosen(checks: Check[], run: string | undefined): Check[] {
  if (run == null) return checks
  let pattern: RegExp
  try {
    pattern = new RegExp(run)
  } catch (cause) {
    const why = safe((cause as Error).message)
    throw new Failure('invalid_option', `--run: "${safe(run)}" is no regular expression: ${why}`, { cause })
  }
  const some = checks.filter(({ name }) => pattern.test(name))
  if (some.length > 0) return some
  const names = checks.slice(0, 3).map(({ name }) => safe(name))
  throw new Failure('invalid_option', `--run: no check matches "${safe(run)}"`, {
    hint: `they are called: ${names.join(', ')}${checks.length > 3 ? ', ...' : ''}`
  })
}

/** One that failed says more than those that were not come to. */
function verdictOf({ results, durationMs }: Report, unwritten: Failure | undefined): Verdict {
  const counts = countsOf(results.flatMap(({ cases }) => cases))
  const code = unwritten?.exitCode ?? (counts.failed > 0 ? 1 : counts.skipped > 0 ? 4 : 0)
  const figures = { checks: results.length, ...counts, total_ms: durationMs }
  return { type: 'run.summary', ok: code === 0, exit_code: code, ...(unwritten && { reason: 'error' }), ...figures }
}
