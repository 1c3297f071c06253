import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { duration, plural, shortIds } from './format.ts'
import { viewOf } from './screen.ts'

type Status = Event<'check.case'>['status']

/** What a line of a report shows of a list of protocols. */
const MAX_CHARS = 160

/** A line for each expectation; below those that do not hold, what was found. A report on stdout has it for itself. */
export default viewOf(({ out: stdout, err, quiet, verbose, options, status }) => {
  const reports = (options?.report ?? []) as string[]
  const taken = reports.some(report => report.endsWith('=-') || report === 'nagios')
  const out = taken ? err : stdout
  const { chalk, live } = out
  const marks: Record<Status, string> = {
    passed: chalk.green('ok  '),
    failed: chalk.red('fail'),
    skipped: chalk.dim('skip')
  }
  const shown = (text: string): string => shortIds(safe(text, verbose ? 2048 : MAX_CHARS), live)
  let left = 0
  let done = 0
  let all = 0
  const say = (check: Event<'check.case'>): void => {
    const { field, expected, actual, message, status: became } = check
    const head = `${marks[became]}  ${shown(check.check)}  ${field}`
    if (became !== 'failed') {
      const note = became === 'skipped' ? (message ?? '') : actual === expected ? '' : `got ${actual}`
      out.line(`${head}  ${shown(expected)}${note === '' ? '' : chalk.dim(`  ${shown(note)}`)}`)
      return
    }
    out.line(`${head}  wanted ${shown(expected)}, got ${shown(actual ?? 'nothing')}`)
    if (message != null) out.line(`      ${shown(message)}`)
  }
  return {
    'check.plan': ({ checks, left_out }) => {
      left = left_out
      all = checks
      status(`looking at ${plural(checks, 'peer')}`)
    },
    'check.retry': ({ check, attempt, error, failed }) => {
      if (verbose) err.line(`again ${shown(check)}  ${error ?? failed.join(', ')}, try ${attempt}`)
    },
    'check.case': event => {
      if (!quiet || event.status === 'failed') say(event)
    },
    // each line takes the spinner away, and what is left may try again for a long time
    'check.result': () => {
      if (++done < all) status(`${done} of ${plural(all, 'check')} done`)
    },
    'check.report': ({ path, format, text }) => {
      if (text != null) for (const line of text.trimEnd().split('\n')) if (line !== '') stdout.line(line)
      if (verbose && text == null) err.line(`${format} report in ${safe(path)}`)
    },
    'run.summary': ({ checks, passed, failed, skipped, total_ms }) => {
      status(null)
      if (checks == null) return
      const parts = [
        `${passed} held`,
        ...(failed ? [chalk.red(`${failed} did not`)] : []),
        ...(skipped ? [`${skipped} skipped`] : []),
        ...(left > 0 ? [`${plural(left, 'check')} left out`] : [])
      ]
      const of = plural((passed ?? 0) + (failed ?? 0) + (skipped ?? 0), 'expectation')
      out.line(`${plural(checks, 'check')}, ${of}: ${parts.join(', ')}, in ${duration(total_ms ?? 0)}`)
    }
  }
})
