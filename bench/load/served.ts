/** A p2pctl in a process of its own that is watched from outside; nothing of what it says is kept. */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Event, EventType, Said } from '../../src/events.ts'
import { bin, cleanEnv } from '../../test/helpers/cli.ts'

/** Of the heap and beside it; and the number of those objects that each connection and event has some of. */
export interface Held {
  bytes: number
  /** What V8 has of the system for its heap, in use or not. */
  heap: number
  objects: number
}

export interface Served extends AsyncDisposable {
  child: ChildProcess
  /** Hears every event from now on. Needs --json. */
  hear(listener: (event: Said) => void): void
  /** The next event of a type that fits. */
  next<T extends EventType>(type: T, fits?: (event: Event<T>) => boolean): Promise<Event<T>>
  /** Where to dial a listener without --json, which says it on stderr. */
  addr(): Promise<string>
  /** What is in use after a collection. Needs `probed`. */
  held(snapshot?: string): Promise<Held>
  /** Ends it in order; its exit code, and what it said on stderr. */
  stop(): Promise<{ code: number | null; stderr: string }>
}

/** A peer that has no share of a busy machine for some seconds is no slow one. */
export const PATIENCE = 'upgrade-timeout=1m'

const ADDR = /\/ip4\/127\.0\.0\.1\/tcp\/\d+\/p2p\/\w+(?=\s)/
const probe = join(import.meta.dirname, 'probe.ts')

/** Starts p2pctl; `probed` lets its memory be asked for, `raw` leaves stdin and stdout to the caller. */
export function startServed(args: string[], { probed = false, raw = false } = {}): Served {
  const preload = probed ? ['--expose-gc', '--disable-warning=ExperimentalWarning', '--import', probe] : []
  const stdio: StdioOptions = [raw ? 'pipe' : 'ignore', 'pipe', 'pipe', ...(probed ? (['ipc'] as const) : [])]
  const child = spawn(process.execPath, [...preload, bin, ...args], { env: cleanEnv(), stdio })
  let stderr = ''
  const ended = once(child, 'close')
  child.stderr!.setEncoding('utf8').on('data', chunk => {
    stderr += chunk
  })
  const listeners = new Set<(event: Said) => void>()
  if (!raw) {
    createInterface({ input: child.stdout! }).on('line', line => {
      const event = JSON.parse(line) as Said
      for (const listener of listeners) listener(event)
    })
  }
  const stop = async (signal: NodeJS.Signals): Promise<{ code: number | null; stderr: string }> => {
    if (child.exitCode == null && child.signalCode == null) child.kill(signal)
    await ended
    return { code: child.exitCode, stderr }
  }
  return {
    child,
    hear: listener => void listeners.add(listener),
    next<T extends EventType>(type: T, fits: (event: Event<T>) => boolean = () => true) {
      const { promise, resolve, reject } = Promise.withResolvers<Event<T>>()
      const listener = (event: Said): void => {
        if (event.type === type && fits(event as unknown as Event<T>)) resolve(event as unknown as Event<T>)
      }
      listeners.add(listener)
      void ended.then(() => reject(new Error(`p2pctl ${args[0]} ended before ${type}: ${stderr}`)))
      return promise.finally(() => listeners.delete(listener))
    },
    async addr() {
      for (;;) {
        const found = ADDR.exec(stderr)
        if (found != null) return found[0]
        if (child.exitCode != null) throw new Error(`p2pctl ${args[0]} ended: ${stderr}`)
        await Promise.race([once(child.stderr!, 'data'), ended])
      }
    },
    async held(snapshot) {
      child.send({ snapshot })
      const [held] = await once(child, 'message')
      return held
    },
    stop: () => stop('SIGTERM'),
    [Symbol.asyncDispose]: async () => {
      await stop('SIGKILL')
    }
  }
}

/** Of a process, from /proc (Linux). */
export function rssBytes(pid: number): number {
  return statusOf(pid, 'VmRSS')
}

/** The most that it ever had. */
export function peakRssBytes(pid: number): number {
  return statusOf(pid, 'VmHWM')
}

/** What malloc has: its heap and its arenas, which begin at multiples of 64 MiB (glibc). */
export function mallocBytes(pid: number): number {
  const mappings = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m)
  return mappings.reduce((sum, mapping) => (ofMalloc(mapping) ? sum + kib(mapping, 'Rss') * 1024 : sum), 0)
}

const ARENA = /^[0-9a-f]*[048c]000000-[0-9a-f]+ rw-p 00000000 00:00 0\s*$/m

function ofMalloc(mapping: string): boolean {
  const [range] = mapping.split('\n', 1) as [string]
  return range.endsWith('[heap]') || ARENA.test(range)
}

export function openDescriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

/** Of all its threads: utime and stime are in ticks of 10 ms (proc(5)). */
export function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function statusOf(pid: number, field: string): number {
  return kib(readFileSync(`/proc/${pid}/status`, 'utf8'), field) * 1024
}

function kib(text: string, field: string): number {
  return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)![1])
}
