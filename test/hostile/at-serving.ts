/** Starts the built p2pctl as a server, has it attacked while an honest peer is served, and looks at what that did to it. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { generateKeyFile } from '../../src/keys.ts'
import { type Result, type Running, start } from '../helpers/cli.ts'
import { script } from '../helpers/script.ts'
import type { AtCell, Kind, Target } from './at.ts'
import { first } from './at-wire.ts'
import { mib } from './run.ts'
import type { Over, Seen } from './rows.ts'

/** What the honest peer is asked to do. */
export interface ToServe {
  addr: string
  /** Where there is only HTTP: it is asked there instead. */
  url: string | null
  dials: number
  count: number
}

/** What became of it. */
export interface Served {
  dialsMs: number[]
  pingsMs: number[]
  failed: string[]
  /** How long it was kept from a processor meanwhile. */
  waitedMs: number
}

export interface AtSeen extends Seen {
  fate: string | null
  /** The slowest dial of the honest peer, and the 99th percentile of its pings; null where it had none. */
  dialMs: number | null
  pingMs: number | null
  /** The server has ended, which no busy machine excuses. */
  died: boolean
  /** What the server had resident at most, above what it had before. */
  moreBytes: number
}

export interface Servers extends AsyncDisposable {
  run(cell: AtCell): Promise<AtSeen>
  /** Stops each of them, under silent visitors; what was wrong with that, by its kind. */
  end(): Promise<string[]>
}

const DIALS = 20
const DIAL_MS = 1000
const PINGS = 100
const PING_P99_MS = 250
const STOP_MS = 5000
/** How long what a visitor held may take to be given back. */
const SETTLE_MS = 8000
const SAMPLE_MS = 50
const HARD_END_MS = 300_000
/** Until an attack that never ends is ended. */
const ATTACK_MS = 30_000
const ENDLESS = 'still under way'

interface Serving extends AsyncDisposable {
  /** Of its own, with the folder for files in it. */
  folder: string
  kind: Kind
  running: Running
  pid: number
  addrs: string[]
  url: URL | null
  peerId: string
  identity: string
  relay: string | null
  /** The addresses at which it has had visitors. */
  met: Set<string>
}

const loopback = (...tails: string[]): string[] => tails.flatMap(tail => ['-l', `/ip4/127.0.0.1/tcp/0${tail}`])
/** So that whoever is silent need not be waited for long; how long it is by default is tested with the other limits. */
export const UPGRADE_MS = 2000
/** As strangers are met: else those who come from this machine are spared. */
const STRANGERS = ['--limit', `exempt-loopback=0,upgrade-timeout=${UPGRADE_MS}ms`]

const kinds: Record<Kind, (folder: string, relay: string | null) => { args: string[]; within?: string[] }> = {
  listen: folder => ({ args: ['listen', ...loopback('', '/ws'), ...taking(folder), ...STRANGERS] }),
  'listen, watched': () => ({
    args: ['listen', ...loopback(''), '--metrics', '127.0.0.1:0', '--health', '127.0.0.1:0', ...STRANGERS]
  }),
  'listen, few descriptors': () => ({
    args: ['listen', ...loopback('', '/ws'), ...STRANGERS],
    within: ['sh', '-c', 'ulimit -n 80; exec "$0" "$@"']
  }),
  'listen, behind a relay': (folder, relay) => ({
    args: ['listen', '--circuit', relay!, ...taking(folder), ...STRANGERS]
  }),
  relay: () => ({ args: ['relay', ...loopback('', '/ws'), '--pubsub', 'hostile', ...STRANGERS] }),
  browser: () => ({ args: ['browser', '--port', '0'] }),
  exporter: folder => ({ args: ['exporter', '--modules', modulesIn(folder), '--listen', '127.0.0.1:0'] })
}

function taking(folder: string): string[] {
  return ['--recv', join(folder, 'in'), '--max-file', '1MiB']
}

function modulesIn(folder: string): string {
  const path = join(folder, 'modules.yaml')
  writeFileSync(path, 'allow:\n  - /ip4/127.0.0.1/**\nmodules:\n  ping: { prober: ping, count: 1 }\n')
  return path
}

