/** A headless browser of this machine, and dials from its pages. */
import { networkInterfaces } from 'node:os'
import type { Browser, BrowserContext, Page as Tab } from 'playwright-core'
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'
import { findBrowser } from './find.ts'
import { openPages, type Pages } from './pages.ts'
import type { Probed, ProbeOptions } from './probed.ts'
import type { Page } from './verdict.ts'

export interface ProbeBrowser extends AsyncDisposable {
  readonly path: string
  readonly version: string
  /** Whether it runs in the sandbox that it brings, which it cannot do as root. */
  readonly sandbox: boolean
  /** Whether it was told to use loopback for WebRTC. */
  readonly webrtcLoopback: boolean
  /** Dials one address from a fresh page in a fresh profile. Throws Failure `browser_failed`, or why the signal aborted. */
  dial(page: Page, options: ProbeOptions, signal: AbortSignal): Promise<Probed & { log: string[] }>
}

const LAUNCH_MS = 20_000
/** How long a browser may take to go in order; playwright kills it when the process ends, and removes its profile. */
const CLOSE_MS = 1000

export async function openBrowser(named: string | undefined): Promise<ProbeBrowser> {
  const { chromium } = await loadPlaywright()
  const path = findBrowser(named)
  const stack = new AsyncDisposableStack()
  const pages = stack.use(await openPages())
  const sandbox = process.getuid?.() !== 0
  // with no other interface WebRTC has no address at all to offer, which no machine of a person is like
  const webrtcLoopback = !Object.values(networkInterfaces()).some(list => list?.some(({ internal }) => !internal))
  let browser: Browser
  try {
    browser = await chromium.launch({
      executablePath: path,
      headless: true,
      chromiumSandbox: sandbox,
      timeout: LAUNCH_MS,
      args: [
        `--ignore-certificate-errors-spki-list=${pages.keyHash}`,
        ...(webrtcLoopback ? ['--allow-loopback-in-peer-connection'] : [])
      ],
      // a signal ends the command, and the command the browser
      handleSIGINT: false,
      handleSIGTERM: false,
      handleSIGHUP: false
    })
  } catch (cause) {
    await stack.disposeAsync()
    throw launchFailure(path, sandbox, cause)
  }
  stack.defer(async () => {
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, CLOSE_MS)
    await Promise.race([browser.close().catch(() => {}), late.promise])
    clearTimeout(timer)
  })
  return {
    path,
    version: browser.version(),
    sandbox,
    webrtcLoopback,
    async dial(page, options, signal) {
      signal.throwIfAborted()
      const gone = Promise.withResolvers<never>()
      gone.promise.catch(() => {})
      const onAbort = (): void => gone.reject(signal.reason)
      const onGone = (): void => gone.reject(new Failure('browser_failed', 'the browser ended in the middle of a dial'))
      signal.addEventListener('abort', onAbort)
      browser.on('disconnected', onGone)
      try {
        return await Promise.race([dialFrom(browser, pages, page, options, webrtcLoopback, onGone), gone.promise])
      } catch (cause) {
        signal.throwIfAborted()
        if (cause instanceof Failure) throw cause
        throw new Failure('browser_failed', `the browser did not do as it was told: ${firstLine(cause)}`, { cause })
      } finally {
        signal.removeEventListener('abort', onAbort)
        browser.off('disconnected', onGone)
      }
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync()
  }
}

async function loadPlaywright(): Promise<typeof import('playwright-core')> {
  try {
    return await import('playwright-core')
  } catch (cause) {
    throw new Failure('no_browser', 'what drives a browser is not installed: the optional package playwright-core', {
      hint: 'npm install -g playwright-core, beside p2pctl; it brings no browser, and downloads none',
      cause
    })
  }
}

async function dialFrom(
  browser: Browser,
  pages: Pages,
  page: Page,
  options: ProbeOptions,
  webrtcLoopback: boolean,
  onGone: () => void
): Promise<Probed & { log: string[] }> {
  // Chromium looks at all interfaces for pages alone that may use the camera
  const context = await browser.newContext(webrtcLoopback ? { permissions: ['camera', 'microphone'] } : {})
  try {
    const tab = await openTab(context, pages, page)
    tab.on('crash', onGone)
    const log: string[] = []
    const session = await context.newCDPSession(tab)
    session.on('Log.entryAdded', ({ entry }) => log.push(entry.text))
    await session.send('Log.enable')
    const probed = await tab.evaluate(given => {
      const { probe } = globalThis as unknown as { probe(options: ProbeOptions): Promise<Probed> }
      return probe(given)
    }, options)
    // whatever was logged before this is answered has been heard
    await session.send('Log.disable')
    return { ...probed, log }
  } finally {
    await context.close().catch(() => {})
  }
}

async function openTab(context: BrowserContext, pages: Pages, page: Page): Promise<Tab> {
  const tab = await context.newPage()
  if (page.page === 'public') {
    await tab.route('**/*', async route => {
      const found = pages.read(new URL(route.request().url()).pathname)
      await route.fulfill(found == null ? { status: 404 } : { contentType: found.type, body: found.body })
    })
  }
  // its script is a module, and so has run when it is loaded
  await tab.goto(pages.urlOf(page), { waitUntil: 'load' })
  return tab
}

function launchFailure(path: string, sandbox: boolean, cause: unknown): Failure {
  const text = cause instanceof Error ? cause.message : ''
  const isSandbox = sandbox && /No usable sandbox|sandbox host|setuid sandbox|move to new namespace/i.test(text)
  const why = isSandbox
    ? 'its sandbox cannot start here'
    : /Timeout/.test(text)
      ? `it gave no sign of life within ${LAUNCH_MS / 1000} s`
      : /has been closed/.test(text)
        ? 'it ended at once'
        : firstLine(cause)
  return new Failure('browser_failed', `cannot start ${safe(path)} as a browser: ${why}`, {
    ...(isSandbox && { hint: 'allow unprivileged user namespaces on this machine, or take another browser' }),
    cause
  })
}

function firstLine(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause)
  return safe(text.split('\n')[0]!.replace(/^\w+\.\w+: /, ''), 200)
}
