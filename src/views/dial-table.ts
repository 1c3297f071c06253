import { widthOf } from './width.ts'
import type { Event, Phases } from '../events.ts'
import { safe } from '../safe.ts'
import { bareAddr, duration, pad, shortIds } from './format.ts'
import type { Pen } from './screen.ts'
import { madeOf, resultOf } from './words.ts'

type Attempt = Event<'dial.attempt'>

interface Column<T> {
  head: string
  cell(row: T): string
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
  const { chalk, live } = pen
  return layOut(columnsOf(attempts, live), attempts, pen, ({ skipped, error }) => {
    if (skipped != null) return chalk.dim(safe(skipped))
    return error == null ? null : chalk.red(shortIds(error.message, live))
  })
}

/** Rows in columns; where they are too wide each row has several lines, the first cell alone on the first. */
export function layOut<T>(shown: Column<T>[], rows: T[], pen: Pen, below: (row: T) => string | null) {
  const widths = shown.map(({ head, cell }) => Math.max(...[head, ...rows.map(cell)].map(text => widthOf(text))))
  const lines = foldAt(shown, widths, pen.columns)
  const fill = (cells: string[]): string[] =>
    lines.map((columns, line) => {
      const filled = columns.map(at => {
        const cell = cells[at]!
        return shown[at]!.right ? pad('', widths[at]! - widthOf(cell)) + cell : pad(cell, widths[at]!)
      })
      return `${line === 0 ? '' : '  '}${filled.join('  ')}`.trimEnd()
    })
  return {
    head: (): string[] => fill(shown.map(({ head }) => head)).map(text => pen.chalk.dim(text)),
    lines: (row: T): string[] => {
      const why = below(row)
      return [...fill(shown.map(({ cell }) => cell(row))), ...(why == null ? [] : [`    ${why}`])]
    }
  }
}

/** Which columns stand on which line: the times of what a page dialed are on one of their own. */
function foldAt<T>(shown: Column<T>[], widths: number[], columns: number): number[][] {
  const all = widths.map((_, at) => at)
  const isWide = (ats: number[]): boolean => ats.reduce((sum, at) => sum + widths[at]! + 2, 0) > columns
  if (!isWide(all)) return [all]
  const rest = all.slice(1)
  const times = shown.findIndex(({ right }) => right)
  const isOfPages = shown.some(({ head }) => head === 'FROM')
  if (!isOfPages || times === -1 || !isWide(rest)) return [[0], rest]
  return [[0], all.slice(1, times), all.slice(times)]
}

type Verdict = Event<'dial.verdict'>

/** What pages may dial, and below it why not, or on what condition. */
export function verdictTable(verdicts: Verdict[], pen: Pen) {
  const { chalk, live } = pen
  const columns: Column<Verdict>[] = [
    { head: 'ADDRESS', cell: ({ addr }) => pageAddr(addr, live) },
    { head: 'TRANSPORT', cell: ({ transport }) => transport ?? '-' },
    { head: 'FROM', cell: fromOf },
    { head: 'VERDICT', cell: ({ ok, code }) => (ok == null ? 'unknown' : ok ? 'may' : `may not: ${code}`) }
  ]
  return layOut(columns, verdicts, pen, ({ ok, message }) =>
    message == null ? null : (ok === false ? chalk.red : chalk.dim)(safe(message, 256))
  )
}

/** The hash of a certificate is longer than all else, and as a peer ID it is compared and not read. */
function pageAddr(addr: string, live: boolean): string {
  const text = shortIds(bareAddr(addr), live)
  return live ? text.replace(/(\/certhash\/.{8})[^/]+(.{4})/g, '$1...$2') : text
}

/** A page on http and one on https of which the same is to be said share a row. */
export function withoutTwins<T extends Attempt | Verdict>(rows: T[]): (T & { both?: boolean })[] {
  const isTwin = (a: T, b: T | undefined): boolean =>
    a.from === 'http' &&
    b?.from === 'https' &&
    a.addr === b.addr &&
    a.page === b.page &&
    sayOf(a) != null &&
    sayOf(a) === sayOf(b)
  return rows.flatMap((row, at) => {
    if (at > 0 && isTwin(rows[at - 1]!, row)) return []
    return isTwin(row, rows[at + 1]) ? { ...row, both: true } : row
  })
}

/** What a row says beside where it was dialed from. Times differ, so that rows that work are never the same. */
function sayOf(row: Attempt | Verdict): string | null {
  if (row.type === 'dial.verdict') return JSON.stringify([row.ok, row.code, row.message])
  return row.error == null ? null : JSON.stringify([row.error.code, row.error.message])
}

function fromOf({ from, page, both }: Partial<Pick<Verdict, 'from' | 'page'>> & { both?: boolean }): string {
  return from == null ? '-' : `${page === 'local' ? 'local ' : ''}${both ? 'http, https' : from}`
}

function columnsOf(attempts: Attempt[], live: boolean): Column<Attempt>[] {
  const ms = (value: number | null | undefined): string => (value == null ? '-' : duration(value))
  const timed = phaseColumns.filter(
    // most dials have neither a name to look up nor a muxer phase, and WebRTC alone is signalled
    ([, key]) =>
      ['connect_ms', 'security_ms', 'identify_ms'].includes(key) || attempts.some(({ phases }) => phases[key] != null)
  )
  return [
    {
      head: 'ADDRESS',
      cell: ({ addr, from }) => (from == null ? shortIds(bareAddr(addr), live) : pageAddr(addr, live))
    },
    ...(attempts.some(({ announced }) => announced)
      ? [{ head: 'SCOPE', cell: ({ scope }: Attempt) => scope ?? '-' }]
      : []),
    { head: 'TRANSPORT', cell: ({ transport }) => transport ?? '-' },
    ...(attempts.some(({ from }) => from != null) ? [{ head: 'FROM', cell: fromOf }] : []),
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
