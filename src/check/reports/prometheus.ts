import { codes } from '../../errors.ts'
import { countsOf, plain, type Report } from '../report.ts'
import type { Result } from '../run.ts'

type Sample = [labels: Record<string, string>, value: number]

/**
 * The text format, for the textfile collector of node_exporter. Labels are what the file says, and error codes of our
 * own list: nothing that a peer said.
 */
export function prometheus({ startedAt, durationMs, results }: Report): string {
  const done = results.filter(({ status }) => status !== 'skipped')
  const each = (value: (result: Result) => number): Sample[] =>
    done.map(result => [{ ...labelsOf(result), target: result.check.text }, value(result)])
  const cases = results.flatMap((result): Sample[] => {
    const { passed, failed, skipped } = countsOf(result.cases)
    const of = (status: string): Record<string, string> => ({ ...labelsOf(result), status })
    return [
      [of('passed'), passed],
      [of('failed'), failed],
      [of('skipped'), skipped]
    ]
  })
  const errors = done.flatMap((result): Sample[] =>
    result.error != null && result.error in codes ? [[{ ...labelsOf(result), code: result.error }, 1]] : []
  )
  return [
    metric('p2pctl_check_success', 'Whether every expectation of the check held.', each(isPassed)),
    metric('p2pctl_check_duration_seconds', 'How long the check took, all tries together.', each(secondsOf)),
    metric(
      'p2pctl_check_attempts',
      'How often it was tried.',
      each(({ attempts }) => attempts)
    ),
    metric('p2pctl_check_cases', 'Its expectations by what became of them.', cases),
    metric('p2pctl_check_error', 'The error that it ended in.', errors),
    metric('p2pctl_check_run_duration_seconds', 'How long the whole run took.', [[{}, durationMs / 1000]]),
    metric('p2pctl_check_run_timestamp_seconds', 'When the run began.', [[{}, startedAt.getTime() / 1000]])
  ].join('')
}

const isPassed = ({ status }: Result): number => (status === 'passed' ? 1 : 0)
const secondsOf = ({ durationMs }: Result): number => durationMs / 1000

function labelsOf({ check: { name, kind } }: Result): Record<string, string> {
  return { check: name, kind }
}

function metric(name: string, help: string, samples: Sample[]): string {
  const rows = samples.map(([labels, value]) => {
    const list = Object.entries(labels).map(([key, text]) => `${key}="${escaped(plain(text))}"`)
    return `${name}${list.length === 0 ? '' : `{${list.join(',')}}`} ${value}\n`
  })
  return rows.length === 0 ? '' : `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${rows.join('')}`
}

function escaped(text: string): string {
  return text.replace(/[\\"]/g, '\\$&')
}
