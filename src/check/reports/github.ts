import { casesOf, countsOf, plain, type Report, reasonOf, titleOf } from '../report.ts'
import type { Case } from '../run.ts'

/** GitHub shows ten annotations of a step, and takes 1 MiB of summary. */
const MAX_ANNOTATIONS = 50
const MAX_ROWS = 500

/** Workflow commands: an error at the line of each expectation that failed. */
export function annotations(report: Report): string {
  const failed = casesOf(report).filter(({ status }) => status === 'failed')
  const shown = failed.slice(0, MAX_ANNOTATIONS).map(one => {
    const { file } = report
    const place = file == null ? [] : [`file=${property(file)}`, `line=${one.line ?? 1}`, `col=${one.column ?? 1}`]
    const title = `title=${property(one.check)}`
    return `::error ${[...place, title].join(',')}::${data(plain(reasonOf(one)))}\n`
  })
  return shown.join('')
}

/** Markdown for the page of the run: those that failed first. */
export function summary(report: Report): string {
  const cases = casesOf(report)
  const { passed, failed, skipped } = countsOf(cases)
  const order: Case['status'][] = ['failed', 'skipped', 'passed']
  const sorted = order.flatMap(status => cases.filter(one => one.status === status))
  const marks = { failed: '❌', skipped: '⏭️', passed: '✅' }
  const rows = sorted.slice(0, MAX_ROWS).map(one => {
    const found = one.status === 'skipped' ? one.message : one.status === 'failed' ? reasonOf(one) : one.actual
    return `| ${marks[one.status]} | ${cell(one.check)} | ${cell(titleOf(one))} | ${cell(found ?? '')} |\n`
  })
  const more = sorted.length > rows.length ? `\n${sorted.length - rows.length} more are not shown.\n` : ''
  return `### p2pctl check: ${passed} passed, ${failed} failed, ${skipped} skipped

| | check | expected | found |
|---|---|---|---|
${rows.join('')}${more}
`
}

/** As @actions/core writes them. */
function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(plain(text)).replaceAll(':', '%3A').replaceAll(',', '%2C')
}

/** Text in a table of Markdown, and nothing else: no link, no image, no mark-up, no mention of anybody. */
function cell(text: string): string {
  return [...plain(text)]
    .slice(0, 300)
    .join('')
    .replace(/[&<>"|\\`*_{}[\]()#+!~@:/.-]/g, char => `&#${char.charCodeAt(0)};`)
}
