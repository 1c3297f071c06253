/** In the place of src/socket-failures.ts: what a browser lets a script know of a dial that came to nothing. */
import { CLOSED_PORT, CLOSED_PORT_HINT, isOnClosedPort } from '../../browser/blocked.ts'
import { transportOf } from '../../addr.ts'
import type { Verdict } from '../../classify.ts'
import { type Code, codes } from '../../errors.ts'
import { safe } from '../../safe.ts'
import type { Trace } from '../../trace.ts'
import { NO_HASH } from '../../transports/certhash.ts'
import { rtcFate } from './rtc.ts'
import { wasBlocked } from './policy.ts'

const says = (code: Code, text: string = codes[code].says): Verdict => ({ code, phase: 'connect', says: text })

/** The network tells a page nothing. */
export function codeOfErrno(_error: unknown): undefined {
  return undefined
}

/**
 * A WebSocket that fails gives an event without a word (Chromium 153, Firefox and Safari by the standard, so that no
 * page can look around in a network): https://websockets.spec.whatwg.org/#feedback-from-the-protocol
 */
export function classifyConnect(error: unknown, trace: Trace): Verdict {
  const kind = trace.addr == null ? null : transportOf(trace.addr)
  const name = (error as { name?: unknown } | null)?.name
  if (kind === 'webrtc-direct') return classifyDirect(error, trace)
  if (name === 'SecurityError') {
    return {
      ...says('no_transport', 'a page that came over https may not open ws:'),
      hint: 'give an address with /tls/ws, or open the page over http'
    }
  }
  if (wasBlocked(trace.startedAt)) {
    return {
      ...says('no_transport', "the page's Content-Security-Policy forbids it"),
      hint: 'whoever serves the page decides with its connect-src what it may connect to'
    }
  }
  if (trace.addr != null && (kind === 'ws' || kind === 'wss') && isOnClosedPort(trace.addr)) {
    return { ...says('blocked_by_browser', CLOSED_PORT), hint: CLOSED_PORT_HINT }
  }
  if (kind === 'wss') {
    return {
      ...says('connection_failed'),
      hint: 'nothing listens there, its certificate is not trusted, or what answers is no WebSocket: p2pctl dial says which'
    }
  }
  if (kind === 'ws') {
    return {
      ...says('connection_failed'),
      hint: 'nothing listens there, the host is not known, or what answers is no WebSocket: p2pctl dial says which'
    }
  }
  return says('connection_failed', wordsOf(error) || codes.connection_failed.says)
}

function classifyDirect(error: unknown, trace: Trace): Verdict {
  if (error instanceof Error && error.name === 'UnsupportedHashAlgorithmError')
    return says('invalid_multiaddr', NO_HASH)
  const fate = trace.addr == null ? undefined : rtcFate(trace.addr, trace.startedAt)?.fate
  if (fate === 'dtls') return { ...says('certhash_mismatch'), phase: 'security' }
  if (fate === 'ice') return says('io_timeout', 'nobody answered there (ICE)')
  return says('connection_failed', wordsOf(error) || codes.connection_failed.says)
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? safe(error.message, 120) : ''
}
