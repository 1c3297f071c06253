/**
 * What a page may dial, by rule and without asking anybody. The rules are those of Chromium; each was tried with versions
 * 153 and 156, and test/dial-from-browser.test.ts holds them against the browser that is there.
 */
import { isIP } from 'node:net'
import type { Multiaddr } from '@multiformats/multiaddr'
import { relayPart, scopeOf, transportOf } from '../addr.ts'
import { undialable } from '../addr-facts.ts'
import type { Code } from '../errors.ts'
import type { FieldsOf } from '../events.ts'
import {
  CLOSED_PORT,
  CLOSED_PORT_HINT,
  isOnClosedPort,
  LOCAL_HINT,
  localNetwork,
  MIXED,
  MIXED_HINT
} from './blocked.ts'
import { safe } from '../safe.ts'

type Fields = FieldsOf<'dial.verdict'>
export type Page = Pick<Fields, 'from' | 'page'>
export type PageVerdict = Pick<Fields, 'ok' | 'message' | 'hint'> & { code: Code | null }
export type PageFrom = Page['page'] | undefined

/** Both schemes; unless told, pages of the internet dial what is on the internet, and local ones what is private. */
export function pagesFor(addr: Multiaddr, page: PageFrom): Page[] {
  const where = page ?? (scopeOf(relayPart(addr) ?? addr) === 'private' ? 'local' : 'public')
  return [
    { from: 'http', page: where },
    { from: 'https', page: where }
  ]
}

/** Whether a page may dial an address; for one behind a relay that is the address of the relay. */
export function verdictOn(addr: Multiaddr, page: Page): PageVerdict {
  if (addr.getComponents()[0]?.name === 'dnsaddr') {
    return {
      ok: null,
      code: null,
      message: 'which addresses it stands for is in the DNS, and nobody is asked here',
      hint: `judge what this prints: p2pctl addr resolve ${addr}`
    }
  }
  const kind = transportOf(addr)
  const wrong = undialable(addr)
  // a socket file of another machine and the like can be dialed by somebody, though by no page
  if (wrong != null)
    return no(kind === null ? 'no_transport' : 'invalid_multiaddr', wrong.message, wrong.hint ?? PAGE_ADDRS)
  const relay = relayPart(addr)
  if (relay != null) {
    const verdict = verdictOn(relay, page)
    return { ...verdict, message: verdict.message == null ? null : `the relay: ${verdict.message}` }
  }
  switch (kind) {
    case 'ws':
      return onPort(addr) ?? onMixed(addr, page) ?? onNetwork(addr, page) ?? yes()
    case 'wss':
      return onPort(addr) ?? onNetwork(addr, page) ?? yes(certificateFor(addr))
    case 'webrtc-direct':
      return yes()
    case 'webtransport':
      return onWebTransport(page)
    default:
      return no('no_transport', `a browser has no transport for ${kind}`, PAGE_ADDRS)
  }
}

const PAGE_ADDRS = 'let the peer listen on /ws, on /wss for pages on https, or on /webrtc-direct'

function no(code: Code, message: string, hint: string): PageVerdict {
  return { ok: false, code, message, hint }
}

function yes(condition: string | null = null): PageVerdict {
  return { ok: true, code: null, message: condition, hint: null }
}

function onPort(addr: Multiaddr): PageVerdict | null {
  return isOnClosedPort(addr) ? no('blocked_by_browser', CLOSED_PORT, CLOSED_PORT_HINT) : null
}

/** What never leaves the machine or its network is exempt, by its IP address and by names that are reserved for that. */
function onMixed(addr: Multiaddr, { from }: Page): PageVerdict | null {
  const host = hostOf(addr)
  const isNear = isIP(host) === 0 ? isLocalName(host) : scopeOf(addr) === 'private'
  return from === 'http' || isNear ? null : no('blocked_by_browser', MIXED, MIXED_HINT)
}

/** A private address is the business of its own network. WebRTC is not asked for (Chromium 156). */
function onNetwork(addr: Multiaddr, { from, page }: Page): PageVerdict | null {
  const host = hostOf(addr)
  const isNear = isIP(host) === 0 ? isLocalName(host) : scopeOf(addr) === 'private'
  return page === 'local' || !isNear ? null : no('blocked_by_browser', localNetwork(from), LOCAL_HINT)
}

function certificateFor(addr: Multiaddr): string {
  const host = hostOf(addr)
  if (isIP(host) === 0) return `if its certificate is for ${safe(host)}, and one that browsers trust`
  return `if its certificate is for the IP address ${host} itself, and one that browsers trust: few are`
}

function onWebTransport({ from, page }: Page): PageVerdict {
  if (from === 'http' && page === 'public') {
    return no('blocked_by_browser', 'browsers have WebTransport on https alone', 'serve the page on https')
  }
  const message = 'browsers can; whether its certhashes still hold, which change every two weeks, only a dial can tell'
  return { ok: null, code: null, message, hint: 'ask the peer for its addresses: p2pctl dial --announced' }
}

/** The host that a page dials, which is the name in /sni where there is one (@multiformats/multiaddr-to-uri 12). */
function hostOf(addr: Multiaddr): string {
  const components = addr.getComponents()
  const host =
    components.find(({ name }) => name === 'sni') ?? components.find(({ name }) => /^(ip|dns)[46]?$/.test(name))
  return host?.value ?? ''
}

function isLocalName(name: string): boolean {
  return /(^|\.)localhost\.?$|\.local\.?$/i.test(name)
}