/** Servers that are started when a row needs one, and shared by the rows of one kind: each meets what the last one left. */
export async function openServers(): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-hostile-'))
  const honest = await startHonest()
  const running = new Map<string, Promise<Serving>>()
  let sources = 0
  const newSource = (): string => {
    sources++
    return `127.${100 + (sources >> 14)}.${(sources >> 6) & 255}.${(sources & 63) + 1}`
  }
  const serverOf = async (kind: Kind): Promise<Serving> => {
    const old = await running.get(kind)
    if (old != null && old.running.child.exitCode == null && old.running.child.signalCode == null) return old
    const relay = kind === 'listen, behind a relay' ? startRelay : null
    running.set(kind, startServer(kind, folder, relay))
    return await running.get(kind)!
  }
  const attempt = async (cell: AtCell): Promise<AtSeen> => {
    const serving = await serverOf(cell.command)
    return await attacked(cell, serving, honest.serve, newSource)
  }
  return {
    async run(cell) {
      const seen = await attempt(cell)
      if (seen.differs.length === 0 || seen.died) return seen
      // once more: what a busy machine did to it is not what it is
      const again = await attempt(cell)
      if (again.differs.length > 0) again.differs.push(...seen.differs.map(differs => `the first time, ${differs}`))
      return again
    },
    async end() {
      const servers = await Promise.all(running.values())
      running.clear()
      const said = await Promise.all(servers.map(stopped))
      return said.flat()
    },
    async [Symbol.asyncDispose]() {
      for (const server of await Promise.allSettled(running.values())) {
        if (server.status === 'fulfilled') await server.value[Symbol.asyncDispose]()
      }
      await honest[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

async function startServer(
  kind: Kind,
  folder: string,
  openRelay: (() => Promise<{ running: Running; addr: string }>) | null
): Promise<Serving> {
  const relay = (await openRelay?.()) ?? null
  const identity = join(folder, `${kind.replaceAll(/\W+/g, '-')}.key`)
  if (!existsSync(identity)) await generateKeyFile(identity)
  const own = mkdtempSync(join(folder, 'own-'))
  mkdirSync(join(own, 'in'))
  const { args, within } = kinds[kind](own, relay?.addr ?? null)
  const named = kind === 'exporter' ? args : [...args, '--identity', identity]
  const running = start([...named, '--json'], { timeoutMs: HARD_END_MS, ...(within && { within }) })
  const ready = kind === 'exporter' ? await running.next('exporter.ready') : await running.next('listen.ready')
  const addrs = 'addrs' in ready ? (ready.addrs as string[]) : []
  return {
    kind,
    folder: own,
    running,
    pid: ready.pid,
    addrs,
    url: urlOf(kind, ready),
    peerId: 'peer_id' in ready ? String(ready.peer_id) : '',
    identity,
    relay: relay?.addr ?? null,
    met: new Set(),
    async [Symbol.asyncDispose]() {
      await running[Symbol.asyncDispose]()
      await relay?.running[Symbol.asyncDispose]()
    }
  }
}

/** Where HTTP is served, at the path that an honest client asks for. */
function urlOf(kind: Kind, ready: Partial<Record<'url' | 'metrics_url', string>>): URL | null {
  if (ready.metrics_url != null) return new URL(ready.metrics_url)
  return ready.url == null ? null : new URL(kind === 'exporter' ? '/-/healthy' : '/', ready.url)
}

async function startRelay(): Promise<{ running: Running; addr: string }> {
  const running = start(['relay', ...loopback(''), '--no-limits', '--json'], { timeoutMs: HARD_END_MS })
  const { addrs } = await running.next('listen.ready')
  return { running, addr: addrs[0]! }
}

async function attacked(
  { row, over }: AtCell,
  serving: Serving,
  serve: (asked: ToServe) => Promise<Served>,
  newSource: () => string
): Promise<AtSeen> {
  const { pid, running } = serving
  const closers: (() => unknown)[] = []
  const addr = addrFor(serving, over)
  // over TCP wherever it can, where each of its dials comes from another address
  const calm = over === 'ws' && serving.kind !== 'browser' ? addrFor(serving, 'tcp') : addr
  const asked = { addr: calm, url: row.phase === 'http' ? serving.url!.href : null }
  if (!serving.met.has(calm)) {
    // what it loads for its first visitor is no cost of an attack
    await serve({ ...asked, dials: 5, count: 20 })
    serving.met.add(calm)
  }
  await settled(pid, Infinity)
  const before = footprint(pid)
  using peak = peakOf(pid)
  const waitedBefore = waitedMsOf(pid)
  const honest = serve({ ...asked, dials: DIALS, count: PINGS })
  const place = row.phase === 'http' ? serving.url! : placeOf(addr)
  const target: Target = {
    over,
    host: '127.0.0.1',
    port: Number(place.port),
    addr,
    peerId: serving.peerId,
    identity: serving.identity,
    url: serving.url,
    relay: serving.relay,
    newSource,
    served: honest,
    withinMs: row.withinMs,
    async patience() {
      const from = waitedMsOf(pid)
      await sleep(row.withinMs, undefined, { ref: false })
      await sleep(waitedMsOf(pid) - from, undefined, { ref: false })
    },
    outside: () => readdirSync(serving.folder).filter(name => name !== 'in'),
    owns: closer => closers.push(closer)
  }
  // one that is thrown out ends with an error of its own
  const fate = await within(ATTACK_MS, row.attack(target)).catch(error => `${error?.message ?? error}`)
  const served = await honest
  const waitedMs = waitedMsOf(pid) - waitedBefore + served.waitedMs
  await Promise.allSettled(closers.map(closer => closer()))
  // one that no longer listens is about to end
  const ending = served.failed.some(one => one.includes('ECONNREFUSED'))
  if (ending) await within(SETTLE_MS, running.done).catch(() => {})
  const died = running.child.exitCode != null || running.child.signalCode != null
  const left = died ? null : await settled(pid, before.descriptors + 2)
  const moreBytes = peak.bytes() - before.bytes
  const differs = [
    ...(row.fate != null && fate !== row.fate ? [`the attacker was ${fate}, not ${row.fate}`] : []),
    ...(fate.startsWith(ENDLESS) ? [fate] : []),
    ...notServed(served, waitedMs),
    ...(moreBytes > row.memoryBytes ? [`took ${mib(moreBytes)} MiB more, ${mib(row.memoryBytes)} are allowed`] : []),
    ...(left != null && left > before.descriptors + 2
      ? [`${left} descriptors are open, ${before.descriptors} were before`]
      : []),
    ...(died ? [`it has ended: ${ended(await running.done)}`] : [])
  ]
  return {
    code: null,
    exit: died ? (running.child.exitCode ?? -1) : 0,
    ms: null,
    peakBytes: peak.bytes(),
    stalledMs: waitedMs,
    differs,
    died,
    fate,
    dialMs: most(served.dialsMs),
    pingMs: p99(served.pingsMs),
    moreBytes
  }
}

/** The bounds of the issue, and on top how long the server and the honest peer were kept from a processor. */
function notServed({ dialsMs, pingsMs, failed }: Served, waitedMs: number): string[] {
  const slow = most(dialsMs) ?? 0
  const ping = p99(pingsMs) ?? 0
  return [
    ...failed.map(one => `the honest peer was not served: ${one}`),
    ...(slow > DIAL_MS + waitedMs ? [`an honest dial took ${Math.round(slow)} ms`] : []),
    ...(ping > PING_P99_MS + waitedMs ? [`p99 of the honest pings was ${Math.round(ping)} ms`] : [])
  ]
}

/** SIGTERM while silent visitors are there. */
async function stopped(serving: Serving): Promise<string[]> {
  const { kind, running, addrs, url } = serving
  const ports = [...addrs.map(addr => Number(placeOf(addr).port)), ...(url == null ? [] : [Number(url.port)])]
  const sockets = kind.includes('behind') ? [] : await Promise.all(ports.flatMap(port => [silent(port), silent(port)]))
  const start = performance.now()
  const result = await within(2 * STOP_MS, running.stop('SIGTERM')).catch(() => null)
  const ms = performance.now() - start
  for (const socket of sockets) socket.destroy()
  await serving[Symbol.asyncDispose]()
  const wrong = [
    ...(result == null ? ['it did not stop'] : unclean(result)),
    ...(ms > STOP_MS ? [`it took ${Math.round(ms)} ms to stop`] : [])
  ]
  return wrong.map(one => `${kind}: ${one}`)
}

function unclean(result: Result): string[] {
  const { code, signal, stderr, events } = result
  const summary = events.at(-1)
  const wrong: string[] = []
  if (code !== 0 || signal != null) wrong.push(`it ended with ${signal ?? code}`)
  if (/\n\s+at .*[:(]\d/.test(stderr)) wrong.push(`a stack on stderr: ${stderr.slice(0, 400)}`)
  if (summary?.type !== 'run.summary' || !summary.ok) wrong.push('its summary is not ok')
  for (const event of events) if (event.type === 'error') wrong.push(`error ${event.code}: ${event.message}`)
  return wrong
}

function ended({ code, signal, stderr, stdout }: Result): string {
  return `${signal ?? code}, ${stderr.slice(0, 1000)} ${stdout.slice(-500)}`
}

async function silent(port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1' }).on('error', () => {})
  await first(socket, 'connect', 'close')
  return socket
}

function addrFor({ addrs, kind }: Serving, over: Over): string {
  if (kind === 'exporter') return ''
  return addrs.find(addr => addr.includes('/ws/') === (over === 'ws'))!
}

function placeOf(addr: string): { port: string } {
  return {
    port:
      multiaddr(addr)
        .getComponents()
        .find(({ name }) => name === 'tcp')?.value ?? '0'
  }
}

interface Footprint {
  bytes: number
  descriptors: number
}

function footprint(pid: number): Footprint {
  return { bytes: sizeOf(pid, 'VmRSS'), descriptors: descriptorsOf(pid) }
}

function sizeOf(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    return Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(status)?.[1] ?? 0) * 1024
  } catch {
    return 0
  }
}

function descriptorsOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).length
  } catch {
    return 0
  }
}

