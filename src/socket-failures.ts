/** What the network said of a dial that did not get as far as libp2p, in the words of the contract. */
import { type Code, codes } from './errors.ts'
import { safe } from './safe.ts'
import type { Verdict } from './classify.ts'
import type { Trace } from './trace.ts'

const bySyscall: Record<string, Code> = {
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_reset',
  EPIPE: 'connection_reset',
  UND_ERR_SOCKET: 'connection_reset',
  ETIMEDOUT: 'io_timeout',
  EHOSTUNREACH: 'no_route',
  EHOSTDOWN: 'no_route',
  ENETUNREACH: 'network_unreachable',
  ENETDOWN: 'network_unreachable',
  EADDRNOTAVAIL: 'network_unreachable',
  EAFNOSUPPORT: 'network_unreachable',
  EINVAL: 'network_unreachable',
  EACCES: 'network_unreachable',
  EPERM: 'network_unreachable',
  ENOTFOUND: 'dns_not_found',
  EAI_AGAIN: 'dns_not_found',
  EMFILE: 'no_descriptors',
  ENFILE: 'no_descriptors',
  EIO: 'system_error',
  ENOMEM: 'system_error',
  ENOBUFS: 'system_error'
}

/** What the network said, in the words of the contract. */
export function codeOfErrno(error: unknown): Code | undefined {
  return bySyscall[errnoOf(error) ?? '']
}

const says = (code: Code, text: string = codes[code].says): Verdict => ({ code, phase: 'connect', says: text })

/** Names the failure of a dial whose transport was never connected. */
export function classifyConnect(error: unknown, trace: Trace): Verdict {
  if (trace.httpStatus != null) {
    return {
      ...says('security_failed', `an HTTP server answered with status ${trace.httpStatus}, not a WebSocket`),
      hint: 'the address may lack a path or a port, or a proxy in front of the peer does not pass WebSockets on'
    }
  }
  const errno = errnoOf(trace.socketError) ?? errnoOf(error)
  if (isOfFile(trace.socketError)) {
    if (errno === 'ENOENT') return { ...says('connection_refused', 'there is no such socket'), hint: noSocket }
    if (errno === 'EACCES') return { ...says('connection_refused', 'permission denied'), hint: notOurs }
    if (errno === 'ECONNREFUSED') return { ...says('connection_refused'), hint: noSocket }
  }
  const code = errno == null ? undefined : bySyscall[errno]
  if (code != null) return says(code)
  if (errno != null && /CERT|SELF_SIGNED|UNABLE_TO_/.test(errno)) {
    return classifyCertificate(trace.socketError ?? error, errno)
  }
  if (errno === 'EPROTO' || errno?.startsWith('ERR_SSL')) {
    return { ...says('security_failed', 'no TLS server answered'), hint: 'it may be plain /ws there' }
  }
  if (
    errno?.startsWith('HPE_') ||
    errno === 'UND_ERR_HEADERS_OVERFLOW' ||
    /HTTP/.test(trace.socketError?.message ?? '')
  ) {
    return says('security_failed', 'something that is not a WebSocket server answered')
  }
  if (trace.socket == null) {
    return {
      ...says('no_transport', "Node's WebSocket refuses to use this port"),
      hint: 'some ports are closed to WebSockets by the fetch standard: listen on another one'
    }
  }
  const text = error instanceof Error ? error.message : ''
  return says('connection_reset', safe(lower(text), 120) || codes.connection_reset.says)
}

const noSocket = 'check that the peer runs, and the path'
const notOurs = 'the socket is for another user of this machine'

/** An error of a unix socket, which has a path and no port. */
function isOfFile(error: NodeJS.ErrnoException | undefined): boolean {
  const { address, port } = (error ?? {}) as { address?: string; port?: number }
  return address != null && port == null
}

/** In words, where Node has a code alone. */
const certificateFaults: Record<string, string> = {
  CERT_HAS_EXPIRED: 'it has expired',
  CERT_NOT_YET_VALID: 'it is not valid yet',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'it is self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'nobody here knows who signed it',
  UNABLE_TO_GET_ISSUER_CERT: 'nobody here knows who signed it',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'nobody here knows who signed it',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'nobody here knows who signed it',
  ERR_TLS_CERT_ALTNAME_INVALID: 'it is for another name'
}

function classifyCertificate(error: unknown, errno: string): Verdict {
  const names = (error as { cert?: { subjectaltname?: string } }).cert?.subjectaltname
  const fault = certificateFaults[errno] ?? 'it does not hold'
  const whose = errno === 'ERR_TLS_CERT_ALTNAME_INVALID' && names != null ? ` (${safe(names, 120)})` : ''
  return {
    ...says('tls_cert_invalid', `the TLS certificate is not trusted: ${fault}${whose}, ${safe(errno)}`),
    hint: /ALTNAME|EXPIRED|NOT_YET/.test(errno)
      ? 'its operator has to get another one; --insecure dials without looking at it'
      : '--ca FILE trusts the authority of that certificate; --insecure dials without looking at it'
  }
}

function errnoOf(error: unknown): string | undefined {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined
  return typeof code === 'string' ? code : undefined
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
