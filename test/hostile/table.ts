/** Every row, and what runs it. */
import { connectRows } from './connect.ts'
import { multistreamRows } from './multistream.ts'
import type { Row, RunCell } from './rows.ts'
import { runDialer } from './run.ts'

export const dialerRows: Row[] = [...connectRows, ...multistreamRows]

export const rows: Row[] = [...dialerRows]

const runners: Record<Row['side'], RunCell> = {
  dialer: runDialer,
  listener: runDialer
}

export const runCell: RunCell = cell => runners[cell.row.side](cell)
