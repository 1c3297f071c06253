import stringWidth from 'string-width'
import type { Event, Phases } from '../events.ts'
import { safe } from '../safe.ts'
import { bareAddr, duration, pad, shortIds } from './format.ts'
import type { Pen } from './screen.ts'
import { madeOf, resultOf } from './words.ts'

type Attempt = Event<'dial.attempt'>

interface Column {
  head: string
  cell(attempt: Attempt): string
  /** Figures stand below each other by their end. */
  right?: boolean
}

const phaseColumns = [
  ['RESOLVE', 'resolve_ms'],
  ['RELAY', 'relay_ms'],
  ['SIGNAL', 'signal_ms'],
  ['CONNECT', 'connect_ms'],
  ['SECURITY', 'security_ms'],
  ['MUXER', 'muxer_ms'],
  ['IDENTIFY', 'identify_ms']
] as const satisfies [string, keyof Phases][]

/** Every address of `--each` and `--announced` in a table, and below those that fail or are skipped the reason. */
export function tableOf(attempts: Attempt[], pen: Pen) {
  const { chalk, live, columns } = pen
  const shown = columnsOf(attempts, live)
  const widths = shown.map(({ head, cell }) =>
    Math.max(...[head, ...attempts.map(cell)].map(text => stringWidth(text)))
  )
  const row = (cells: string[]): string =>
    cells
      .map((cell, at) => (shown[at]!.right ? pad('', widths[at]! - stringWidth(cell)) + cell : pad(cell, widths[at]!)))
      .join('  ')
      .trimEnd()
  const narrow = widths.reduce((sum, width) => sum + width + 2, 0) > columns
  // where it is too wide, each address has a line of its own, and what is known of it stands below
  const fold = (cells: string[]): string[] =>
    narrow ? [cells[0]!, `  ${row(['', ...cells.slice(1)]).trimStart()}`] : [row(cells)]
  return {
    head: (): string[] => fold(shown.map(({ head }) => head)).map(line => chalk.dim(line)),
    lines: (attempt: Attempt): string[] => {
      const lines = fold(shown.map(({ cell }) => cell(attempt)))
      const why = attempt.skipped ?? (attempt.error == null ? null : shortIds(attempt.error.message, live))
      if (why == null) return lines
      const color = attempt.skipped == null ? chalk.red : chalk.dim
      return [...lines, color(`    ${attempt.skipped == null ? why : safe(why)}`)]
    }
  }
}

function columnsOf(attempts: Attempt[], live: boolean): Column[] {
  const ms = (value: number | null | undefined): string => (value == null ? '-' : duration(value))
  const timed = phaseColumns.filter(
    // most dials have neither a name to look up nor a muxer phase, and WebRTC alone is signalled
    ([, key]) =>
      ['connect_ms', 'security_ms', 'identify_ms'].includes(key) || attempts.some(({ phases }) => phases[key] != null)
  )
  return [
    { head: 'ADDRESS', cell: ({ addr }) => shortIds(bareAddr(addr), live) },
    ...(attempts.some(({ announced }) => announced)
      ? [{ head: 'SCOPE', cell: ({ scope }: Attempt) => scope ?? '-' }]
      : []),
    { head: 'TRANSPORT', cell: ({ transport }) => transport ?? '-' },
    { head: 'RESULT', cell: resultOf },
    ...timed.map(([head, key]) => ({ head, cell: ({ phases }: Attempt) => ms(phases[key]), right: true })),
    { head: 'TOTAL', cell: ({ total_ms, skipped }) => (skipped == null ? ms(total_ms) : '-'), right: true },
    {
      head: 'OVER',
      cell: attempt => madeOf(attempt) || '-'
    }
  ]
}

const scopes = ['public', 'private', 'circuit', undefined]

/** Public, private and circuit addresses apart, each in the order in which they were named. */
export function inOrder(attempts: Attempt[]): Attempt[] {
  const apart = attempts.some(({ announced }) => announced)
  const rank = ({ scope, number = 0 }: Attempt): number => (apart ? scopes.indexOf(scope) * 1000 : 0) + number
  return attempts.toSorted((a, b) => rank(a) - rank(b))
}

export function targetLine(event: Event<'dial.target'>): string {
  const { working, failed, skipped, left_out = 0 } = event
  const facts = [`${working} of ${working + failed} work`]
  if (skipped > 0) facts.push(`${skipped} cannot be dialed from here`)
  if (left_out > 0) facts.push(`${left_out} more were announced and not dialed`)
  return facts.join(', ')
}
