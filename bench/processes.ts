/** Processes that are run to their end and measured: the same way for p2pctl and for what it is compared with. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'
import type { Event, EventType } from '../src/events.ts'
import { bin, cleanEnv } from '../test/helpers/cli.ts'

export interface Measured {
  wallMs: number
  /** User and system, of all threads. */
  cpuMs: number
  /** The most memory that it ever had. */
  peakBytes: number
  stdout: string
}

const usage = join(import.meta.dirname, 'usage.cjs')

/** Runs this Node with these arguments. Rejects where it does not end with 0. */
export async function measure(args: string[]): Promise<Measured> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-bench-'))
  // a file: to read along would take a core of the few that there are
  const said = join(folder, 'stdout')
  const fd = openSync(said, 'w')
  try {
    const startedAt = performance.now()
    const child = spawn(process.execPath, ['--require', usage, ...args], {
      env: cleanEnv(),
      stdio: ['ignore', fd, 'pipe', 'pipe']
    })
    const [stderr, used, [code]] = await Promise.all([
      text(child.stderr!),
      text(child.stdio[3] as Readable),
      once(child, 'exit')
    ])
    const wallMs = performance.now() - startedAt
    const stdout = readFileSync(said, 'utf8')
    if (code !== 0) throw new Error(`${args.slice(0, 4).join(' ')} ended with ${code}: ${stderr}${stdout.slice(-2000)}`)
    const { userCPUTime, systemCPUTime, maxRSS } = JSON.parse(used) as NodeJS.ResourceUsage
    return { wallMs, cpuMs: (userCPUTime + systemCPUTime) / 1000, peakBytes: maxRSS * 1024, stdout }
  } finally {
    closeSync(fd)
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs the built p2pctl. */
export async function measureP2pctl(args: string[]): Promise<Measured> {
  return await measure([bin, ...args, '--json', '--config', 'none'])
}

/** Those of one type, of what --json said. */
export function eventsOf<T extends EventType>(stdout: string, type: T): Event<T>[] {
  const lines = stdout.split('\n').filter(line => line.includes(`"type":"${type}"`))
  return lines.map(line => JSON.parse(line) as Event<T>)
}
