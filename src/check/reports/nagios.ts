import { casesOf, countsOf, plain, type Report, reasonOf } from '../report.ts'

/** A pipe begins the performance data, whatever stands before it. */
const noPipe = (text: string): string => plain(text).replaceAll('|', '/')

/** One line for Nagios and Icinga, and a line below it for each case that failed. The exit code stays p2pctl's own. */
export function nagios(report: Report): string {
  const cases = casesOf(report)
  const { passed, failed, skipped } = countsOf(cases)
  const broken = cases.filter(({ status }) => status === 'failed')
  const word = failed > 0 ? 'CRITICAL' : skipped > 0 || cases.length === 0 ? 'UNKNOWN' : 'OK'
  const parts = [`${passed} of ${cases.length} passed`]
  if (failed > 0) parts.push(`${failed} failed`)
  if (skipped > 0) parts.push(`${skipped} skipped`)
  const total = cases.length
  const data = [
    `passed=${passed};;;0;${total}`,
    `failed=${failed};;0;0;${total}`,
    `skipped=${skipped};;;0;${total}`,
    `time=${(report.durationMs / 1000).toFixed(3)}s;;;0`
  ]
  const lines = broken.map(one => noPipe(`${one.check}: ${reasonOf(one)}`))
  return `${[`P2PCTL ${word} - ${parts.join(', ')} | ${data.join(' ')}`, ...lines].join('\n')}\n`
}
