import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Event, EventType } from '../../src/events.ts'
import { parseEvent } from './schema.ts'

/** The folder of package.json, also when the tests were compiled into a folder of their own. */
export const root = findRoot(import.meta.dirname)
export const bin = join(root, 'bin/p2pctl.js')

/** A config folder with nothing in it: what the person at this machine has set is no part of a test. */
const emptyConfig = mkdtempSync(join(tmpdir(), 'p2pctl-test-'))
process.on('exit', () => rmSync(emptyConfig, { recursive: true, force: true }))

export type Line = ReturnType<typeof parseEvent>

export interface Result {
  /** Null after a signal. */
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
  /** The lines of --json, each held against the schema; empty without --json. */
  events: Line[]
}

export interface RunOptions {
  env?: Record<string, string>
  /** What stdin gives before it ends; without it stdin is empty, with null it stays open. */
  stdin?: string | Uint8Array | null
  cwd?: string
  /** A hard end for a test that hangs. */
  timeoutMs?: number
  /** A command that is to run it, as `ip netns exec NAME`. */
  within?: string[]
}

/** A p2pctl in a process of its own, through the built bin, on the Node that runs the tests. */
export interface Running extends AsyncDisposable {
  child: ChildProcess
  /** The first event of a type (that fits), from those that have come or will come; each is given once. Needs --json. */
  next<T extends EventType>(type: T, fits?: (event: Event<T>) => boolean): Promise<Event<T>>
  /** Resolves when the process has ended. */
  done: Promise<Result>
  /** Sends a signal and waits for the end. */
  stop(signal?: NodeJS.Signals): Promise<Result>
}

export function start(args: string[], options: RunOptions = {}): Running {
  const [command, ...words] = [...(options.within ?? []), process.execPath, bin, ...args]
  const child = spawn(command!, words, {
    cwd: options.cwd,
    env: cleanEnv(options.env),
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? 60_000,
    killSignal: 'SIGKILL'
  })
  const lines: string[] = []
  const taken = new Set<number>()
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const resume of waiting) resume()
    waiting.clear()
  }
  let rest = ''
  let ended = false
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    lines.push(...parts)
    wake()
  })
  const stderr = text(child.stderr)
  child.stdin.on('error', () => {})
  if (options.stdin !== null) child.stdin.end(options.stdin)
  const json = args.includes('--json')
  const done = once(child, 'close').then(async ([code, signal]): Promise<Result> => {
    ended = true
    wake()
    const stdout = [...lines, rest].join('\n')
    return { code, signal, stdout, stderr: await stderr, events: json ? lines.map(parseEvent) : [] }
  })
  const running: Running = {
    child,
    done,
    async next(type, fits = () => true) {
      for (;;) {
        const at = lines.findIndex((line, index) => {
          if (taken.has(index)) return false
          const event = JSON.parse(line)
          return event.type === type && fits(event)
        })
        if (at >= 0) {
          taken.add(at)
          return parseEvent(lines[at]!) as unknown as Event<typeof type>
        }
        if (ended) assert.fail(`${args.join(' ')} ended without ${type}:\n${lines.join('\n')}\n${await stderr}`)
        await new Promise<void>(resume => waiting.add(resume))
      }
    },
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return done
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode == null && child.signalCode == null) child.kill('SIGKILL')
      await done.catch(() => {})
    }
  }
  return running
}

/** Runs p2pctl to its end. */
export async function run(args: string[], options: RunOptions = {}): Promise<Result> {
  return await start(args, options).done
}

/** The environment of the tests, without what would change p2pctl's output. */
export function cleanEnv(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const env = { ...process.env }
  for (const name of Object.keys(env)) {
    if (/^(P2PCTL_|NODE_TEST|NODE_OPTIONS$|DEBUG$|CI$|NO_COLOR$|FORCE_COLOR$|COLORTERM$)/.test(name)) delete env[name]
  }
  return { ...env, XDG_CONFIG_HOME: emptyConfig, ...extra }
}

function findRoot(folder: string): string {
  return folder.endsWith(`${join('build', 'test', 'helpers')}`) ? join(folder, '../../..') : join(folder, '../..')
}
