/** Why a browser did not make a connection: what its log says, and the page is not told, and what is known before. */
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Code } from '../errors.ts'
import type { Verdict } from '../classify.ts'
import { safe } from '../safe.ts'

export type Reason = Pick<Verdict, 'code' | 'says' | 'hint'>

export const MIXED = 'a page on https may open no unencrypted WebSocket (mixed content)'
export const MIXED_HINT = 'give the peer a certificate and a /wss address, or use /webrtc-direct'
export const CLOSED_PORT = 'browsers open no connection to this port, which belongs to another protocol'
export const CLOSED_PORT_HINT = 'let the peer listen on another port'
export const LOCAL_HINT = '--page-from local dials as a page of this machine or its network may'
export const localNetwork = (from: 'http' | 'https'): string =>
  `${from === 'http' ? 'a page on http may not reach' : 'a person has to allow a page to reach'} a private address from the internet (Local Network Access)`

/** https://fetch.spec.whatwg.org/#port-blocking, without 4190 and 6679, which Chromium 153 leaves open. */
const closedPorts = new Set([
  ...[0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109],
  ...[110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530],
  ...[531, 532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045],
  ...[5060, 5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6697, 10_080]
])

/** Whether no WebSocket is opened to it, whoever listens there. */
export function isOnClosedPort(addr: Multiaddr): boolean {
  return closedPorts.has(Number(addr.getComponents().find(({ name }) => name === 'tcp')?.value))
}

const certificateFaults: Record<string, string> = {
  ERR_CERT_AUTHORITY_INVALID: 'nobody whom the browser trusts has signed it',
  ERR_CERT_COMMON_NAME_INVALID: 'it is for another name',
  ERR_CERT_DATE_INVALID: 'it has expired, or is not valid yet',
  ERR_CERT_REVOKED: 'it was revoked',
  ERR_CERT_VALIDITY_TOO_LONG: 'it is valid for too long',
  ERR_CERT_WEAK_SIGNATURE_ALGORITHM: 'its signature is weak',
  ERR_CERTIFICATE_TRANSPARENCY_REQUIRED: 'it is in no public log'
}

const byNetError: [RegExp, Code, string][] = [
  [/CONNECTION_REFUSED/, 'connection_refused', 'connection refused'],
  [/TIMED_OUT/, 'io_timeout', 'timed out in the connect phase'],
  [/NAME_NOT_RESOLVED|NAME_RESOLUTION_FAILED|ICANN_NAME_COLLISION/, 'dns_not_found', 'the name does not resolve'],
  [/ADDRESS_UNREACHABLE/, 'no_route', 'no route to the host'],
  [/INTERNET_DISCONNECTED|NETWORK_|ADDRESS_INVALID/, 'network_unreachable', 'the network is unreachable'],
  [/SSL|ERR_TLS|ERR_ECH/, 'security_failed', 'no TLS connection came about'],
  [/CONNECTION_(RESET|CLOSED|ABORTED|FAILED)|EMPTY_RESPONSE/, 'connection_reset', 'the peer closed the connection']
]

/** Why a connection of a page on `from` was not made, by the last line of the log that tells it; null if none does. */
export function reasonOf(log: string[], from: 'http' | 'https'): Reason | null {
  for (const line of log.toReversed()) {
    const reason = reasonIn(line, from)
    if (reason != null) return reason
  }
  return null
}

function reasonIn(line: string, from: 'http' | 'https'): Reason | null {
  const code = 'blocked_by_browser'
  if (/^Mixed Content: .*This request has been blocked/.test(line)) return { code, says: MIXED, hint: MIXED_HINT }
  const [, status] = /Unexpected response code: (\d+)/.exec(line) ?? []
  if (status != null) {
    const says = `an HTTP server answered with status ${status}, not a WebSocket`
    const hint = 'the address may lack a path or a port, or a proxy in front of the peer does not pass WebSockets on'
    return { code: 'security_failed', says, hint }
  }
  const [, handshake] = /Error during WebSocket handshake: (.+)/.exec(line) ?? []
  if (handshake != null && !handshake.includes('net::')) {
    return { code: 'security_failed', says: `no WebSocket server answered: ${safe(handshake, 120)}` }
  }
  const [, error] = /net::(ERR_\w+)/.exec(line) ?? []
  if (error == null) return null
  if (error === 'ERR_UNSAFE_PORT') return { code, says: CLOSED_PORT, hint: CLOSED_PORT_HINT }
  if (/LOCAL_NETWORK_ACCESS/.test(error)) return { code, says: localNetwork(from), hint: LOCAL_HINT }
  if (/^ERR_(BLOCKED|NETWORK_ACCESS_DENIED)/.test(error))
    return { code, says: `the browser does not let the page: ${error}` }
  if (/^ERR_(CERT|SSL_OBSOLETE|SSL_PINNED)/.test(error)) {
    const fault = certificateFaults[error] ?? 'it does not hold'
    const hint = 'a browser trusts what public authorities sign for this name or IP, or what this machine is told to'
    return { code: 'tls_cert_invalid', says: `the TLS certificate is not trusted: ${fault}, ${error}`, hint }
  }
  const [, known, says] = byNetError.find(([fits]) => fits.test(error)) ?? []
  if (known == null || says == null) return { code: 'connection_reset', says: `no connection: ${error}` }
  if (known !== 'security_failed') return { code: known, says }
  return { code: known, says: `${says}: ${error}`, hint: 'it may be plain /ws there' }
}
