// Starts and stops the peers of other languages. Each ends with the scope that opened it.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export interface GoOptions {
  /** Free ports of 127.0.0.1; none listens nowhere. */
  listen?: string[]
  /** The flags of test/interop/go/main.go, without their dash. */
  flags?: Record<string, string | number | true>
  /** A command that is to run it, as `ip netns exec NAME`. */
  within?: string[]
}

export type Answer = Record<string, unknown>

/** A go-libp2p host in a process of its own: test/interop/go. */
export interface GoHost extends AsyncDisposable {
  peer: string
  addrs: string[]
  /** Of the modules that it was built with. */
  versions: Record<string, string>
  /** Asks for something, and throws GoError where go says that it failed. */
  call<T extends Answer>(name: string, args?: Answer): Promise<T>
  /** The first of what it says by itself (that fits), from now on or before; each is given once. */
  next<T extends Answer>(event: string, fits?: (said: T) => boolean): Promise<T>
}

/** What go-libp2p said when a call failed, in its own words. */
export class GoError extends Error {
  readonly status: string | undefined

  constructor(message: string, status?: string) {
    super(message)
    this.status = status
  }
}

export async function goHost(path: string, options: GoOptions = {}): Promise<GoHost> {
  const flags = Object.entries(options.flags ?? {}).map(([name, value]) =>
    value === true ? `-${name}` : `-${name}=${value}`
  )
  const listen = options.listen ?? ['/ip4/127.0.0.1/tcp/0']
  const [command, ...words] = [...(options.within ?? []), path, `-listen=${listen.join(',') || 'none'}`, ...flags]
  const child = spawn(command!, words, { stdio: ['pipe', 'pipe', 'pipe'] })
  const lines = reader(child)
  const stop = async (): Promise<void> => {
    child.stdin.end()
    const exited = child.exitCode == null && child.signalCode == null ? once(child, 'close') : null
    const hard = setTimeout(() => child.kill('SIGKILL'), 2000)
    await exited
    clearTimeout(hard)
  }
  let calls = 0
  try {
    const ready = await lines.next(said => said.event === 'ready')
    return {
      peer: ready.peer as string,
      addrs: ready.addrs as string[],
      versions: ready.versions as Record<string, string>,
      async call<T extends Answer>(name: string, args: Answer = {}): Promise<T> {
        const id = ++calls
        child.stdin.write(`${JSON.stringify({ id, call: name, ...args })}\n`)
        const answer = await lines.next(said => said.id === id)
        if (answer.error != null) throw new GoError(String(answer.error), answer.status as string | undefined)
        return answer as T
      },
      next: async <T extends Answer>(event: string, fits: (said: T) => boolean = () => true): Promise<T> =>
        (await lines.next(said => said.event === event && fits(said as T))) as T,
      [Symbol.asyncDispose]: stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** The JSON lines of a process, each given once to whoever asks for it. */
function reader(child: ChildProcess): { next(fits: (said: Answer) => boolean): Promise<Answer> } {
  const said: Answer[] = []
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const resume of waiting) resume()
    waiting.clear()
  }
  let rest = ''
  let ended = false
  child.stdout!.setEncoding('utf8').on('data', (chunk: string) => {
    const parts = (rest + chunk).split('\n')
    rest = parts.pop()!
    said.push(...parts.map(line => JSON.parse(line)))
    wake()
  })
  child.stdin!.on('error', () => {})
  const stderr = text(child.stderr!)
  child.on('error', () => {})
  child.on('close', () => {
    ended = true
    wake()
  })
  return {
    async next(fits) {
      for (;;) {
        const at = said.findIndex(fits)
        if (at >= 0) return said.splice(at, 1)[0]!
        if (ended) assert.fail(`${child.spawnargs.join(' ')} ended:\n${await stderr}`)
        await new Promise<void>(resume => waiting.add(resume))
      }
    }
  }
}
