/** Pages that are peers: a relay, a server for dist/web, and a browser, with nothing on the console that is not expected. */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Browser, Locator, Page } from 'playwright-core'
import type { Event, EventType } from '../../src/events.ts'
import { type Running, root, start } from './cli.ts'
import { parseEvent } from './schema.ts'
import { openSite, type SiteOptions, WAIT_MS } from './site.ts'

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' ws: wss: http: https:"

/** What the tests read of window.p2pctl. */
interface Automation {
  peerId: string
  events: Event[]
  ready: Promise<void>
  on(listener: (event: Event) => void): void
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
  /** Messages of the console that are a part of the test from now on. */
  expect(pattern: RegExp): void
}

export interface PagesOptions extends Partial<Omit<SiteOptions, 'answer'>> {
  /** What `p2pctl relay` is started with besides; null for no relay. */
  relay?: string[] | null
  config?: Partial<Config>
}

/** The test hears all that the page says, from the first event on, without asking again and again. */
const TELL_EVENTS = `(async () => {
  while (globalThis.p2pctl?.on == null) await new Promise(resume => setTimeout(resume, 5))
  for (const event of p2pctl.events) tellTest(event)
  p2pctl.on(tellTest)
})()`

export async function openPages(options: PagesOptions = {}): Promise<Pages> {
  const { relay: args = [], policy = POLICY, expected, test } = options
  await using stack = new AsyncDisposableStack()
  const relay =
    args == null ? null : stack.use(start(['relay', '--json', '--listen', '/ip4/127.0.0.1/tcp/0/ws', ...args]))
  const relayAddr = relay == null ? null : (await relay.next('listen.ready')).addrs[0]!
  const configs = new Map<string, Config>()
  const answer = async (path: string) => {
    const [, name = '', file = ''] = path.split('/')
    const config = configs.get(name)
    if (config == null) return null
    if (file === 'config.json') return JSON.stringify(config)
    return await readFile(join(root, 'dist/web', file === '' ? 'index.html' : file)).catch(() => null)
  }
  const site = stack.use(await openSite({ answer, policy, expected, test }))

  const open = async (config: Partial<Config> = {}): Promise<PeerPage> => {
    const name = `page-${configs.size}`
    const given = { relay: relayAddr, discovery: [], topics: [], stun: [], ...options.config, ...config }
    configs.set(name, given)
    const heard = openEar()
    const page = await site.open(`/${name}/`, async page => {
      await page.exposeFunction('tellTest', heard.tell)
      await page.addInitScript({ content: TELL_EVENTS })
    })
    await heard.next('run.start')
    await page.evaluate(async () => {
      const { p2pctl } = globalThis as unknown as { p2pctl: Automation }
      // with a relay that is not there the first try is over, and there will be no other news
      const tried = new Promise<void>(resolve => {
        const look = ({ type }: { type: string }): void => {
          if (type === 'reservation.retry') resolve()
        }
        p2pctl.events.forEach(look)
        p2pctl.on(look)
      })
      await Promise.race([p2pctl.ready, tried])
    })
    const peerId = await page.evaluate(() => (globalThis as unknown as { p2pctl: Automation }).p2pctl.peerId)
    return {
      page,
      peerId,
      next: heard.next,
      said: async type => heard.events.filter(event => event.type === type) as unknown as Event<typeof type>[],
      call: (name, ...words) =>
        page.evaluate(
          ([name, words]) => {
            const { p2pctl } = globalThis as unknown as {
              p2pctl: Record<string, (...words: unknown[]) => Promise<void>>
            }
            return p2pctl[name]!(...words)
          },
          [name, words] as const
        )
    }
  }
  const { browser, url } = site
  const owned = stack.move()
  return {
    browser,
    relay,
    relayAddr,
    url,
    open,
    expect: site.expect,
    [Symbol.asyncDispose]: () => owned.disposeAsync()
  }
}

/** Keeps what a page says, each event held against the schema. */
function openEar() {
  const events: Event[] = []
  const taken = new Set<Event>()
  const waiting = new Set<() => void>()
  const next: PeerPage['next'] = async (type, fits = () => true) => {
    const late = AbortSignal.timeout(WAIT_MS)
    for (;;) {
      const found = events.find(one => one.type === type && !taken.has(one) && fits(one as never))
      if (found != null) {
        taken.add(found)
        return found as never
      }
      if (late.aborted) {
        const told = events.filter(({ type }) => !type.startsWith('ping.')).map(event => JSON.stringify(event))
        assert.fail(`the page never said ${type}:\n${told.join('\n')}`)
      }
      await new Promise<void>(resume => {
        waiting.add(resume)
        late.addEventListener('abort', () => resume(), { once: true })
      })
    }
  }
  const tell = (event: Event): void => {
    events.push(parseEvent(JSON.stringify(event)))
    for (const resume of waiting) resume()
    waiting.clear()
  }
  return { events, next, tell }
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
