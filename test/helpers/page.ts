/** Pages in a real browser, served as a person gets them; what a page must not do fails the test. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { extname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { build } from 'esbuild'
import type { Event, EventType } from '../../src/events.ts'
import type { BrowserContext, Locator, Page } from 'playwright-core'
import { launchChromium, openContext } from './chromium.ts'
import { type Line, root } from './cli.ts'
import { parseEvent } from './schema.ts'

export interface PageConfig {
  relay: string | null
  discovery: string[]
  topics: string[]
  stun: string[]
}

/** A page that is a peer, and all that it says. */
export interface PeerPage {
  page: Page
  peerId: string
  /** Its events so far, each held against the schema. */
  said: Line[]
  /** The first event of a type (that fits), from those that have come or will come; each is given once. */
  next<T extends EventType>(type: T, fits?: (event: Event<T>) => boolean): Promise<Event<T>>
  /** Calls a method of the object that the page has for automation. */
  call(method: string, ...args: unknown[]): Promise<void>
}

export interface Pages extends AsyncDisposable {
  url: string
  /** Opens the page in a browser profile of its own, and gives it once it is loaded. */
  open(hash?: string, prepare?: (page: Page) => Promise<void>): Promise<Page>
  /** What the browser itself writes to the console from now on, as of a relay that was killed, is no failure. */
  expect(pattern: RegExp): void
}

// as a page of p2pctl has it: nothing but its own script and style, and WebRTC and WebSockets to anywhere
const CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "connect-src 'self' ws: wss: http: https:",
  "base-uri 'none'",
  "form-action 'none'"
].join('; ')

const TYPES: Record<string, string> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css'
}

/** For one thing that a page does or shows: a WebRTC dial with a second try, announcements, a reservation that is lost. */
const WAIT_MS = 15_000

/** A request to a STUN server is in no log of requests. */
const TELL_STUN = `globalThis.RTCPeerConnection = new Proxy(RTCPeerConnection, {
  construct(target, args, self) {
    if (args[0]?.iceServers?.length > 0) console.error('asks STUN servers: ' + JSON.stringify(args[0].iceServers))
    return Reflect.construct(target, args, self)
  }
})`

/** The test hears what the page says, from the first event on, and again after a reload. */
const TELL_EVENTS = `(async () => {
  while (globalThis.p2pctl?.on == null) await new Promise(resume => setTimeout(resume, 5))
  for (const event of p2pctl.events) tellTest(event)
  p2pctl.on(tellTest)
})()`

/** The page of p2pctl, as `npm run build` left it. */
export async function openPages(
  test: TestContext,
  config: Partial<PageConfig> = {}
): Promise<Pages & { peer(hash?: string): Promise<PeerPage> }> {
  const { relay = null, discovery = [], topics = [], stun = [] } = config
  const pages = await openFolder(test, join(root, 'dist/web'), JSON.stringify({ relay, discovery, topics, stun }))
  const peer = async (hash?: string): Promise<PeerPage> => {
    const said: Line[] = []
    const waiting = new Set<() => void>()
    const taken = new Set<Line>()
    const page = await pages.open(hash, async page => {
      await page.exposeFunction('tellTest', (event: unknown) => {
        said.push(parseEvent(JSON.stringify(event)))
        for (const resume of waiting) resume()
        waiting.clear()
      })
      await page.addInitScript({ content: TELL_EVENTS })
    })
    const next: PeerPage['next'] = async (type, fits = () => true) => {
      const late = AbortSignal.timeout(WAIT_MS)
      for (;;) {
        const found = said.find(one => one.type === type && !taken.has(one) && fits(one as never))
        if (found != null) {
          taken.add(found)
          return found as never
        }
        if (late.aborted)
          assert.fail(`no ${type} (${fits}) of the page:\n${said.map(one => JSON.stringify(one)).join('\n')}`)
        await new Promise<void>(resume => {
          waiting.add(resume)
          late.addEventListener('abort', () => resume(), { once: true })
        })
      }
    }
    const call: PeerPage['call'] = async (method, ...args) => {
      await page.evaluate(
        async ([method, args]) => {
          const { p2pctl } = globalThis as unknown as { p2pctl: Record<string, (...args: unknown[]) => unknown> }
          await p2pctl[method]!(...args)
        },
        [method, args] as const
      )
    }
    const { peer_id: peerId } = await next('run.start')
    return { page, peerId: peerId!, said, next, call }
  }
  return { ...pages, peer }
}

