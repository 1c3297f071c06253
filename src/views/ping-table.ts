import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { pad, shortIds } from './format.ts'
import type { Pen } from './screen.ts'

type Row = NonNullable<Event<'run.summary'>['targets']>[number]

const HEAD = ['TARGET', 'SENT', 'RECEIVED', 'LOSS', 'MIN', 'AVG', 'P95', 'ERROR']

/** A target a line, the worst last, where a terminal shows it. */
export function tableLines(targets: Row[], sort: unknown, { live, chalk }: Pen): string[] {
  const rows = targets.toSorted(orders[sort as keyof typeof orders] ?? orders.loss).map(row => {
    const ms = (value: number | undefined): string => (value == null ? '-' : value.toFixed(3))
    const { target, sent, received, loss_pct, rtt_ms: rtt, error } = row
    const loss = `${Number(loss_pct.toFixed(1))}%`
    const times = [rtt?.min, rtt?.mean, rtt?.p95].map(ms)
    return [shortIds(safe(target), live), String(sent), String(received), loss, ...times, error ?? '-']
  })
  const widths = HEAD.map((head, column) =>
    rows.reduce((most, row) => Math.max(most, row[column]!.length), head.length)
  )
  const line = (cells: string[]): string =>
    cells
      .map((cell, column) => {
        const width = widths[column]!
        if (column === 0) return pad(cell, width)
        return column === HEAD.length - 1 ? cell : cell.padStart(width)
      })
      .join('  ')
      .trimEnd()
  return [chalk.dim(line(HEAD)), ...rows.map(row => (row[2] === '0' ? chalk.red(line(row)) : line(row)))]
}

const byTarget = (a: Row, b: Row): number => (a.target < b.target ? -1 : a.target > b.target ? 1 : 0)
// those that were never reached are the slowest
const byRtt = (a: Row, b: Row): number => {
  const [one, other] = [a.rtt_ms?.mean ?? Infinity, b.rtt_ms?.mean ?? Infinity]
  return one === other ? byTarget(a, b) : one - other
}
const byLoss = (a: Row, b: Row): number => a.loss_pct - b.loss_pct || byRtt(a, b)
const orders = { loss: byLoss, rtt: byRtt, target: byTarget }
