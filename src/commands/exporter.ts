import { isIP } from 'node:net'
import type { ProbeOptions } from '../check/probe.ts'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { readModulesFile } from '../exporter/modules.ts'
import { createQueue, MAX_WAITING } from '../flow.ts'
import { openNode } from '../node.ts'
import { parsePlace } from '../place.ts'
import { removeReadyFile, writeReadyFile } from '../serve.ts'

export interface Options extends Partial<ProbeOptions> {
  /** `host:port`, the host an IP address or localhost. */
  listen: string
  /** The file that says what may be asked for. */
  modules?: string
  /** Probes at once. */
  concurrency?: number
  /** How many may wait. */
  queue?: number
  readyFile?: string
  /** Stop after this long, in ms. */
  for?: number
}

const CONCURRENCY = 128
const QUEUE = 512

export default async function* exporter(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const file = options.modules
  if (file == null) throw wrong('exporter needs --modules FILE', 'it says who may be probed: p2pctl help exporter')
  const { host, port } = placeOf(options.listen)
  let modules = await readModulesFile(file)
  await warmUp(options)
  const end = new AbortController()
  const until = AbortSignal.any([signal, end.signal])
  const queue = createQueue<Said>()
  const counts = { probes: 0, failed: 0, dropped: 0 }
  const report = (event: Said): void => {
    if (event.type === 'exporter.probe') counts.probes++
    if (event.type === 'exporter.probe' && !event.ok) counts.failed++
    // whoever reads stdout slowly holds no probe up
    if (queue.size < MAX_WAITING) void queue.push(event)
    else counts.dropped++
  }
  const reload = async (): Promise<void> => {
    const told = (ok: boolean, failure: Failure | null): Event<'exporter.reload'> => ({
      type: 'exporter.reload',
      file,
      ok,
      modules: [...modules.modules.keys()],
      code: failure?.code ?? null,
      message: failure?.message ?? null
    })
    try {
      modules = await readModulesFile(file)
      server.metrics.reloaded(true)
      report(told(true, null))
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      server.metrics.reloaded(false)
      report(told(false, error))
      throw error
    }
  }

  if (options.readyFile != null) await removeReadyFile(options.readyFile)
  const { openExporterServer } = await import('../exporter/server.ts')
  const { concurrency = CONCURRENCY, queue: line = QUEUE } = options
  await using server = await openExporterServer(
    { host, port, concurrency, queue: line, dialing: options, modules: () => modules, reload, report },
    until
  )
  server.metrics.reloaded(true)
  // what is wrong with the file is told above
  const onHangup = (): void => void reload().catch(() => {})
  process.on('SIGHUP', onHangup)
  const timer = options.for == null ? undefined : setTimeout(() => end.abort(), options.for)
  try {
    const ready: Event<'exporter.ready'> = {
      type: 'exporter.ready',
      pid: process.pid,
      url: `http://${isIP(host) === 6 ? `[${host}]` : host}:${server.port}/`,
      file,
      modules: [...modules.modules.keys()],
      exposes: exposedAt(host)
    }
    if (options.readyFile != null) await writeReadyFile(options.readyFile, ready)
    yield ready
    yield* queue.items(until)
  } finally {
    clearTimeout(timer)
    process.off('SIGHUP', onHangup)
    if (options.readyFile != null) await removeReadyFile(options.readyFile)
  }
  yield { type: 'run.summary', ok: true, ...counts }
}

/** Reads our own code, and finds what is wrong with keys, before the first probe has to. */
async function warmUp(options: Options): Promise<void> {
  await using node = await openNode(options)
  await node.use('tcp')
}

function placeOf(text: string): { host: string; port: number } {
  const place = parsePlace(text, '--listen')
  if ('path' in place) throw wrong('--listen takes an IP address and a port, not a path')
  const host = place.host === 'localhost' ? '127.0.0.1' : place.host
  if (isIP(host) === 0) throw wrong(`--listen ${text}: give the IP address of this machine, not a name`)
  return { host, port: place.port }
}

function exposedAt(host: string): string | null {
  if (host.startsWith('127.') || host === '::1') return null
  return `whoever reaches ${['0.0.0.0', '::'].includes(host) ? 'this machine' : host} can have it probe every target that the file allows, and read the metrics: there is no password`
}

function wrong(message: string, hint?: string): Failure {
  return new Failure('invalid_option', message, { hint })
}
