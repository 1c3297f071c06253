/** Every address of some targets as the pages of a real browser can dial it. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { transportOf } from '../addr.ts'
import type { Verdict } from '../classify.ts'
import { failureOf } from '../dial-failures.ts'
import { type Dialed, type Dialing, dialEach, type EachOptions, type Way } from '../each.ts'
import { type Code, codes } from '../errors.ts'
import type { Said } from '../events.ts'
import { whyNotFromHere } from '../reach.ts'
import type { Target } from '../targets.ts'
import { reasonOf } from './blocked.ts'
import { openBrowser, type ProbeBrowser } from './launch.ts'
import type { Probed } from './probed.ts'
import { type Page, type PageFrom, pagesFor, verdictOn } from './verdict.ts'

export interface BrowserOptions extends EachOptions {
  /** The executable; else one is looked for. */
  browserPath?: string
  /** Where the pages are; else by the address. */
  pageFrom?: PageFrom
}

export async function* dialFromBrowser(
  targets: Target[],
  options: BrowserOptions,
  signal: AbortSignal
): AsyncGenerator<Said> {
  await using browser = await openBrowser(options.browserPath)
  const { path, version, sandbox, webrtcLoopback } = browser
  yield { type: 'browser.start', path, version, sandbox, webrtc_loopback: webrtcLoopback }
  yield* dialEach(targets, options, signal, fromPages(browser, options))
}

function fromPages(browser: ProbeBrowser, options: BrowserOptions): Way {
  return {
    skips: async (addr, announcedOver) =>
      transportOf(addr) === 'webtransport'
        ? 'browsers have WebTransport, and the page of p2pctl does not use it'
        : whyNotFromHere(addr, { ...options, announcedOver }),
    // a page is there before its clock runs
    warmUp: async () => {},
    async *dial(job, signal) {
      for (const page of pagesFor(job.addr, options.pageFrom)) yield await dialFrom(browser, page, job, options, signal)
    }
  }
}

async function dialFrom(
  browser: ProbeBrowser,
  page: Page,
  { target, addr, resolveMs }: Dialing,
  { timeout, stun = [] }: BrowserOptions,
  signal: AbortSignal
): Promise<Dialed> {
  const text = addr.toString()
  const probed = await browser.dial(page, { target: target.text, addr: text, resolveMs, timeout, stun }, signal)
  const { peerId, identity } = probed
  const verdict = verdictOf(probed, probed.log, page, addr)
  return {
    event: {
      ...probed.event,
      ...page,
      error: verdict == null ? null : { code: verdict.code, phase: verdict.phase, message: verdict.says }
    },
    answer: verdict != null || peerId == null ? null : { peerId, addr: text, totalMs: probed.event.total_ms, identity },
    failure: verdict == null ? null : failureOf(target, text, verdict)
  }
}

/** What the page was told; where a page is told nothing, what the browser has logged, or what is wrong with the address. */
function verdictOf(
  { event, hint, expected, actual }: Probed,
  log: string[],
  page: Page,
  addr: Multiaddr
): Verdict | null {
  const { error } = event
  if (error == null) return null
  const phase = error.phase ?? 'connect'
  const reason = phase === 'connect' || phase === 'relay' ? reasonOf(log, page.from) : null
  if (reason != null) {
    const says = phase === 'relay' ? `the relay: ${reason.says}` : reason.says
    return { ...reason, phase, says }
  }
  const rule = verdictOn(addr, page)
  if (rule.code === 'invalid_multiaddr' && rule.message != null) {
    return { code: rule.code, phase, says: rule.message, ...(rule.hint != null && { hint: rule.hint }) }
  }
  const code = error.code as Code
  return {
    code,
    phase,
    says: error.message,
    ...(hint != null && hint !== codes[code].hint && { hint }),
    ...(expected != null && { expected }),
    ...(actual != null && { actual })
  }
}
