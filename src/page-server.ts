/** Serves the page that makes a browser a peer: a few files that are read once, and what the page is to begin with. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'
import { extname } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { Failure } from './errors.ts'
import { wordsFor } from './files.ts'

/** What the page is told as config.json. */
export interface PageConfig {
  /** The multiaddr of the relay to be reachable through. */
  relay: string | null
  /** Pages announce themselves on these topics. */
  discovery: string[]
  /** They subscribe to these. */
  topics: string[]
  stun: string[]
}

export interface PageServerOptions {
  /** An IP address of this machine; 0.0.0.0 and :: are all of them. */
  host: string
  /** 0 lets the system choose. */
  port: number
  /** For who reached this machine at that address. */
  configFor(localAddress: string): PageConfig
}

export interface PageServer extends AsyncDisposable {
  port: number
}

interface Page {
  type: string
  etag: string
  /** By content coding; each is made when it is first asked for, and kept. */
  body(coding: Coding): Promise<Buffer>
}

const codings = ['br', 'gzip', 'identity'] as const
type Coding = (typeof codings)[number]

const types: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png'
}

/**
 * Nothing is loaded but the page's own files, and nothing of another page can hold this one. WebSockets and fetches may
 * go anywhere: a peer dials whatever address it is given.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data: blob:",
  "connect-src 'self' ws: wss: http: https:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'"
].join('; ')

const HEADERS = {
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin'
}

/** Elsewhere than on loopback, without TLS, browsers ignore it and complain (Chromium 153). */
const ON_LOOPBACK = { 'Cross-Origin-Opener-Policy': 'same-origin' }

/** What a client may take, so that slow ones and many of them end by themselves. */
const HEADERS_MS = 5000
const REQUEST_MS = 10_000
const IDLE_MS = 15_000
const CHECK_MS = 1000
const MAX_CONNECTIONS = 256
const MAX_HEADER_BYTES = 8192

/** Beside the bundle; from the sources, what was last built. */
const places = [new URL('./web/', import.meta.url), new URL('../dist/web/', import.meta.url)]

/** Throws Failure: address_in_use, address_not_available, file_unreadable. */
export async function openPageServer(options: PageServerOptions): Promise<PageServer> {
  const pages = await readPages()
  const server = createServer(
    {
      headersTimeout: HEADERS_MS,
      requestTimeout: REQUEST_MS,
      keepAliveTimeout: HEADERS_MS,
      connectionsCheckingInterval: CHECK_MS,
      maxHeaderSize: MAX_HEADER_BYTES
    },
    (request, response) => {
      answer(request, response, pages, options).catch(() => response.destroy())
    }
  )
  server.maxConnections = MAX_CONNECTIONS
  // a client that asks and then reads nothing, too
  server.setTimeout(IDLE_MS)
  await listen(server, options)
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = new Promise(resolve => server.close(resolve))
      // browsers keep theirs open for the next request
      server.closeAllConnections()
      await closed
    }
  }
}

/** The addresses of the page, as `http://127.0.0.1:4100/`: the one to open on this machine comes first. */
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

async function readPages(): Promise<Map<string, Page>> {
  const folder = places.find(place => existsSync(new URL('app.js', place))) ?? places[1]!
  try {
    const names = (await readdir(folder)).filter(name => extname(name) in types)
    const pages = await Promise.all(
      names.map(async name => [`/${name}`, pageOf(name, await readFile(new URL(name, folder)))] as const)
    )
    const byPath = new Map(pages)
    return byPath.set('/', byPath.get('/index.html')!)
  } catch (cause) {
    throw new Failure('file_unreadable', `cannot read the page of p2pctl: ${wordsFor(cause)}`, {
      hint: 'it is in dist/web of the package: install p2pctl again, or in a checkout run npm run build',
      cause
    })
  }
}

function pageOf(name: string, bytes: Buffer): Page {
  const type = types[extname(name)]!
  const made = new Map<Coding, Promise<Buffer>>([['identity', Promise.resolve(bytes)]])
  return {
    type,
    etag: createHash('sha256').update(bytes).digest('base64url').slice(0, 22),
    body(coding) {
      if (!made.has(coding)) made.set(coding, compressed(coding, bytes))
      return made.get(coding)!
    }
  }
}

