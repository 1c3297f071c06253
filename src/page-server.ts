/** Serves the page that makes a browser a peer: a few files that are read once, and what the page is to begin with. */
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { isIP } from 'node:net'
import { extname } from 'node:path'
import { promisify } from 'node:util'
import { brotliCompress, constants, gzip } from 'node:zlib'
import { Failure } from './errors.ts'
import { wordsFor } from './files.ts'
import { type HttpServer, openHttpServer, send, sendRefusal } from './http-server.ts'
import type { IncomingMessage, ServerResponse } from 'node:http'

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

/** Beside the bundle; from the sources, what was last built. */
const places = [new URL('./web/', import.meta.url), new URL('../dist/web/', import.meta.url)]

/** Throws Failure: address_in_use, address_not_available, file_unreadable. */
export async function openPageServer(options: PageServerOptions): Promise<HttpServer> {
  const pages = await readPages()
  return await openHttpServer({
    host: options.host,
    port: options.port,
    thing: 'the page',
    hints: { taken: 'choose another --port, or none for any', privileged: 'choose a higher --port' },
    answer: (request, response) => answer(request, response, pages, options)
  })
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
  const refuse = (status: number, text: string, headers?: Record<string, string>): void =>
    sendRefusal(request, response, status, text, headers)
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
