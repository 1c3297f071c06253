import { jsonLine } from '../../safe.ts'
import { casesOf, countsOf, type Report } from '../report.ts'

/** One JSON document, with the words of the events of --json. */
export function json(report: Report): string {
  const { version, file, startedAt, durationMs, results } = report
  const { failed, skipped, ...counts } = countsOf(casesOf(report))
  const head = { v: 1, version, file, time: startedAt.toISOString(), duration_ms: durationMs }
  const checks = results.map(({ check, status, cases, attempts, durationMs: duration_ms, error, seen }) => ({
    check: check.name,
    kind: check.kind,
    target: check.text,
    ...{ status, attempts, duration_ms, error, seen },
    cases: cases.map(({ field, status, expected, actual, message, line, column }) => ({
      ...{ field, status, expected, actual, message, line, column }
    }))
  }))
  return `${jsonLine({ ...head, ok: failed === 0 && skipped === 0, ...counts, failed, skipped, checks })}\n`
}
