/** Pages that are peers: a relay, a server for dist/web, and a browser, with nothing on the console that is not expected. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import type { Event, EventType } from '../../src/events.ts'
import { launchChromium, openContext } from './chromium.ts'
import { type Running, root, start } from './cli.ts'
import { parseEvent } from './schema.ts'

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss: http: https:"

/** What the tests read of window.p2pctl. */
interface Automation {
  peerId: string
  events: Event[]
  ready: Promise<void>
}

export interface Config {
  relay: string | null
  discovery: string[]
  topics: string[]
  stun: string[]
}

export interface PeerPage {
  page: Page
  peerId: string
  /** The first event that fits, of those that have come or will come; each is given once. */
  next<T extends EventType>(type: T, fits?: (event: Event<T>) => boolean): Promise<Event<T>>
  /** All that were said so far. */
  said<T extends EventType>(type: T): Promise<Event<T>[]>
  /** Calls a method of window.p2pctl. */
  call(
    name: 'connect' | 'hangUp' | 'send' | 'echo' | 'subscribe' | 'unsubscribe' | 'publish' | 'useRelay',
    ...words: (string | null)[]
  ): Promise<void>
}

export interface Pages extends AsyncDisposable {
  browser: Browser
  /** Null where none was asked for. */
  relay: Running | null
  relayAddr: string | null
  url: string
  /** A browser profile of its own with the page in it, which is ready. */
  open(config?: Partial<Config>): Promise<PeerPage>
}

export interface PagesOptions {
  /** What `p2pctl relay` is started with besides; null for no relay. */
  relay?: string[] | null
  config?: Partial<Config>
  policy?: string
  /** Messages of the console that are a part of the test, as those of a WebSocket that fails. */
  expected?: RegExp
}

const TYPES = { html: 'text/html', css: 'text/css', js: 'text/javascript' }
const WAIT_MS = 20_000

export async function openPages(options: PagesOptions = {}): Promise<Pages> {
  const { relay: args = [], policy = POLICY, expected } = options
  await using stack = new AsyncDisposableStack()
  const relay =
    args == null ? null : stack.use(start(['relay', '--json', '--listen', '/ip4/127.0.0.1/tcp/0/ws', ...args]))
  const relayAddr = relay == null ? null : (await relay.next('listen.ready')).addrs[0]!
  const configs = new Map<string, Config>()
  const server = createServer(async (request, response) => {
    const { pathname } = new URL(request.url!, 'http://localhost')
    const [, name = '', file = ''] = pathname.split('/')
    const config = configs.get(name)
    if (config == null) return response.writeHead(404).end()
    if (file === 'config.json') return response.end(JSON.stringify(config))
    const path = file === '' ? 'index.html' : file
    const body = await readFile(join(root, 'dist/web', path)).catch(() => null)
    if (body == null) return response.writeHead(404).end()
    const type = TYPES[path.split('.').at(-1) as keyof typeof TYPES]
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
  const browser = await launchChromium()
  stack.defer(() => browser.close())
  const complaints: string[] = []

  const open = async (config: Partial<Config> = {}): Promise<PeerPage> => {
    const name = `page-${configs.size}`
    const given = { relay: relayAddr, discovery: [], topics: [], stun: [], ...options.config, ...config }
    configs.set(name, given)
    const page = await (await openContext(browser)).newPage()
    page.setDefaultTimeout(WAIT_MS)
    page.on('console', message => {
      if (expected?.test(message.text()) !== true) complaints.push(`${name}: ${message.type()} ${message.text()}`)
    })
    page.on('pageerror', error => complaints.push(`${name}: ${error.stack}`))
    page.on('request', request => {
      if (!request.url().startsWith(`${url}/`) && !request.url().startsWith('blob:')) complaints.push(request.url())
    })
    // the icon that a browser asks for unasked
    await page.route('**/favicon.ico', route => route.fulfill({ status: 204 }))
    await page.goto(`${url}/${name}/`)
    await page.waitForFunction(() => 'p2pctl' in globalThis)
    await page.evaluate(() => (globalThis as unknown as { p2pctl: Automation }).p2pctl.ready)
    const peerId = await page.evaluate(() => (globalThis as unknown as { p2pctl: Automation }).p2pctl.peerId)
    return peerPage(page, peerId)
  }
  const owned = stack.move()
  return {
    browser,
    relay,
    relayAddr,
    url,
    open,
    async [Symbol.asyncDispose]() {
      await owned.disposeAsync()
      assert.deepEqual(complaints, [])
    }
  }
}

function peerPage(page: Page, peerId: string): PeerPage {
  const taken = new Set<number>()
  const all = async (type: string): Promise<{ at: number; event: Event }[]> => {
    const found = await page.evaluate(
      type =>
        (globalThis as unknown as { p2pctl: Automation }).p2pctl.events
          .map((event, at) => ({ at, event }))
          .filter(({ event }) => event.type === type),
      type
    )
    for (const { event } of found) parseEvent(JSON.stringify(event))
    return found
  }
  return {
    page,
    peerId,
    async next(type, fits = () => true) {
      const until = Date.now() + WAIT_MS
      for (;;) {
        const count = await page.evaluate(() => (globalThis as unknown as { p2pctl: Automation }).p2pctl.events.length)
        for (const { at, event } of await all(type)) {
          if (taken.has(at) || !fits(event as unknown as Event<typeof type>)) continue
          taken.add(at)
          return event as unknown as Event<typeof type>
        }
        const left = until - Date.now()
        const more = await page
          .waitForFunction(
            count => (globalThis as unknown as { p2pctl: Automation }).p2pctl.events.length > count,
            count,
            { timeout: Math.max(1, left), polling: 50 }
          )
          .catch(() => null)
        if (more == null) {
          const events = await page.evaluate(() => (globalThis as unknown as { p2pctl: Automation }).p2pctl.events)
          const told = events.filter(({ type }) => !type.startsWith('ping.')).map(event => JSON.stringify(event))
          assert.fail(`the page never said ${type}:\n${told.join('\n')}`)
        }
      }
    },
    said: async type => (await all(type)).map(({ event }) => event as unknown as Event<typeof type>),
    call: (name, ...words) =>
      page.evaluate(
        ([name, words]) => {
          const { p2pctl } = globalThis as unknown as { p2pctl: Record<string, (...words: unknown[]) => Promise<void>> }
          return p2pctl[name]!(...words)
        },
        [name, words] as const
      )
  }
}
