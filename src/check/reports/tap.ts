import { casesOf, plain, type Report, reasonOf, titleOf } from '../report.ts'
import type { Case } from '../run.ts'

/** TAP 13: a point for each expectation, and of those that failed what was found in a YAML block. */
export function tap(report: Report): string {
  const cases = casesOf(report)
  const lines = cases.flatMap((one, index) => point(one, index + 1, report.file))
  return `${['TAP version 13', `1..${cases.length}`, ...lines].join('\n')}\n`
}

function point(one: Case, number: number, file: string | null): string[] {
  const { status, check } = one
  const head = `${status === 'failed' ? 'not ok' : 'ok'} ${number} - ${escaped(plain(`${check}: ${titleOf(one)}`))}`
  if (status === 'skipped') return [`${head} # SKIP ${escaped(plain(one.message ?? ''))}`]
  if (status === 'passed') return [head]
  const at = file == null ? {} : { file, line: String(one.line ?? ''), column: String(one.column ?? '') }
  const { target, expected, actual } = one
  const details = { message: reasonOf(one), target: target ?? '', expected, actual: actual ?? '', ...at }
  const rows = Object.entries(details).map(([key, value]) => `  ${key}: ${JSON.stringify(plain(value))}`)
  return [head, '  ---', ...rows, '  ...']
}

/** A # would begin a directive. */
function escaped(text: string): string {
  return text.replace(/[\\#]/g, '\\$&')
}
