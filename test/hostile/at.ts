/** Rows of the side that listens: what a visitor does to a p2pctl that serves, and what becomes of the visitor. */
import type { Over, Row, RowPhase } from './rows.ts'

/** The commands that serve, each in the way that at-serving.ts starts it. */
export type Kind =
  | 'listen'
  | 'listen, watched'
  | 'listen, few descriptors'
  | 'listen, behind a relay'
  | 'relay'
  | 'browser'
  | 'exporter'

/**
 * - closed: its connections were taken from it
 * - served: they were not, and nothing is held against it
 * - anything else: the word that it was told, as the status of a relay or of a receipt
 */
export type Fate = 'closed' | 'served' | (string & {})

export interface AtRow extends Omit<Row, 'start' | 'phase' | 'side' | 'commands' | 'holds'> {
  phase: RowPhase | 'http' | 'pubsub'
  side: 'listener'
  commands: readonly Kind[]
  /** What becomes of the attacker; null where it goes away by itself, or either is right. */
  fate: Fate | null
  /** Within which that happens. */
  withinMs: number
  /** More than was resident before it came. */
  memoryBytes: number
  /** Much as another one: left to the long form. */
  long?: boolean
  /** Does it, and tells its fate. What it has opened is taken away behind it. */
  attack(target: Target): Promise<Fate>
}

/** A server that somebody is about to attack. */
export interface Target {
  over: Over
  host: string
  port: number
  /** Where libp2p listens, with the peer ID; where there is only HTTP, an empty text. */
  addr: string
  peerId: string
  /** The key of the server itself: who has it looks like it. */
  identity: string
  /** Of HTTP, where there is some. */
  url: URL | null
  /** For a row with a relay before the server, or one that attacks a relay. */
  relay: string | null
  /** An address of loopback that nobody has come from. */
  newSource(): string
  /** Resolves when the honest peer has been served; who only holds what it has waits for that. */
  served: Promise<unknown>
  withinMs: number
  /** Resolves when that is over, and as long again as the server was kept from a processor meanwhile. */
  patience(): Promise<void>
  /** What there is beside the folder for files that the server was given, and was not before. */
  outside(): string[]
  /** Is called at the end of the row. */
  owns(closer: () => unknown): void
}

const MIB = 2 ** 20

/** What a row may cost for a moment: buffers of what it was sent, and a heap that grows before it is tidied up. */
export const USUAL_MORE_BYTES = 64 * MIB
const USUAL_WITHIN_MS = 1000

type Told = 'id' | 'says' | 'fate' | 'attack'

export function listenerRow(phase: AtRow['phase'], row: Pick<AtRow, Told> & Partial<AtRow>): AtRow {
  return {
    phase,
    side: 'listener',
    over: ['tcp'],
    commands: ['listen'],
    expect: { code: null, exit: 0 },
    withinMs: USUAL_WITHIN_MS,
    timeoutMs: 0,
    memoryBytes: USUAL_MORE_BYTES,
    ...row
  }
}

/** One field of the matrix. */
export interface AtCell {
  row: AtRow
  command: Kind
  over: Over
}

export function atCellsOf(row: AtRow): AtCell[] {
  return row.commands.flatMap(command =>
    oversOf(row, command).map(over => ({ row, command: over === 'circuit' ? 'listen, behind a relay' : command, over }))
  )
}

/** Each row once, but for those of the long form, and HTTP, which is quick, once for each command. */
export function fewAtCellsOf(row: AtRow): AtCell[] {
  if (row.long === true) return []
  const commands = row.phase === 'http' ? row.commands : row.commands.slice(0, 1)
  return commands.map(command => ({ row, command, over: oversOf(row, command)[0]! }))
}

/** The relay of `browser` speaks WebSocket alone, and only `listen` is somewhere behind a relay. */
function oversOf({ phase, over }: AtRow, command: Kind): readonly Over[] {
  if (command === 'browser' && phase !== 'http') return ['ws']
  return command === 'listen' ? over : over.filter(one => one !== 'circuit')
}

export function atNameOf({ row, command, over }: AtCell): string {
  return `${row.phase}/${row.id}, ${command} over ${over}`
}