/** A page of test/pages/, made with published packages alone; it can be asked what its `peer` has. */
export async function openOtherPages(test: TestContext, name: string): Promise<Pages> {
  const folder = await mkdtemp(join(tmpdir(), 'p2pctl-page-'))
  try {
    await build({
      entryPoints: { app: join(root, `test/pages/${name}.ts`) },
      outdir: folder,
      bundle: true,
      platform: 'browser',
      format: 'esm',
      target: 'es2022',
      logLevel: 'warning'
    })
    const html = await readFile(join(root, `test/pages/${name}.html`), 'utf8').catch(
      () => '<!doctype html><title>peer</title><script type="module" src="app.js"></script>'
    )
    await writeFile(join(folder, 'index.html'), html)
    const pages = await openFolder(test, folder)
    return {
      ...pages,
      async [Symbol.asyncDispose]() {
        await rm(folder, { recursive: true })
        await pages[Symbol.asyncDispose]()
      }
    }
  } catch (error) {
    await rm(folder, { recursive: true })
    throw error
  }
}

async function openFolder(test: TestContext, folder: string, config?: string): Promise<Pages> {
  const server = createServer(async ({ url = '/' }, response) => {
    const name = url === '/' ? '/index.html' : url
    const body = name === '/config.json' ? config : await readFile(join(folder, name)).catch(() => undefined)
    const type = TYPES[extname(name)] ?? 'application/json'
    response.writeHead(body == null ? 404 : 200, { 'content-type': type, 'content-security-policy': CSP }).end(body)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const browser = await launchChromium()
  const problems: string[] = []
  const expected: RegExp[] = []
  // not by the disposal, whose error would stand in the place of the test's own
  test.after(() => assert.deepEqual(problems, [], 'what a page must not do'))
  const watch = (context: BrowserContext): void => {
    context.on('console', message => {
      const text = `console.${message.type()}: ${message.text()} (${message.location().url})`
      if (!expected.some(pattern => pattern.test(text))) problems.push(text)
    })
    context.on('weberror', error => void problems.push(`thrown in the page: ${error.error().stack}`))
    context.on('request', request => {
      const to = new URL(request.url())
      if (to.origin !== origin && !['data:', 'blob:'].includes(to.protocol)) problems.push(`request to ${to}`)
    })
    context.on('page', page => {
      page.on('websocket', socket => {
        if (!/^wss?:\/\/127\.0\.0\.1[:/]/.test(socket.url())) problems.push(`WebSocket to ${socket.url()}`)
      })
      page.on('crash', () => void problems.push('the page has crashed'))
    })
  }
  return {
    url: `${origin}/`,
    async open(hash = '', prepare = async () => {}) {
      const context = await openContext(browser)
      watch(context)
      await context.addInitScript({ content: TELL_STUN })
      const page = await context.newPage()
      page.setDefaultTimeout(WAIT_MS)
      await prepare(page)
      await page.goto(`${origin}/${hash}`)
      return page
    },
    expect: pattern => void expected.push(pattern),
    async [Symbol.asyncDispose]() {
      await browser.close()
      server.closeAllConnections()
      server.close()
    }
  }
}

/** Asks a page of test/pages/ one of the things that its `peer` answers, once that is there. */
export async function ask<T = string>(page: Page, what: string, ...args: unknown[]): Promise<T> {
  return (await page.evaluate(
    async ([what, args]) => {
      const { peer } = globalThis as unknown as { peer: Promise<Record<string, (...args: unknown[]) => unknown>> }
      return (await peer)[what]!(...args)
    },
    [what, args] as const
  )) as T
}

/** What a person does: pastes an address, and clicks Connect. */
export async function clickConnect(page: Page, addr: string): Promise<void> {
  await page.getByTestId('connect-input').fill(addr)
  await page.getByTestId('connect-button').click()
}

/** What a person does: chooses whom to tell, and how, types it and clicks Send. */
export async function clickSend(page: Page, to: string, text: string, kind?: 'message' | 'echo'): Promise<void> {
  await page.getByTestId('message-target').selectOption(to)
  if (kind != null) await page.getByTestId('message-kind').selectOption(kind)
  await page.getByTestId('message-input').fill(text)
  await page.getByTestId('message-send').click()
}

/** A line of the page's log of messages. */
export function logged(page: Page, kind: string, text: string): Locator {
  return page.locator(`[data-testid=message-log] > li[data-kind=${kind}]`).filter({ hasText: text })
}

/** The row of a peer in the page's table. */
export function rowOf(page: Page, peerId: string): Locator {
  return page.locator(`[data-testid=peer-row][data-peer="${peerId}"]`)
}
