/** Programs of others that ping a libp2p peer as well, where this machine has them; none of them is fetched or built here. */
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { bin, cleanEnv, root } from '../test/helpers/cli.ts'
import { peakRssBytes } from './load/served.ts'

/** Once the first pong is on stdout. */
export interface FirstPong {
  ms: number
  /** User and system, of all threads. */
  cpuMs: number
  /** The most memory that there was until then. */
  peakBytes: number
}

export interface Pinger extends AsyncDisposable {
  name: string
  version: string
  firstPong(addr: string): Promise<FirstPong>
}

/** Where test/interop/build.ts leaves what it builds, as NAME-HASH; a NAME alone was put there by hand. */
const cache = process.env.P2PCTL_INTEROP_CACHE ?? join(root, 'node_modules/.cache/p2pctl-interop')

/** The ones that there are, p2pctl first. */
export async function openPingers(): Promise<Pinger[]> {
  const [vole, p2ping, ipfs] = [find('vole'), find('p2ping'), find('kubo', 'ipfs')]
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const node = process.execPath
  return [
    alone('p2pctl', version, addr => [node, bin, 'ping', '--config', 'none', addr], /^seq=1 time=/m),
    ...(vole == null ? [] : [alone('vole', libp2pOf(vole), addr => [vole, 'libp2p', 'ping', addr], /^Took /m)]),
    ...(p2ping == null
      ? []
      : [alone('p2ping', versionOf(p2ping, '--version'), addr => [p2ping, addr], /result: Ok\(/)]),
    ...(ipfs == null ? [] : [await kubo(ipfs)])
  ]
}

/** Why there is nobody to be measured against. */
export function lacksNeighbours(): string | false {
  return (
    [find('vole'), find('p2ping'), find('kubo', 'ipfs')].every(path => path == null) && 'neither vole, p2ping nor Kubo'
  )
}

function alone(name: string, version: string, command: (addr: string) => string[], says: RegExp): Pinger {
  return {
    name,
    version,
    firstPong: addr => untilFirstPong(command(addr), says),
    async [Symbol.asyncDispose]() {}
  }
}

/** `ipfs ping` asks a daemon, which is there before; it has a repository of its own, and knows nobody. */
async function kubo(ipfs: string): Promise<Pinger> {
  await using stack = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-kubo-'))
  stack.defer(() => rmSync(folder, { recursive: true, force: true }))
  const env = { ...cleanEnv(), IPFS_PATH: folder, IPFS_TELEMETRY: 'off' }
  const ask = (...args: string[]): string => execFileSync(ipfs, args, { env, encoding: 'utf8', stdio: 'pipe' })
  // loopback alone: no bootstrap peers, no mDNS, no UPnP, nothing looked up
  ask('init', '--profile', 'test')
  ask('config', 'Routing.Type', 'none')
  const daemon = spawn(ipfs, ['daemon'], { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(daemon, 'close')
  stack.defer(async () => {
    daemon.kill('SIGKILL')
    await ended
  })
  let said = ''
  daemon.stdout.setEncoding('utf8').on('data', text => {
    said += text
  })
  while (!said.includes('Daemon is ready')) {
    await Promise.race([once(daemon.stdout, 'data'), ended])
    if (daemon.exitCode != null) throw new Error(`ipfs daemon ended with ${daemon.exitCode}: ${said}`)
  }
  const owned = stack.move()
  return {
    name: '`ipfs ping`',
    version: ask('version', '-n').trim(),
    async firstPong(addr) {
      const pong = await untilFirstPong([ipfs, 'ping', '-n', '10', addr], /^Pong received/m, env, daemon.pid)
      // it would stay connected, and dial no more
      ask('swarm', 'disconnect', addr)
      return pong
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

/** Runs a program until its stdout says so, and what it took until then; with the process that works for it, if there is one. */
async function untilFirstPong(
  [file, ...args]: string[],
  says: RegExp,
  env = cleanEnv(),
  beside?: number
): Promise<FirstPong> {
  const pids = (): number[] => [child.pid!, ...(beside == null ? [] : [beside])]
  const spent = beside == null ? 0 : ranMs(beside)
  const startedAt = performance.now()
  const child = spawn(file!, args, { env, stdio: ['ignore', 'pipe', 'ignore'] })
  const ended = once(child, 'close')
  let said = ''
  let pong: FirstPong | undefined
  child.stdout.setEncoding('utf8').on('data', text => {
    said += text
    if (pong != null || !says.test(said)) return
    const ms = performance.now() - startedAt
    pong = {
      ms,
      cpuMs: pids().reduce((sum, pid) => sum + ranMs(pid), -spent),
      peakBytes: pids().reduce((sum, pid) => sum + peakRssBytes(pid), 0)
    }
    child.kill('SIGKILL')
  })
  const [code] = await ended
  if (pong == null) throw new Error(`${file} ${args.join(' ')} ended with ${code}: ${said}`)
  return pong
}

/** What the threads that it has now had of the processors, to the nanosecond (Linux). */
function ranMs(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  const ns = threads.map(thread => Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0]))
  return ns.reduce((sum, one) => sum + one, 0) / 1e6
}

function find(name: string, command = name): string | undefined {
  const built = existsSync(cache) ? readdirSync(cache).filter(file => new RegExp(`^${name}(-\\w+)?$`).test(file)) : []
  const cached = built.map(file => join(cache, file)).toSorted((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs)
  const installed = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, command))
  return [...cached, ...installed].find(existsSync)
}

/** vole does not say its own; a Go program has those of its modules in it. */
function libp2pOf(path: string): string {
  const at = readFileSync(path).toString('latin1')
  return `(go-libp2p ${/\tgithub\.com\/libp2p\/go-libp2p\tv([\d.]+)/.exec(at)?.[1] ?? '?'})`
}

function versionOf(path: string, ...args: string[]): string {
  return execFileSync(path, args, { encoding: 'utf8' }).trim().split(' ').at(-1)!
}