function waitedMsOf(pid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

/** The most that is resident from now on; the kernel counts it anew, and where it does not, it is looked at often. */
function peakOf(pid: number): { bytes(): number } & Disposable {
  let reset = true
  try {
    writeFileSync(`/proc/${pid}/clear_refs`, '5')
  } catch {
    reset = false
  }
  let most = sizeOf(pid, 'VmRSS')
  const look = (): number => {
    most = Math.max(most, sizeOf(pid, reset ? 'VmHWM' : 'VmRSS'))
    return most
  }
  const timer = setInterval(look, SAMPLE_MS)
  return { bytes: look, [Symbol.dispose]: () => clearInterval(timer) }
}

/** How many descriptors it has as soon as they are `most` at most, or no longer change; after a while, whatever they are. */
async function settled(pid: number, most: number): Promise<number> {
  const until = performance.now() + SETTLE_MS
  let last = -1
  for (;;) {
    const now = descriptorsOf(pid)
    if ((now <= most && (most < Infinity || now === last)) || performance.now() > until) return now
    last = now
    await sleep(SAMPLE_MS)
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>()
  const timer = setTimeout(() => late.reject(new Error(`${ENDLESS} after ${ms} ms`)), ms)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

const most = (times: number[]): number | null => (times.length === 0 ? null : Math.max(...times))

/** Nearest rank. */
function p99(times: number[]): number | null {
  const sorted = times.toSorted((a, b) => a - b)
  return sorted[Math.ceil(0.99 * sorted.length) - 1] ?? null
}

interface Honest extends AsyncDisposable {
  serve(asked: ToServe): Promise<Served>
}

async function startHonest(): Promise<Honest> {
  const child = fork(script('../hostile/honest'), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  await once(child, 'message')
  let answered: (served: Served) => void = () => {}
  const gone = once(child, 'exit').then(() => Promise.reject(new Error('the honest peer has ended')))
  gone.catch(() => {})
  child.on('message', (served: Served) => answered(served))
  return {
    async serve(asked) {
      const served = new Promise<Served>(resolve => {
        answered = resolve
      })
      child.send(asked)
      return await Promise.race([served, gone])
    },
    async [Symbol.asyncDispose]() {
      child.disconnect()
      if (child.exitCode == null) await once(child, 'exit')
    }
  }
}
