/** The exporter's HTTP: probes for whoever asks, bounded in number, time and size. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ProbeOptions } from '../check/probe.ts'
import { errorEvent, Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { openHttpServer, send } from '../http-server.ts'
import { startLimit } from '../limit.ts'
import { safe } from '../safe.ts'
import { createSlots } from '../slots.ts'
import { ownMetrics, type OwnMetrics, probeMetrics } from './metrics.ts'
import type { Modules } from './modules.ts'
import { runProbe } from './probe.ts'
import { assertMeant, readProbe, Refused } from './request.ts'

export interface ServerOptions {
  /** An IP address of this machine. */
  host: string
  port: number
  /** Probes at once, and how many may wait for a place. */
  concurrency: number
  queue: number
  /** How probes dial. */
  dialing: Partial<ProbeOptions>
  /** What holds at the moment. */
  modules(): Modules
  /** Reads it again; throws Failure and leaves what was. */
  reload(): Promise<void>
  report(event: Said): void
}

export interface ExporterServer extends AsyncDisposable {
  port: number
  metrics: OwnMetrics
}

/** Of a client that reads nothing. */
const WRITE_MS = 10_000
/** Longer than most scrape at, so that they come back on the same connection. */
const KEEP_ALIVE_MS = 65_000
const NEVER = 0
const MAX_CONNECTIONS = 4096

const TEXT = 'text/plain; charset=utf-8'
const HEADERS = { 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store' }

interface Answer {
  status: number
  body: string
  type?: string
  headers?: Record<string, string>
}

/** Throws Failure: address_in_use, address_not_available. */
export async function openExporterServer(options: ServerOptions, signal: AbortSignal): Promise<ExporterServer> {
  const load = { running: 0, waiting: 0 }
  const metrics = ownMetrics(() => load)
  const slots = createSlots(options.concurrency, options.queue)

  const probe = async (request: IncomingMessage, query: URLSearchParams, gone: AbortSignal): Promise<Answer> => {
    const modules = options.modules()
    const scrapeTimeout = request.headers['x-prometheus-scrape-timeout-seconds']
    const asked = readProbe(query, scrapeTimeout == null ? undefined : String(scrapeTimeout), modules)
    if (slots.full) throw busy('too many probes wait already')
    const askedAt = performance.now()
    const leave = await placeWithin(asked.budgetMs / 2, gone)
    load.running++
    try {
      const budgetMs = asked.budgetMs - (performance.now() - askedAt)
      const probed = await runProbe({ ...asked, budgetMs }, modules.policy, options.dialing, gone)
      const { module, target } = asked
      metrics.probed(module.name, probed)
      options.report({
        type: 'exporter.probe',
        target: target.text,
        module: module.name,
        ok: probed.ok,
        error: probed.error,
        failed: [...probed.held].filter(([, held]) => held !== true).map(([field]) => field),
        duration_ms: probed.durationMs
      })
      return { status: 200, body: await probeMetrics(module.prober, probed), type: metrics.registry.contentType }
    } finally {
      load.running--
      leave()
    }
  }

  /** Whoever waits for half of its time has too little left to be told something that is right. */
  const placeWithin = async (ms: number, gone: AbortSignal): Promise<() => void> => {
    using limit = startLimit(ms, gone)
    load.waiting++
    try {
      return await slots.take(limit.signal)
    } catch (error) {
      throw limit.passed ? busy('no probe came to an end in time') : error
    } finally {
      load.waiting--
    }
  }

  const answerTo = async (request: IncomingMessage, gone: AbortSignal): Promise<Answer> => {
    assertMeant(request, options.modules().hosts)
    const [path = '', search = ''] = splitUrl(request.url ?? '')
    const route = routes[path]
    if (route == null) {
      // a body that comes behind it is not read
      const headers = { Connection: 'close' }
      return { status: 404, body: 'there is /probe, /metrics, /-/healthy, /-/ready and /-/reload\n', headers }
    }
    if (!route.methods.includes(request.method ?? '')) {
      const allow = route.methods.join(', ')
      throw new Refused(405, 'method', allow, { Allow: allow })
    }
    return await route.answer(request, new URLSearchParams(search), gone)
  }

  const routes: Record<string, { methods: string[]; answer: typeof probe }> = Object.assign(Object.create(null), {
    '/probe': { methods: ['GET'], answer: probe },
    '/metrics': {
      methods: ['GET'],
      answer: async () => ({
        status: 200,
        body: await metrics.registry.metrics(),
        type: metrics.registry.contentType
      })
    },
    '/-/healthy': { methods: ['GET', 'HEAD'], answer: async () => ({ status: 200, body: 'healthy\n' }) },
    '/-/ready': {
      methods: ['GET', 'HEAD'],
      answer: async () => (signal.aborted ? { status: 503, body: 'stopping\n' } : { status: 200, body: 'ready\n' })
    },
    '/-/reload': {
      methods: ['POST'],
      answer: async () => {
        try {
          await options.reload()
          return { status: 200, body: 'reloaded\n' }
        } catch (error) {
          if (error instanceof Failure) return { status: 500, body: `${error.message}\n` }
          throw error
        }
      }
    }
  })

  const refusal = (error: unknown, request: IncomingMessage): Answer => {
    if (error instanceof Refused) {
      metrics.refused(error.reason)
      const { status, reason, message, headers } = error
      const remote_addr = request.socket.remoteAddress ?? null
      options.report({ type: 'exporter.refused', status, reason, message, remote_addr })
      // what a refused request still sends is not read
      return { status, body: `${message}\n`, headers: { ...headers, Connection: 'close' } }
    }
    // one probe that fell over a bug is no reason to leave a thousand others unwatched
    metrics.failed()
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    options.report(errorEvent(new Failure('internal', `unexpected error in a probe: ${safe(text)}`, { cause: error })))
    return { status: 500, body: 'a bug in p2pctl: run it with --debug\n' }
  }

  const server = await openHttpServer({
    host: options.host,
    port: options.port,
    thing: 'probes',
    hints: { taken: 'choose another port for --listen, or 0 for any', privileged: 'choose a higher one for --listen' },
    keepAliveMs: KEEP_ALIVE_MS,
    // the time of a probe is limited by who asks for it
    idleMs: NEVER,
    maxConnections: MAX_CONNECTIONS,
    async answer(request, response) {
      const left = new AbortController()
      response.once('close', () => left.abort(new DOMException('the client has left', 'AbortError')))
      const gone = AbortSignal.any([signal, left.signal])
      const answer = await answerTo(request, gone).catch(error => (gone.aborted ? null : refusal(error, request)))
      if (answer == null) response.destroy()
      else reply(request, response, answer)
    }
  })
  return {
    port: server.port,
    metrics,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      metrics.registry.clear()
    }
  }
}

/** The path as it was sent, and what stands behind its question mark. */
function splitUrl(url: string): string[] {
  const at = url.indexOf('?')
  return at < 0 ? [url] : [url.slice(0, at), url.slice(at + 1)]
}

function busy(message: string): Refused {
  return new Refused(503, 'busy', message, { 'Retry-After': '5' })
}

function reply(request: IncomingMessage, response: ServerResponse, { status, body, type, headers }: Answer): void {
  // a client that asks and then reads nothing
  response.setTimeout(WRITE_MS, () => response.destroy())
  send(request, response, status, { ...HEADERS, 'Content-Type': type ?? TEXT, ...headers }, Buffer.from(body))
}
