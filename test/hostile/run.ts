/** Runs the built p2pctl against one hostile peer, and holds what comes of it against the row. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Line, type Result, start } from '../helpers/cli.ts'
import { type Cell, type Expected, expectedOf, type HostilePeer, type Seen } from './rows.ts'

/** The arguments of each command, with a target. */
export const commands: Record<string, (addr: string) => string[]> = {
  dial: addr => ['dial', addr],
  ping: addr => ['ping', '-c', '1', addr],
  send: addr => ['send', addr, 'hello'],
  'send -f': addr => ['send', addr, '-f', someFile()],
  perf: addr => ['perf', '--upload', '64KiB', '--download', '64KiB', addr],
  forward: addr => ['forward', '--local', '127.0.0.1:0', '--protocol', '/x/hostile', '--for', '500ms', addr],
  'peers --dial': addr => ['peers', '--dial', '--bootstrap', addr],
  'relay check': addr => ['relay', 'check', addr],
  'relay reserve': addr => ['relay', 'reserve', '--for', '500ms', addr]
}

let folder: string | undefined

/** 8 MiB of nothing, more than a receiver takes in advance. */
function someFile(): string {
  if (folder == null) {
    const made = mkdtempSync(join(tmpdir(), 'p2pctl-hostile-'))
    process.on('exit', () => rmSync(made, { recursive: true, force: true }))
    writeFileSync(join(made, 'file'), Buffer.alloc(8 << 20))
    folder = made
  }
  return join(folder, 'file')
}

/** After this a run is killed, which no row expects. */
const HARD_END_MS = 30_000
const SAMPLE_MS = 25
/** What a run may be kept from going on by a busy machine before its clock says nothing. */
const STALLED_MS = 300

/** Runs a cell; again, with more time, where it differs and the machine had no time for it. */
export async function runDialer(cell: Cell): Promise<Seen> {
  const seen = await once(cell, cell.row.timeoutMs)
  if (seen.differs.length === 0 || seen.stalledMs < STALLED_MS) return seen
  return await once(cell, 4 * cell.row.timeoutMs)
}

async function once(cell: Cell, timeoutMs: number): Promise<Seen> {
  const { row, command, over } = cell
  // under load a relay may not have answered in time
  await using peer = await row.start(over).catch(() => row.start(over))
  const loop = monitorEventLoopDelay({ resolution: 10 })
  loop.enable()
  await using running = start(argsOf(command, peer, timeoutMs), {
    timeoutMs: HARD_END_MS,
    ...(peer.within && { within: peer.within })
  })
  using watched = watchProcess(running.child.pid!)
  let result: Result
  try {
    result = await running.done
  } catch (error) {
    return nothing(watched, `a line is no event: ${error instanceof Error ? error.message : error}`)
  } finally {
    loop.disable()
  }
  const seen = seenIn(result.events, result)
  const summary = result.events.at(-1)
  const ms = summary?.type === 'run.summary' ? summary.t_ms : null
  const allowedMs = (row.withinMs * timeoutMs) / row.timeoutMs + watched.waitedMs
  const differs = [
    ...differences(expectedOf(cell), seen),
    ...unclean(result),
    ...(ms == null ? ['the last line is no run.summary'] : []),
    ...(ms != null && ms > allowedMs ? [`took ${Math.round(ms)} ms, and ${Math.round(allowedMs)} ms are allowed`] : []),
    ...(watched.peakBytes > row.memoryBytes
      ? [`took ${mib(watched.peakBytes)} MiB, and ${mib(row.memoryBytes)} MiB are allowed`]
      : []),
    ...watched.left(),
    ...held(cell, result.events)
  ]
  return { ...seen, ms, peakBytes: watched.peakBytes, stalledMs: watched.waitedMs + loop.max / 1e6, differs }
}

function argsOf(command: string, { addr, args = [] }: HostilePeer, timeoutMs: number): string[] {
  return [...commands[command]!(addr), '--json', '-W', `${timeoutMs}ms`, ...args]
}

function nothing(watched: Watched, differs: string): Seen {
  const { peakBytes, waitedMs } = watched
  return { code: null, exit: -1, ms: null, peakBytes, stalledMs: waitedMs, differs: [differs] }
}

/** How a run ended: by its last error, its exit code and its summary. */
function seenIn(events: Line[], { code }: Result): Expected {
  const error = events.findLast(({ type }) => type === 'error')
  if (error?.type !== 'error') return { code: null, exit: code ?? -1 }
  return { code: error.code, exit: code ?? -1, phase: error.phase ?? undefined }
}

function differences(expected: Expected, seen: Expected): string[] {
  const keys = ['code', 'exit', ...(expected.phase == null ? [] : ['phase' as const])] as const
  return keys.flatMap(key => (expected[key] === seen[key] ? [] : [`${key} is ${seen[key]}, not ${expected[key]}`]))
}

/** What must hold of every run, whatever the peer did. */
function unclean({ code, signal, stdout, stderr, events }: Result): string[] {
  const summary = events.at(-1)
  const differs: string[] = []
  if (signal != null) differs.push(`died of ${signal}`)
  if (summary?.type === 'run.summary' && (summary.exit_code !== code || summary.ok !== (code === 0))) {
    differs.push(`the summary says ${summary.exit_code}, ok ${summary.ok}, and the exit code is ${code}`)
  }
  if (/\n\s+at .*[:(]\d/.test(stderr)) differs.push(`a stack on stderr: ${JSON.stringify(stderr.slice(0, 400))}`)
  for (const [name, text] of Object.entries({ stdout, stderr })) {
    const raw = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.exec(text.replaceAll('\n', ''))
    if (raw != null) differs.push(`a raw ${JSON.stringify(raw[0])} on ${name}`)
  }
  return differs
}

function held({ row, command }: Cell, events: Line[]): string[] {
  try {
    row.holds?.(events, command)
    return []
  } catch (error) {
    return [error instanceof Error ? error.message : String(error)]
  }
}

interface Watched extends Disposable {
  /** The most that was resident, as the kernel counts it. */
  readonly peakBytes: number
  /** How long its main thread was ready to run, and did not. */
  readonly waitedMs: number
  readonly descriptors: number
  /** Says which of it is still there once it has ended. */
  left(): string[]
}

/** Looks at a process in /proc as long as it is there. */
export function watchProcess(pid: number): Watched {
  const seen = { peakBytes: 0, waitedMs: 0, descriptors: 0 }
  const children = new Set<string>()
  const look = (): void => {
    try {
      const status = readFileSync(`/proc/${pid}/status`, 'utf8')
      seen.peakBytes = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) * 1024 || seen.peakBytes
      seen.waitedMs = Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6 || seen.waitedMs
      seen.descriptors = Math.max(seen.descriptors, readdirSync(`/proc/${pid}/fd`).length)
      const born = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      for (const child of born.split(' ')) if (child !== '') children.add(child)
    } catch {
      // it has ended
    }
  }
  const timer = setInterval(look, SAMPLE_MS)
  look()
  return {
    get peakBytes() {
      return seen.peakBytes
    },
    get waitedMs() {
      return seen.waitedMs
    },
    get descriptors() {
      return seen.descriptors
    },
    left: () =>
      [String(pid), ...children].flatMap(one => (existsSync(`/proc/${one}`) ? [`process ${one} is still there`] : [])),
    [Symbol.dispose]: () => clearInterval(timer)
  }
}

export function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
