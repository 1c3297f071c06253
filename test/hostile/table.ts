/** Every row, and what runs it. */
import { connectRows } from './connect.ts'
import { dnsRows } from './dns.ts'
import { identifyRows } from './identify.ts'
import { multistreamRows } from './multistream.ts'
import { muxerRows } from './muxer.ts'
import { pingRows } from './ping.ts'
import { relayRows } from './relay.ts'
import type { Row, RunCell } from './rows.ts'
import { runDialer } from './run.ts'
import { securityRows } from './security.ts'
import { transferRows } from './transfer.ts'

export const dialerRows: Row[] = [
  ...connectRows,
  ...multistreamRows,
  ...securityRows,
  ...muxerRows,
  ...identifyRows,
  ...pingRows,
  ...relayRows,
  ...dnsRows,
  ...transferRows
]

export const rows: Row[] = dialerRows

const runners: Record<Row['side'], RunCell> = { dialer: runDialer, listener: runDialer }

export const runCell: RunCell = cell => runners[cell.row.side](cell)
