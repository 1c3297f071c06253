import type { Event } from '../events.ts'
import { bareAddr, plural } from './format.ts'
import { viewOf } from './screen.ts'

type Status = Event<'doctor.check'>['status']

/** `  ok    tcp-port        ` */
const INDENT = 24
/** ` 1294 ms  ` */
const TIME = 10
/** Longer lines are hard to read, however wide the terminal is. */
const MOST_COLUMNS = 110

/**
 * Every check in a line, under the name of its group; below it what to do. Both are our own words: what they quote of
 * others went through `safe()` where they were made.
 */
export default viewOf(({ out, quiet, verbose, status }) => {
  const { chalk, columns } = out
  const marks: Record<Status, string> = {
    ok: chalk.green('ok'),
    warn: chalk.yellow('warn'),
    fail: chalk.red('fail'),
    skip: chalk.dim('skip')
  }
  const counts: Record<Status, number> = { ok: 0, warn: 0, fail: 0, skip: 0 }
  let under: string | null = null
  const indent = verbose ? INDENT + TIME : INDENT
  const width = columns === Infinity ? columns : Math.min(columns, MOST_COLUMNS)
  const say = (head: string, text: string, paint: (line: string) => string): void => {
    const [first = '', ...rest] = wrap(text, width - indent)
    out.line(`${head}${paint(first)}`)
    for (const line of rest) out.line(`${' '.repeat(indent)}${paint(line)}`)
  }
  const plain = (text: string): string => text
  return {
    'run.start': () => status('looking at this machine'),
    'doctor.check': ({ group, check, status: found, message, fix, ms, target }) => {
      counts[found]++
      if (quiet && found !== 'warn' && found !== 'fail') return
      const heading = target == null ? group.replace('-', ' ') : `${group}  ${bareAddr(target)}`
      if (heading !== under) {
        if (under != null) out.line('')
        out.line(chalk.bold(heading))
        under = heading
      }
      // padded by what is seen of it: colour codes have no width
      const mark = `${marks[found]}${' '.repeat(6 - found.length)}`
      const time = verbose ? chalk.dim(`${ms.toFixed(0)} ms`.padStart(TIME - 2).concat('  ')) : ''
      say(`  ${mark}${check.padEnd(16)}${time}`, group === 'transports' ? inColumns(message) : message, plain)
      if (fix != null) say(' '.repeat(indent), fix, chalk.dim)
      status('looking further')
    },
    'run.summary': ({ ok }) => {
      status(null)
      const parts = [
        `${counts.ok} ok`,
        ...(counts.warn > 0 ? [plural(counts.warn, 'warning')] : []),
        ...(counts.fail > 0 ? [`${counts.fail} failed`] : []),
        ...(counts.skip > 0 ? [`${counts.skip} skipped`] : [])
      ]
      if (quiet) return
      if (under != null) out.line('')
      out.line(ok ? parts.join(', ') : chalk.red(parts.join(', ')))
    }
  }
})

/** The times of one transport below those of the other. */
function inColumns(message: string): string {
  return message.replace(/(?<![\d.])[\d.]+ ms/g, time => time.padStart(7))
}

/** Lines of whole words; a word that is longer stays whole. */
function wrap(text: string, columns: number): string[] {
  const lines: string[] = []
  for (const word of text.split(' ')) {
    const last = lines.at(-1)
    if (last == null || last.length + 1 + word.length > columns) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}
