// Starts and stops the peers of other languages. Each ends with the scope that opened it.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export interface GoOptions {
  /** Free ports of 127.0.0.1; none listens nowhere. */
  listen?: string[]
  /** The flags of test/interop/go/main.go, without their dash. */
  flags?: Record<string, string | number | true>
  /** A command that is to run it, as `ip netns exec NAME`. */
  within?: string[]
}

/** Longer than the 20 s that go gives itself. */
const PATIENCE_MS = 30_000

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
  const stop = () => stopped(child)
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
        const answer = await lines.next(said => said.id === id, Number(args.timeout_ms ?? 0) + PATIENCE_MS)
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
function reader(child: ChildProcess) {
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
    async next(fits: (said: Answer) => boolean, limitMs = PATIENCE_MS): Promise<Answer> {
      const until = performance.now() + limitMs
      const timer = setTimeout(wake, limitMs)
      try {
        for (;;) {
          const at = said.findIndex(fits)
          if (at >= 0) return said.splice(at, 1)[0]!
          if (ended) assert.fail(`${child.spawnargs.join(' ')} ended:\n${await stderr}`)
          if (performance.now() >= until) assert.fail(`it said nothing of the kind in ${limitMs} ms`)
          await new Promise<void>(resume => waiting.add(resume))
        }
      } finally {
        clearTimeout(timer)
      }
    }
  }
}

/** A py-libp2p host in a process of its own: test/interop/python. */
export interface PyHost extends AsyncDisposable {
  peer: string
  addrs: string[]
  version: string
  /** With --ping, what came of it. */
  pinged(): Promise<number[]>
}

export async function pyHost(python: string, args: string[]): Promise<PyHost> {
  const script = join(import.meta.dirname, 'python/host.py')
  const child = spawn(python, [script, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  const lines = reader(child)
  const stop = () => stopped(child)
  try {
    const ready = await lines.next(said => said.event === 'ready')
    return {
      peer: ready.peer as string,
      addrs: ready.addrs as string[],
      version: ready.version as string,
      pinged: async () => (await lines.next(said => said.event === 'pinged')).rtts_ms as number[],
      [Symbol.asyncDispose]: stop
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Ends with its stdin, and at the latest two seconds later. */
async function stopped(child: ChildProcess): Promise<void> {
  child.stdin!.end()
  if (child.exitCode != null || child.signalCode != null) return
  const hard = setTimeout(() => child.kill('SIGKILL'), 2000)
  await once(child, 'close')
  clearTimeout(hard)
}

export interface Kubo extends AsyncDisposable {
  peer: string
  /** Of 127.0.0.1, one for each transport. */
  addrs: string[]
  version: string
  /** One `ipfs` command against the daemon; throws GoError with what it said on stderr where it fails. */
  ipfs(...args: string[]): Promise<string>
  /** One that goes on, to be ended by whoever began it. */
  spawn(...args: string[]): ChildProcess
}

/**
 * A Kubo daemon with a repo of its own in this folder. Its test profile asks nobody on the internet: no bootstrap peers,
 * no delegated routing, no AutoConf, no AutoTLS, no mDNS; it listens on loopback alone. With a relay it takes itself for
 * one that nobody can dial, and reserves there; else it is a relay itself.
 */
export async function kuboDaemon(path: string, folder: string, staticRelay?: string): Promise<Kubo> {
  const env = { ...process.env, IPFS_PATH: folder, IPFS_TELEMETRY: 'off', DO_NOT_TRACK: '1' }
  const ipfs = async (...args: string[]): Promise<string> => {
    const child = spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'], timeout: 30_000 })
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')])
    if (code !== 0) throw new GoError(stderr.trim())
    return stdout.trim()
  }
  await ipfs('init', '--profile=test', '--empty-repo')
  const file = join(folder, 'config')
  const config = JSON.parse(readFileSync(file, 'utf8'))
  const tails = ['tcp/0', 'tcp/0/ws', 'udp/0/quic-v1', 'udp/0/webrtc-direct']
  config.Addresses.Swarm = tails.map(tail => `/ip4/127.0.0.1/${tail}`)
  config.Experimental.Libp2pStreamMounting = true
  config.Pubsub.Enabled = true
  config.Swarm.RelayService.Enabled = staticRelay == null
  config.Swarm.RelayClient = staticRelay == null ? { Enabled: false } : { Enabled: true, StaticRelays: [staticRelay] }
  config.Internal = { ...config.Internal, Libp2pForceReachability: staticRelay == null ? 'public' : 'private' }
  writeFileSync(file, JSON.stringify(config))
  const daemon = spawn(path, ['daemon'], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const stderr = text(daemon.stderr)
  const stop = async (): Promise<void> => {
    if (daemon.exitCode != null || daemon.signalCode != null) return
    const hard = setTimeout(() => daemon.kill('SIGKILL'), 5000)
    daemon.kill('SIGTERM')
    await once(daemon, 'close')
    clearTimeout(hard)
  }
  let said = ''
  for await (const chunk of daemon.stdout) {
    said += chunk
    if (said.includes('Daemon is ready')) break
  }
  if (!said.includes('Daemon is ready')) assert.fail(`kubo did not start: ${said}${await stderr}`)
  const { ID, Addresses } = JSON.parse(await ipfs('id'))
  return {
    peer: ID,
    addrs: Addresses,
    version: await ipfs('version', '--number'),
    ipfs,
    spawn: (...args) => spawn(path, args, { env, stdio: ['ignore', 'pipe', 'pipe'] }),
    [Symbol.asyncDispose]: stop
  }
}
