/** An HTTP server of ours: a few paths, on an address that was asked for, and bounded whoever comes. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { Failure } from './errors.ts'
import { wordsFor } from './files.ts'

export interface HttpServerOptions {
  /** An IP address of this machine, or a name of one; 0.0.0.0 and :: are all of them. */
  host: string
  /** 0 lets the system choose. */
  port: number
  /** What it serves, as a failure calls it. */
  thing: string
  /** What to do where the port cannot be had: where another process has it, and where it takes privileges. */
  hints: { taken: string; privileged: string }
  answer(request: IncomingMessage, response: ServerResponse): Promise<void>
  /** How long a connection is kept for the next request, in ms; 5 s by default. */
  keepAliveMs?: number
  /** How long nothing may pass, in ms, be it that the answer takes its time; 15 s by default. */
  idleMs?: number
  maxConnections?: number
}

export interface HttpServer extends AsyncDisposable {
  port: number
}

/** What a client may take, so that slow ones and many of them end by themselves. */
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
const IDLE_MS = 15_000
const CHECK_MS = 1000
const MAX_CONNECTIONS = 256
const MAX_REQUESTS = 100
const MAX_HEADER_BYTES = 8192

/** Throws Failure: address_in_use, address_not_available. */
export async function openHttpServer(options: HttpServerOptions): Promise<HttpServer> {
  const { keepAliveMs = HEADERS_MS, idleMs = IDLE_MS, maxConnections = MAX_CONNECTIONS } = options
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: keepAliveMs,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES
    },
    (request, response) => {
      options.answer(request, response).catch(() => response.destroy())
    }
  )
  server.maxConnections = maxConnections
  // asked all at once, they are all answered at once
  server.maxRequestsPerSocket = MAX_REQUESTS
  // a client that asks and then reads nothing, too
  server.setTimeout(idleMs)
  await listen(server, options)
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise(resolve => server.close(resolve))
      // clients keep theirs open for the next request
      server.closeAllConnections()
      await closed
    }
  }
}

/** Ends the answer; to HEAD without its body. */
export function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: Buffer
): void {
  response.writeHead(status, { ...headers, 'Content-Length': body.length })
  response.end(method === 'HEAD' ? undefined : body)
}

/** A line of text, after which the connection ends: what a refused request still sends is not read. */
export function sendRefusal(
  request: IncomingMessage,
  response: ServerResponse,
  status: number,
  text: string,
  headers: Record<string, string> = {}
): void {
  const plain = { ...headers, 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' }
  send(request, response, status, plain, Buffer.from(`${text}\n`))
}

/** Where it is, as `http://127.0.0.1:4100/`: the one to open on this machine comes first. */
export function urlsAt(host: string, port: number): string[] {
  return hostsOf(host).map(ip => `http://${isIP(ip) === 6 ? `[${ip}]` : ip}:${port}/`)
}

function hostsOf(host: string): string[] {
  if (host !== '0.0.0.0' && host !== '::') return [host]
  const own = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  const served = own.filter(({ family, scopeid }) => !scopeid && (host === '::' || family === 'IPv4'))
  // a page is trusted with more at an address of loopback
  return [...served.filter(({ internal }) => internal), ...served.filter(({ internal }) => !internal)].map(
    ({ address }) => address
  )
}

function listen(server: Server, options: HttpServerOptions): Promise<void> {
  const { host, port } = options
  return new Promise((resolve, reject) => {
    server.on('error', cause => reject(listenFailure(options, cause)))
    server.listen({ host, port }, () => resolve())
  })
}

function listenFailure({ host, port, thing, hints }: HttpServerOptions, cause: NodeJS.ErrnoException): Failure {
  const where = `cannot serve ${thing} at ${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const options = { phase: 'listen', cause } as const
  if (cause.code === 'EADDRINUSE') {
    const hint = `another process listens there: ${hints.taken}`
    return new Failure('address_in_use', `${where}: the address is in use`, { ...options, hint })
  }
  const privileged = cause.code === 'EACCES'
  const says = privileged ? wordsFor(cause) : 'this machine has no such address'
  const hint = privileged ? `ports below 1024 need privileges: ${hints.privileged}` : undefined
  return new Failure('address_not_available', `${where}: ${says}`, { ...options, hint })
}
