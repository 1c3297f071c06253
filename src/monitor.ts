/** `--metrics ADDR` and `--health ADDR`: how others watch a node that serves. */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import type { Queue } from './flow.ts'
import type { Health } from './health.ts'
import type { HttpServer } from './http-server.ts'
import type { Metrics } from './metrics.ts'
import type { Node } from './node.ts'
import { parsePlace } from './place.ts'
import { safe } from './safe.ts'

export interface MonitorOptions {
  /** `host:port`, or a port of 127.0.0.1; 0 lets the system choose. Both may be the same. */
  metrics?: string
  health?: string
}

export interface Monitor extends AsyncDisposable {
  /** Where it is, for `listen.ready`. */
  urls: Pick<Event<'listen.ready'>, 'metrics_url' | 'health_url'>
  /** Whatever the node listens on now has to stay, and its events have to be taken. */
  holds(node: Node, queue: Pick<Queue<unknown>, 'size'>): void
  /** What the command says, heard on the way. */
  over(said: AsyncGenerator<Said>): AsyncGenerator<Said>
}

interface Answer {
  status: number
  type: string
  body: string
}

type Paths = Map<string, () => Answer | Promise<Answer>>

const METRICS = '/metrics'
const HEALTH = '/healthz'
const TEXT = 'text/plain; charset=utf-8'

const NONE: Monitor = { urls: {}, holds: () => {}, over: said => said, [Symbol.asyncDispose]: async () => {} }

/** Serves both before anything else is: until the node is ready, its health says so. Throws Failure. */
export async function openMonitor(options: MonitorOptions, signal: AbortSignal): Promise<Monitor> {
  if (options.metrics == null && options.health == null) return NONE
  const places = {
    metrics: options.metrics == null ? null : placeOf(options.metrics, '--metrics'),
    health: options.health == null ? null : placeOf(options.health, '--health')
  }
  const { createHealth } = await import('./health.ts')
  const health = createHealth(signal)
  const metrics = places.metrics == null ? null : (await import('./metrics.ts')).createMetrics(health)
  const servers: HttpServer[] = []
  const close = async (): Promise<void> => {
    await Promise.all(servers.map(server => server[Symbol.asyncDispose]()))
    metrics?.[Symbol.dispose]()
    health[Symbol.dispose]()
  }
  const urls: Monitor['urls'] = {}
  try {
    for (const { place, option, paths } of sitesOf(places, pagesOf(health, metrics))) {
      const server = await serveAt(place, option, paths)
      servers.push(server)
      if (paths.has(METRICS)) urls.metrics_url = `${server.url}${METRICS}`
      if (paths.has(HEALTH)) urls.health_url = `${server.url}${HEALTH}`
    }
  } catch (error) {
    await close()
    throw error
  }
  return {
    urls,
    holds(node, queue) {
      health.holds(node, queue)
      metrics?.holds(node, queue)
    },
    async *over(said) {
      for await (const event of said) {
        health.tell(event)
        metrics?.tell(event)
        yield event
      }
    },
    [Symbol.asyncDispose]: close
  }
}

function pagesOf(health: Health, metrics: Metrics | null): Record<keyof MonitorOptions, Paths> {
  const figures = async (): Promise<Answer> => ({
    status: 200,
    type: metrics!.contentType,
    body: await metrics!.text()
  })
  const condition = (): Answer => {
    const problems = health.problems()
    const status = problems.length === 0 ? 200 : 503
    return { status, type: TEXT, body: `${status === 200 ? 'ok' : problems.join('\n')}\n` }
  }
  return { metrics: new Map([[METRICS, figures]]), health: new Map([[HEALTH, condition]]) }
}

interface Site {
  place: TcpPlace
  option: string
  paths: Paths
}

/** One server for both where they were given the same address. */
function sitesOf(
  { metrics, health }: Record<keyof MonitorOptions, TcpPlace | null>,
  pages: Record<keyof MonitorOptions, Paths>
): Site[] {
  if (metrics != null && metrics.host === health?.host && metrics.port === health.port) {
    return [{ place: metrics, option: '--metrics', paths: new Map([...pages.metrics, ...pages.health]) }]
  }
  return [
    ...(metrics == null ? [] : [{ place: metrics, option: '--metrics', paths: pages.metrics }]),
    ...(health == null ? [] : [{ place: health, option: '--health', paths: pages.health }])
  ]
}

interface TcpPlace {
  host: string
  port: number
}

function placeOf(text: string, option: string): TcpPlace {
  const place = parsePlace(text, option)
  if ('path' in place) {
    throw new Failure('invalid_option', `${option} ${safe(text)} is no address of a TCP port`, {
      hint: 'write host:port, [IPv6]:port, or a port of 127.0.0.1'
    })
  }
  return place
}

async function serveAt({ host, port }: TcpPlace, option: string, paths: Paths) {
  const { openHttpServer, send, sendRefusal, urlsAt } = await import('./http-server.ts')
  // by whatever name: a service of Kubernetes has one, and the figures name nobody
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    response.setHeader('X-Content-Type-Options', 'nosniff')
    const page = paths.get(request.url!.split('?', 1)[0]!)
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return sendRefusal(request, response, 405, 'GET or HEAD', { Allow: 'GET, HEAD' })
    }
    // not 200 at any path: what was misspelt would look well
    if (page == null) return sendRefusal(request, response, 404, `there is ${[...paths.keys()].join(' and ')} here`)
    const { status, type, body } = await page()
    const headers = { 'Content-Type': type, 'Cache-Control': 'no-store' }
    send(request, response, status, headers, Buffer.from(body))
  }
  const hints = {
    taken: `choose another port for ${option}, or 0 for any`,
    privileged: `choose a higher port for ${option}`
  }
  const thing = `the ${option.slice(2)}`
  const server = await openHttpServer({ host, port, thing, hints, answer })
  return { ...server, url: urlsAt(host, server.port)[0]!.replace(/\/$/, '') }
}
