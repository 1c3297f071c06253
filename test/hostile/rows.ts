/** What a row of the matrix of hostile peers is: one behaviour, and what p2pctl is to make of it. */
import type { Line } from '../helpers/cli.ts'

export type RowPhase =
  | 'connect'
  | 'multistream'
  | 'security'
  | 'muxer'
  | 'identify'
  | 'ping'
  | 'relay'
  | 'dns'
  | 'transfer'
  | 'stream'

export type Over = 'tcp' | 'ws' | 'circuit'

/** How a run is to end: the code of its one error, or null where it ends without; the phase that the error names. */
export interface Expected {
  code: string | null
  exit: number
  phase?: string | undefined
}

/** A peer that misbehaves, from its start to its disposal, which takes all of it away. */
export interface HostilePeer extends AsyncDisposable {
  /** What p2pctl is given as its target. */
  addr: string
  /** What p2pctl is given beside it, as `--dns`. */
  args?: string[]
  /** A command that runs p2pctl, as `ip netns exec NAME`. */
  within?: string[]
}

export interface Row {
  id: string
  phase: RowPhase
  /** One line: what the peer does. */
  says: string
  side: 'dialer' | 'listener'
  over: readonly Over[]
  /** Those of p2pctl that come to this phase, as in `commands` of run.ts. */
  commands: readonly string[]
  expect: Expected
  /** Where a command makes something else of it: ping counts what dial fails for. */
  expectOf?: Partial<Record<string, Expected>>
  /** By the clock of the run, from its start to its summary. */
  withinMs: number
  /** The most that the process may have had resident. */
  memoryBytes: number
  /** -W of the run. */
  timeoutMs: number
  /** Why it cannot run here, if it cannot. */
  skip?: string | false
  start(over: Over): Promise<HostilePeer>
  /** What else has to hold; throws where it does not. */
  holds?(events: Line[], command: string): void
}

/** One field of the matrix. */
export interface Cell {
  row: Row
  command: string
  over: Over
}

/** What came of a cell. */
export interface Seen extends Expected {
  /** By the clock of the run; null where it has not come to its summary. */
  ms: number | null
  peakBytes: number
  /** How long it was kept from a processor, or its peer was: under load a result says nothing about p2pctl. */
  stalledMs: number
  /** What differs from what is expected; empty where nothing does. */
  differs: string[]
}

export type RunCell = (cell: Cell) => Promise<Seen>

const MIB = 2 ** 20

/** A run on its own takes 90 MiB; a quarter more than twice that is a peer that costs us something. */
export const USUAL_BYTES = 224 * MIB
export const USUAL_TIMEOUT_MS = 1500

type Told = 'id' | 'says' | 'expect' | 'start'

/** A row of the side that dials, with what most have in common. */
export function dialerRow(
  phase: RowPhase,
  usual: Pick<Row, 'over' | 'commands'>,
  row: Pick<Row, Told> & Partial<Row>
): Row {
  const timeoutMs = row.timeoutMs ?? USUAL_TIMEOUT_MS
  return {
    phase,
    side: 'dialer',
    memoryBytes: USUAL_BYTES,
    timeoutMs,
    withinMs: timeoutMs + 1000,
    ...usual,
    ...row
  }
}

export function cellsOf(row: Row): Cell[] {
  return row.over.flatMap(over => row.commands.map(command => ({ row, command, over })))
}

/** One cell of each row, another one from row to row, so that every command and every transport has its turn. */
export function oneOfEach(rows: Row[]): Cell[] {
  return rows.map((row, at) => {
    const cells = cellsOf(row)
    return cells[(at * 7) % cells.length]!
  })
}

export function expectedOf({ row, command }: Cell): Expected {
  const expected = row.expectOf?.[command] ?? row.expect
  // of several sources the answer is 0 or 1
  return command === 'peers --dial' && expected.exit > 1 ? { ...expected, exit: 1 } : expected
}

export function nameOf({ row, command, over }: Cell): string {
  return `${row.phase}/${row.id}, ${command} over ${over}`
}
