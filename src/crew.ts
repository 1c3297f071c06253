import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { type Code, codes, Failure } from './errors.ts'
import type { Event, EventType } from './events.ts'

const TIMEOUT_MS = 10_000

/** A p2pctl of its own, followed by the events that it writes. */
export interface Member {
  next<T extends EventType>(type: T, signal: AbortSignal): Promise<Event<T>>
}

export interface Crew extends AsyncDisposable {
  start(...args: string[]): Member
  /** Ends all of them in order; throws if one did not end with 0. */
  stop(): Promise<void>
}

/** With the signal it is gone at once, whatever else takes its time to end. */
export function createCrew(signal: AbortSignal): Crew {
  const children: ChildProcess[] = []
  const kill = (): void => {
    for (const child of children) child.kill('SIGKILL')
  }
  signal.addEventListener('abort', kill)
  return {
    start(...args) {
      signal.throwIfAborted()
      const child = spawn(process.execPath, [process.argv[1]!, ...args, '--json', '--config', 'none'], {
        stdio: ['ignore', 'pipe', 'ignore'],
        env: withoutSettings(process.env)
      })
      // of one that could not be started kill() may signal any process, this group of processes among them (Node 24)
      if (child.pid != null) children.push(child)
      return follow(child, args[0]!)
    },
    async stop() {
      const codes = await Promise.all(children.splice(0).map(endOf))
      if (codes.some(code => code !== 0))
        throw new Failure('internal', `a process of our own ended with ${codes.join(', ')}`)
    },
    async [Symbol.asyncDispose]() {
      signal.removeEventListener('abort', kill)
      kill()
    }
  }
}

function follow(child: ChildProcess, name: string): Member {
  const events: Event[] = []
  const waiting = new Set<() => void>()
  let ended = false
  let unstarted: Error | undefined
  const wake = (): void => {
    for (const resume of waiting) resume()
  }
  if (child.stdout != null) {
    createInterface({ input: child.stdout }).on('line', line => {
      events.push(JSON.parse(line) as Event)
      wake()
    })
  }
  child.once('error', error => {
    unstarted = error
    wake()
  })
  child.once('exit', () => {
    ended = true
    wake()
  })
  return {
    async next(type, signal) {
      const until = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)])
      for (;;) {
        const at = events.findIndex(event => event.type === type)
        if (at >= 0) return events.splice(at, 1)[0] as unknown as Event<typeof type>
        const error = events.find(event => event.type === 'error')
        if (error != null)
          throw new Failure(error.code as Code, `${name}: ${error.message}`, { exitCode: error.exit_code })
        if (unstarted != null) throw unstarted
        if (ended) throw new Failure('internal', `${name} ended before it said ${type}`)
        signal.throwIfAborted()
        if (until.aborted) throw new Failure('io_timeout', `${name} did not say ${type}: ${codes.io_timeout.says}`)
        await new Promise<void>(resume => {
          waiting.add(resume)
          until.addEventListener('abort', () => resume(), { once: true })
        })
      }
    }
  }
}

async function endOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode == null && child.signalCode == null) {
    child.kill('SIGTERM')
    await once(child, 'exit')
  }
  return child.exitCode
}

/** They show the defaults, whatever the user has set. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('P2PCTL_')))
}