async function compressed(coding: Coding, bytes: Buffer): Promise<Buffer> {
  if (coding === 'gzip') return await promisify(gzip)(bytes, { level: 9 })
  // 11, the default, takes a second for the 1 % that it saves
  const params = { [constants.BROTLI_PARAM_QUALITY]: 9, [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length }
  return await promisify(brotliCompress)(bytes, { params })
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  pages: Map<string, Page>,
  { configFor }: PageServerOptions
): Promise<void> {
  const localAddress = plainIp(request.socket.localAddress ?? '')
  for (const [name, value] of Object.entries(headersAt(localAddress))) response.setHeader(name, value)
  const refuse = (status: number, text: string, headers: Record<string, string> = {}): void => {
    const body = Buffer.from(`${text}\n`)
    // what a refused request still sends is not read
    send(
      request,
      response,
      status,
      { ...headers, 'Content-Type': 'text/plain; charset=utf-8', Connection: 'close' },
      body
    )
  }
  if (!isOurs(request.headers.host, localAddress)) {
    return refuse(421, 'this is not the address of this page: open it by the one that p2pctl browser prints')
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return refuse(405, 'GET or HEAD', { Allow: 'GET, HEAD' })
  }
  // compared as it was sent: what stands in the map is all there is, so that there is no path to go up by
  const path = request.url!.split('?', 1)[0]!
  if (path === '/config.json') {
    const body = Buffer.from(`${JSON.stringify(configFor(localAddress))}\n`)
    return send(request, response, 200, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }, body)
  }
  const page = pages.get(path)
  if (page == null) return refuse(404, 'there is nothing here')
  const coding = page.type.startsWith('image/png') ? 'identity' : bestCoding(request.headers['accept-encoding'])
  const headers = {
    'Content-Type': page.type,
    // asked for each time, so that another version of p2pctl is never half of the old one
    'Cache-Control': 'no-cache',
    Vary: 'Accept-Encoding',
    ETag: `"${page.etag}-${coding}"`,
    ...(coding !== 'identity' && { 'Content-Encoding': coding })
  }
  if (has(request.headers['if-none-match'], headers.ETag)) {
    response.writeHead(304, headers).end()
    return
  }
  send(request, response, 200, headers, await page.body(coding))
}

function send(
  { method }: IncomingMessage,
  response: ServerResponse,
  status: number,
  headers: Record<string, string>,
  body: Buffer
): void {
  response.writeHead(status, { ...headers, 'Content-Length': body.length })
  response.end(method === 'HEAD' ? undefined : body)
}

function headersAt(localAddress: string): Record<string, string> {
  return /^(127\.|::1$)/.test(localAddress) ? { ...HEADERS, ...ON_LOOPBACK } : HEADERS
}

/**
 * Whether the client meant this machine: by the address that it came to, or by a name of loopback. Another name may
 * be one that somebody's page made to lead here (DNS rebinding).
 */
function isOurs(host: string | undefined, localAddress: string): boolean {
  const url = URL.parse(`http://${host ?? ''}/`)
  if (url == null || host == null || /[/@?#\\]/.test(host)) return false
  const name = url.hostname.replace(/^\[(.*)\]$/, '$1')
  return ['localhost', '127.0.0.1', '::1'].includes(name) || (isIP(name) !== 0 && name === localAddress)
}

/** IPv4 as such, also at a socket that listens on both families. */
function plainIp(address: string): string {
  return address.replace(/^::ffff:(?=\d+\.)/, '')
}

/** The best that the client takes; what it gives the weight 0 it does not. */
function bestCoding(accepts = ''): Coding {
  const taken = accepts
    .split(',')
    .map(part => part.trim().toLowerCase())
    .filter(part => !/;\s*q=0(\.0*)?$/.test(part))
    .map(part => part.split(';')[0]!.trim())
  return codings.find(coding => taken.includes(coding)) ?? 'identity'
}

function has(ifNoneMatch: string | undefined, etag: string): boolean {
  const known = (ifNoneMatch ?? '').split(',').map(one => one.trim().replace(/^W\//, ''))
  return known.includes(etag) || known.includes('*')
}

function listen(server: Server, { host, port }: PageServerOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.on('error', cause => reject(listenFailure(host, port, cause)))
    server.listen({ host, port }, () => resolve())
  })
}

function listenFailure(host: string, port: number, cause: NodeJS.ErrnoException): Failure {
  const at = `${isIP(host) === 6 ? `[${host}]` : host}:${port}`
  const options = { phase: 'listen', cause } as const
  if (cause.code === 'EADDRINUSE') {
    return new Failure('address_in_use', `cannot serve the page at ${at}: the address is in use`, {
      ...options,
      hint: 'another process listens there: choose another --port, or none for any'
    })
  }
  const says = cause.code === 'EACCES' ? wordsFor(cause) : 'this machine has no such address'
  const hint = cause.code === 'EACCES' ? 'ports below 1024 need privileges: choose a higher --port' : undefined
  return new Failure('address_not_available', `cannot serve the page at ${at}: ${says}`, { ...options, hint })
}
