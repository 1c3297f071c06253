/** A site on loopback and a real browser for it. What its pages must not do is a complaint, and fails the test. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import type { TestContext } from 'node:test'
import type { Browser, BrowserContext, Page } from 'playwright-core'
import { launchChromium, openContext } from './chromium.ts'

export interface WatchOptions {
  /** Messages of the console that are a part of the test, as those of a WebSocket that fails. */
  expected?: RegExp | undefined
  /** Complaints fail it, beside what it fails by itself; without it they are thrown when the site is closed. */
  test?: TestContext | undefined
}

export interface SiteOptions extends WatchOptions {
  /** What is at a path; null for nothing. */
  answer(path: string): Promise<string | Buffer | null>
  /** Its Content-Security-Policy. */
  policy: string
}

export interface Watched extends AsyncDisposable {
  browser: Browser
  /** A browser profile of its own with the page at this path in it; what has to be there first is prepared. */
  open(path: string, prepare?: (page: Page) => Promise<void>): Promise<Page>
  /** Messages of the console that are a part of the test from now on. */
  expect(pattern: RegExp): void
}

export interface Site extends Watched {
  url: string
}

const TYPES: Record<string, string> = { '.js': 'text/javascript', '.css': 'text/css', '.json': 'application/json' }
/** For what a page does or shows: a WebRTC dial with a second try, announcements, a reservation that is lost. */
export const WAIT_MS = 20_000

/** A request to a STUN server is in no list of requests: a page whose config has none must name none. */
const TELL_STUN = `globalThis.RTCPeerConnection = new Proxy(RTCPeerConnection, {
  construct(target, args, self) {
    if (args[0]?.iceServers?.length > 0) console.error('asks STUN servers: ' + JSON.stringify(args[0].iceServers))
    return Reflect.construct(target, args, self)
  }
})`

export async function openSite({ answer, policy, ...watching }: SiteOptions): Promise<Site> {
  await using stack = new AsyncDisposableStack()
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost')
    const body = await answer(pathname)
    if (body == null) return response.writeHead(404).end()
    const type = TYPES[extname(pathname)] ?? 'text/html'
    response.writeHead(200, { 'content-type': type, 'content-security-policy': policy }).end(body)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  stack.defer(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const watched = stack.use(await openBrowser(url, watching))
  const owned = stack.move()
  return { ...watched, url, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

/** A browser for the site at this origin. */
export async function openBrowser(url: string, { expected, test }: WatchOptions): Promise<Watched> {
  const browser = await launchChromium()
  const complaints: string[] = []
  const fine = expected == null ? [] : [expected]
  test?.after(() => assert.deepEqual(complaints, []))
  const watch = (context: BrowserContext): void => {
    context.on('console', message => {
      const text = `${message.type()} ${message.text()} (${message.location().url})`
      if (!fine.some(pattern => pattern.test(text))) complaints.push(text)
    })
    context.on('weberror', error => complaints.push(`${error.error().stack}`))
    context.on('request', request => {
      if (!request.url().startsWith(`${url}/`) && !/^(blob|data):/.test(request.url())) complaints.push(request.url())
    })
    context.on('page', page => {
      page.on('crash', () => complaints.push('the page has crashed'))
      page.on('websocket', socket => {
        if (!/^ws:\/\/127\.0\.0\.1[:/]/.test(socket.url())) complaints.push(socket.url())
      })
    })
  }
  return {
    browser,
    async open(path, prepare = async () => {}) {
      const context = await openContext(browser)
      watch(context)
      const page = await context.newPage()
      page.setDefaultTimeout(WAIT_MS)
      // the icon that a browser asks for unasked
      await page.route('**/favicon.ico', route => route.fulfill({ status: 204 }))
      await page.addInitScript({ content: TELL_STUN })
      await prepare(page)
      await page.goto(`${url}${path}`)
      return page
    },
    expect: pattern => void fine.push(pattern),
    async [Symbol.asyncDispose]() {
      await browser.close()
      if (test == null) assert.deepEqual(complaints, [])
    }
  }
}
