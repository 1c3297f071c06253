// What the rows are made of and run on: p2pctl through its built bin on the one side, a peer of another language on the other.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Line, type Result, run, type RunOptions, type Running, start } from '../helpers/cli.ts'
import { type GoHost, GoError, goHost, type GoOptions, type Kubo, kuboDaemon, type PyHost, pyHost } from './hosts.ts'

/** Who the other side is. */
export type Other = 'go-libp2p' | 'Kubo' | 'py-libp2p'

/** One direction of a row. */
export interface Cell {
  /**
   * `yes`; else what p2pctl says instead, an error code of its own or a word of the other side, and why that is as it
   * should be.
   */
  expect: 'yes' | { seen: string; because: string }
  /** Gives `yes`, or what was seen instead. */
  run(lab: Lab): Promise<string>
}

export interface Row {
  /** A heading of docs/interop.md. */
  group: string
  with: Other
  says: string
  /** p2pctl is the one that dials, asks or reads. */
  to?: Cell
  /** The other side is. */
  from?: Cell
  /** What differs from js-libp2p, and is to be expected. */
  differs?: string
  /** Why it cannot run on this machine. */
  skip?(): string | undefined
}

/** Each opens what it names, to be closed by whoever asked for it. */
export interface Lab extends AsyncDisposable {
  /** A folder of this run, which goes with it. */
  folder: string
  /** Minutes are there to be spent; else no more than it takes to see each rule once. */
  long: boolean
  go(options?: GoOptions): Promise<GoHost>
  /** One daemon for all rows; it ends with the lab. */
  kubo(): Promise<Kubo>
  /** One of its own that reserves on this relay. */
  kuboBehind(relay: string): Promise<Kubo>
  /** With the arguments of test/interop/python/host.py. */
  py(...args: string[]): Promise<PyHost>
  /** p2pctl to its end, with --json. */
  p2pctl(args: string[], options?: RunOptions): Promise<Result>
  /** p2pctl that stays, with --json. */
  start(args: string[], options?: RunOptions): Running
  /** p2pctl listen on one address of 127.0.0.1, and the address to dial. */
  listen(args?: string[], options?: RunOptions): Promise<Running & { addr: string; peer: string }>
}

export interface LabOptions {
  /** The binary of test/interop/go. */
  host?: string
  /** That of Kubo. */
  kubo?: string
  /** A Python that has py-libp2p. */
  python?: string
  long?: boolean
}

export function openLab({ host, kubo: ipfs, python, long = false }: LabOptions): Lab {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-interop-'))
  let kubo: Promise<Kubo> | undefined
  return {
    folder,
    long,
    go: options => goHost(host!, options),
    kubo: () => (kubo ??= kuboDaemon(ipfs!, join(folder, 'kubo'))),
    kuboBehind: relay => kuboDaemon(ipfs!, mkdtempSync(join(folder, 'kubo-behind-')), relay),
    py: (...args) => pyHost(python!, args),
    p2pctl: (args, options) => run([...args, '--json'], options),
    start: (args, options) => start([...args, '--json'], { timeoutMs: 300_000, ...options }),
    async listen(args = ['-l', '/ip4/127.0.0.1/tcp/0'], options) {
      const running = start(['listen', '--json', ...args], { timeoutMs: 300_000, ...options })
      const { addrs, peer_id } = await running.next('listen.ready')
      return Object.assign(running, { addr: addrs[0]!, peer: peer_id })
    },
    async [Symbol.asyncDispose]() {
      await (await kubo?.catch(() => undefined))?.[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

export type Way = 'to' | 'from'

/** What was seen of a cell, and whether that is what is expected; null where there is none. */
export interface Seen {
  ok: boolean
  seen: string
}

export async function see(row: Row, way: Way, lab: Lab): Promise<Seen | null> {
  const cell = row[way]
  if (cell == null) return null
  const wanted = cell.expect === 'yes' ? 'yes' : cell.expect.seen
  try {
    const seen = await cell.run(lab)
    return { ok: seen === wanted, seen }
  } catch (error) {
    return { ok: false, seen: error instanceof Error ? error.message : String(error) }
  }
}

/** `yes` if a run ended well and what is asked of its events holds, else its error code, else the first thing that does not. */
export function verdict(
  { code, events, stderr }: Result,
  holds: Record<string, (events: Line[]) => unknown> = {}
): string {
  if (code !== 0) return String(events.find(event => event.type === 'error')?.code ?? `exit ${code}: ${stderr.trim()}`)
  return unmet(Object.entries(holds).map(([what, test]) => [what, test(events)]))
}

/** `yes`, or the first of these that does not hold. */
export function unmet(held: [what: string, holds: unknown][]): string {
  const missing = held.find(([, holds]) => holds !== true)
  return missing == null ? 'yes' : `not so: ${missing[0]} (${JSON.stringify(missing[1])})`
}

/** What a call of the other side gave, or what it said when it failed. */
export async function asked(call: () => Promise<string>): Promise<string> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof GoError) return error.message
    throw error
  }
}
