/** The exporter's HTTP: probes for whoever asks, bounded in number, time and size. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import type { ProbeOptions } from '../check/probe.ts'
import { errorEvent, Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { wordsFor } from '../files.ts'
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

/** What a client may take, so that slow ones and many of them end by themselves. */
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
const WRITE_MS = 10_000
/** Longer than most scrape at, so that they come back on the same connection. */
const KEEP_ALIVE_MS = 65_000
const CHECK_MS = 1000
const MAX_CONNECTIONS = 4096
const MAX_HEADER_BYTES = 8192

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
    if (route == null) return { status: 404, body: 'there is /probe, /metrics, /-/healthy, /-/ready and /-/reload\n' }
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

  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES
    },
    (request, response) => {
      const left = new AbortController()
      response.once('close', () => left.abort(new DOMException('the client has left', 'AbortError')))
      const gone = AbortSignal.any([signal, left.signal])
      void answerTo(request, gone)
        .catch((error): Answer | null => (gone.aborted ? null : refusal(error, request)))
        .then(answer => (answer == null ? response.destroy() : send(request, response, answer)))
    }
  )
  server.maxConnections = MAX_CONNECTIONS
  await listen(server, options)
  return {
    port: (server.address() as AddressInfo).port,
    metrics,
    async [Symbol.asyncDispose]() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      metrics.registry.clear()
      await closed
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

function send({ method }: IncomingMessage, response: ServerResponse, { status, body, type, headers }: Answer): void {
  const bytes = Buffer.from(body)
  // a client that asks and then reads nothing
  response.setTimeout(WRITE_MS, () => response.destroy())
  response.writeHead(status, { ...HEADERS, 'Content-Type': type ?? TEXT, 'Content-Length': bytes.length, ...headers })
  response.end(method === 'HEAD' ? undefined : bytes)
}

function listen(server: Server, { host, port }: ServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', cause => reject(listenFailure(host, port, cause)))
    server.listen({ host, port }, () => resolve())
  })
}

function listenFailure(host: string, port: number, cause: NodeJS.ErrnoException): Failure {
  const at = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const options = { phase: 'listen', cause } as const
  if (cause.code === 'EADDRINUSE') {
    return new Failure('address_in_use', `cannot listen at ${at}: the address is in use`, {
      ...options,
      hint: 'another process listens there: choose another port for --listen, or 0 for any'
    })
  }
  const says = cause.code === 'EACCES' ? wordsFor(cause) : 'this machine has no such address'
  return new Failure('address_not_available', `cannot listen at ${at}: ${says}`, options)
}
