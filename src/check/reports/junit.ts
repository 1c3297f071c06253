import { casesOf, countsOf, plain, type Report, reasonOf, titleOf } from '../report.ts'
import type { Case, Result } from '../run.ts'

/** JUnit XML, in the form that Jenkins, GitLab and GitHub's readers share: a suite for each check, a case for each expectation. */
export function junit(report: Report): string {
  const { file, startedAt, durationMs, results } = report
  const { cases, failed, skipped } = countsOf(casesOf(report))
  const head = { name: 'p2pctl check', tests: cases, failures: failed, errors: 0, skipped, time: seconds(durationMs) }
  const suites = results.map(result => suite(result, file, startedAt))
  return `<?xml version="1.0" encoding="UTF-8"?>\n${element('testsuites', head, suites)}\n`
}

function suite({ check, cases, durationMs }: Result, file: string | null, startedAt: Date): string {
  const { failed, skipped } = countsOf(cases)
  const head = {
    name: check.name,
    ...{ tests: cases.length, failures: failed, errors: 0, skipped },
    time: seconds(durationMs),
    timestamp: startedAt.toISOString()
  }
  // the whole check took the time; its expectations took none of their own
  return element(
    'testsuite',
    head,
    cases.map((one, index) => testCase(one, file, index === 0 ? durationMs : 0))
  )
}

function testCase(one: Case, file: string | null, durationMs: number): string {
  const place = file == null ? {} : { file, ...(one.line != null && { line: one.line }) }
  const head = { name: titleOf(one), classname: one.check, time: seconds(durationMs), ...place }
  if (one.status === 'skipped') return element('testcase', head, [element('skipped', { message: one.message ?? '' })])
  if (one.status === 'passed') return element('testcase', head)
  const reason = reasonOf(one)
  const lines = [reason, one.check, one.target ?? ''].map(line => escaped(plain(line)))
  return element('testcase', head, [element('failure', { message: reason, type: one.field }, lines)])
}

function element(name: string, attributes: Record<string, string | number>, inner: string[] = []): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${escaped(plain(String(value)))}"`)
  return inner.length === 0
    ? `<${name}${list.join('')}/>`
    : `<${name}${list.join('')}>\n${inner.join('\n')}\n</${name}>`
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(3)
}

const entities: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' }

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, char => entities[char]!)
}
