// What one `p2pctl exporter` holds: N real peers (js-libp2p, each with its key and port, in two processes of their own),
// each scraped every so many seconds as Prometheus does, spread over the interval:
//   npm run build && node bench/exporter.ts [--targets 1000] [--every 15] [--module ping] [--rounds 4]
import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { ping } from '@libp2p/ping'
import { addrOf, plainNode } from '../test/helpers/plain-node.ts'

const { values } = parseArgs({
  options: {
    targets: { type: 'string', default: '1000' },
    every: { type: 'string', default: '15' },
    module: { type: 'string', default: 'ping' },
    rounds: { type: 'string', default: '4' },
    peers: { type: 'string' }
  }
})
const TIMEOUT_S = 10
const PROCESSES = 2

if (values.peers == null) await measure(Number(values.targets), Number(values.every) * 1000, Number(values.rounds))
else await bePeers(Number(values.peers))

async function bePeers(count: number): Promise<void> {
  const addrs: string[] = []
  for (let made = 0; made < count; made++) {
    addrs.push(addrOf(await plainNode({ circuit: false, services: { ping: ping() } })))
  }
  process.send!(addrs)
}

async function measure(targets: number, everyMs: number, rounds: number): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-bench-'))
  const children: ChildProcess[] = []
  try {
    const args = ['--peers', String(Math.ceil(targets / PROCESSES))]
    for (let started = 0; started < PROCESSES; started++) children.push(fork(import.meta.filename, args))
    const peers = [...children]
    const addrs = (await Promise.all(peers.map(one => once(one, 'message')))).flatMap(([some]) => some as string[])
    const { child, url } = await startExporter(folder)
    children.push(child)
    const agent = new Agent({ keepAlive: true })
    const results: Result[] = []
    const before = peers.map(one => cpuMs(one.pid!))
    const cpuBefore = cpuMs(child.pid!)
    const startedAt = performance.now()
    await Promise.all(
      addrs.slice(0, targets).map(async (addr, index) => {
        for (let round = 0; round < rounds; round++) {
          const at = startedAt + (index / targets + round) * everyMs
          await delay(Math.max(0, at - performance.now()))
          results.push(await scrape(`${url}probe?module=${values.module}&target=${encodeURIComponent(addr)}`, agent))
        }
      })
    )
    const wallMs = performance.now() - startedAt
    const cpu = cpuMs(child.pid!) - cpuBefore
    const peersCpu = peers.reduce((sum, one, index) => sum + cpuMs(one.pid!) - before[index]!, 0)
    const metrics = (await scrape(`${url}metrics`, agent)).body
    const figure = (name: string): number => Number(new RegExp(`^${name} (.*)$`, 'm').exec(metrics)?.[1])
    const took = results.map(({ ms }) => ms).sort((a, b) => a - b)
    const rank = (share: number): string => `${took[Math.ceil(share * took.length) - 1]!.toFixed(0)} ms`
    const rtts = results.filter(({ body }) => /^p2p_ping_rtt_seconds_count [1-9]/m.test(body)).length
    const rows = {
      'targets, every': `${targets}, ${everyMs / 1000} s (${((targets * 1000) / everyMs).toFixed(1)} probes a second)`,
      'probes, time': `${results.length} in ${(wallMs / 1000).toFixed(1)} s`,
      'answered 200': String(results.filter(({ status }) => status === 200).length),
      'p2p_probe_success 1': String(results.filter(({ body }) => /^p2p_probe_success 1$/m.test(body)).length),
      'refused with 503': String(results.filter(({ status }) => status === 503).length),
      'later than the scrape timeout': String(results.filter(({ ms }) => ms > TIMEOUT_S * 1000).length),
      ...(values.module === 'ping' && { 'with a round trip': String(rtts) }),
      'scrape latency p50, p95, p99, max': [0.5, 0.95, 0.99, 1].map(rank).join(', '),
      'exporter: processors': (cpu / wallMs).toFixed(2),
      'exporter: CPU time a probe': `${(cpu / results.length).toFixed(2)} ms`,
      'exporter: memory now, most': `${memory(child.pid!, 'VmRSS')}, ${memory(child.pid!, 'VmHWM')} MiB`,
      'exporter: heap used, external': ['nodejs_heap_size_used_bytes', 'nodejs_external_memory_bytes']
        .map(name => `${(figure(name) / 2 ** 20).toFixed(0)} MiB`)
        .join(', '),
      'exporter: event loop lag p50, p99': ['p50', 'p99']
        .map(at => `${(figure(`nodejs_eventloop_lag_${at}_seconds`) * 1000).toFixed(0)} ms`)
        .join(', '),
      'the peers: processors': (peersCpu / wallMs).toFixed(2)
    }
    for (const [name, value] of Object.entries(rows)) process.stdout.write(`${name.padEnd(36)}${value}\n`)
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
  process.exit()
}

async function startExporter(folder: string): Promise<{ child: ChildProcess; url: string }> {
  const file = join(folder, 'modules.yaml')
  writeFileSync(file, 'allow: [127.0.0.0/8]\nnetworks: [127.0.0.0/8]\n')
  const bin = join(import.meta.dirname, '../bin/p2pctl.js')
  const args = [bin, 'exporter', '--modules', file, '--listen', '127.0.0.1:0', '--json', '--config', 'none']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const url = await new Promise<string>(resolve => {
    child.stdout.on('data', chunk => {
      const found = /"url":"([^"]+)"/.exec(String(chunk))
      if (found != null) resolve(found[1]!)
    })
  })
  return { child, url }
}

interface Result {
  status: number
  body: string
  ms: number
}

async function scrape(url: string, agent: Agent): Promise<Result> {
  const startedAt = performance.now()
  const headers = { 'X-Prometheus-Scrape-Timeout-Seconds': String(TIMEOUT_S) }
  const [response] = await once(get(url, { agent, headers }), 'response')
  const body = await text(response)
  return { status: response.statusCode, body, ms: performance.now() - startedAt }
}

/** Of a process, all of its threads: utime and stime are in ticks of 10 ms (proc(5)). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

function memory(pid: number, field: string): string {
  const [, kib = ''] = new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return (Number(kib) / 1024).toFixed(0)
}
