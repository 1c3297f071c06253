/** p2pctl in a process of its own: what it does is what its `--json` says. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Event, EventType } from '../src/events.ts'

/** Another p2pctl than that of this folder: the argument of the runner. */
const bin = process.argv[2] ?? join(import.meta.dirname, '../bin/p2pctl.js')

/** A test that failed, with the exit code that says how: p2pctl's own, where it is p2pctl that failed. */
export class Failed extends Error {
  override name = 'Failed'
  readonly exitCode: number
  constructor(message: string, exitCode: number) {
    super(message)
    this.exitCode = exitCode
  }
}

/** With the time since the start of that p2pctl. */
type Line<T extends EventType = EventType> = Event<T> & { t_ms: number }

export interface P2pctl extends AsyncDisposable {
  /** The first event of a type. Rejects with Failed where p2pctl ends without one. */
  first<T extends EventType>(type: T): Promise<Line<T>>
  /** The exit code; 1 after a signal. */
  ended: Promise<number>
}

/** Everything that it says goes to stderr as well. The signal ends it as a SIGTERM would. */
export function startP2pctl(args: string[], { debug, signal }: { debug: boolean; signal: AbortSignal }): P2pctl {
  const { DEBUG: _, ...env } = process.env
  const [name = '', ...rest] = args
  const command = [name, '--json', '--config', 'none', ...(debug ? ['--debug'] : []), ...rest]
  const child = spawn(process.execPath, [bin, ...command], { env, stdio: ['ignore', 'pipe', 'inherit'] })
  const events: Line[] = []
  // a second signal would end it before it has said how
  const stop = (): void => {
    if (!child.killed) child.kill()
  }
  signal.addEventListener('abort', stop)
  const waiting = new Set<() => void>()
  let over = false
  const wake = (): void => {
    for (const resume of waiting) resume()
    waiting.clear()
  }
  createInterface(child.stdout).on('line', line => {
    process.stderr.write(`${line}\n`)
    events.push(JSON.parse(line))
    wake()
  })
  const ended = once(child, 'close').then(([code]): number => {
    over = true
    wake()
    signal.removeEventListener('abort', stop)
    return code ?? 1
  })
  return {
    ended,
    async first(type) {
      for (;;) {
        const event = events.find(event => event.type === type)
        if (event != null) return event as unknown as Line<typeof type>
        if (over) throw new Failed(`p2pctl ${name} ended without ${type}`, (await ended) || 1)
        await new Promise<void>(resume => waiting.add(resume))
      }
    },
    async [Symbol.asyncDispose]() {
      stop()
      await ended
    }
  }
}
