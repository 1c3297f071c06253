import { type Code, codes } from './errors.ts'
import type { Phase } from './events.ts'
import { safe } from './safe.ts'
import { classifyConnect, codeOfErrno } from './socket-failures.ts'
import { classifyWebrtc } from './webrtc.ts'
import type { Trace } from './trace.ts'

/** What went wrong, in the words of the contract. */
export interface Verdict {
  code: Code
  phase: Phase
  /** Lower case, without the address: `connection refused`. */
  says: string
  hint?: string
  expected?: string
  actual?: string
  /** Nothing of this kind is in common: second-look.ts asks what the peer takes. */
  unmatched?: 'security' | 'muxer'
  offered?: string[]
  accepted?: string[] | null
}

const says = (code: Code, phase: Phase, text: string = codes[code].says): Verdict => ({ code, phase, says: text })

/**
 * Names the failure of one dial. libp2p 3.3 has no common error class and its upgrader drops the cause, so the trace
 * says how far the dial came and what the network answered, and only then the error's own words are read.
 */
export function classifyDial(error: unknown, trace: Trace, timedOut: boolean, expectedPeer: string | null): Verdict {
  const phase = phaseOf(trace)
  const name = error instanceof Error ? error.name : ''
  const text = error instanceof Error ? error.message : ''
  const wrongPeer = /identity key (\S+) does not match expected remote identity key (\S+)/.exec(
    `${trace.securityError?.message ?? ''} ${text}`
  )
  if (wrongPeer != null) {
    const [, actual = '', expected = ''] = wrongPeer
    return {
      ...says('peer_id_mismatch', 'security', `another peer answered: expected ${expected}, got ${actual}`),
      expected,
      actual
    }
  }
  if (trace.securityError?.name === 'UnexpectedPeerError') {
    // noise has this name for every fault of the proof (libp2p-noise 17)
    const fault = trace.securityError.message
    if (fault !== 'Unexpected Peer') {
      return says('security_failed', 'security', `the peer cannot prove who it is: ${safe(lower(fault), 120)}`)
    }
    // TLS does not say who it is (@libp2p/tls 3.1): second-look.ts asks
    return { ...says('peer_id_mismatch', 'security'), ...(expectedPeer != null && { expected: expectedPeer }) }
  }
  const status = /failed to connect via relay with status (\w+)/.exec(text)?.[1]
  if (status != null) return classifyRelayStatus(status)
  if (name === 'InvalidPeerIdError') return says('dial_self', 'security')
  if (trace.stranger != null) return classifyStranger(trace.stranger, phase)
  if (trace.tooEarly === true) {
    const opened = trace.connectedAt != null || trace.answered === true
    return says('security_failed', opened ? 'security' : 'connect', TOO_EARLY)
  }
  if (trace.relayedAt != null) return classifyWebrtc(error, trace, timedOut)
  if (trace.fingerprint == null && trace.nonce === true) return classifyNonce()
  const negotiated = trace.agreedAt != null || text.includes('could not negotiate')
  if (trace.fingerprint != null && phase === 'security' && !negotiated) return classifyKeyed(trace)
  if (timedOut) return timeout(phase, trace)
  if (name === 'TransportUnavailableError') return says('no_transport', 'connect')
  if (phase === 'connect') return classifyConnect(error, trace)
  if (phase === 'relay' && name === 'UnsupportedProtocolError') {
    return says('protocol_not_supported', phase, 'the relay does not speak circuit relay v2')
  }
  const errno = codeOfErrno(trace.socketError) ?? codeOfErrno(error)
  if (/EOF|closed|reset/i.test(text) || errno === 'connection_reset') {
    return {
      ...says('connection_reset', phase, `the peer closed the connection in the ${phase} phase`),
      ...(phase === 'security' && trace.receivedBytes === 0 && { hint: mute })
    }
  }
  if (phase === 'relay') {
    // a number that the library has no name for (@libp2p/circuit-relay-v2 4.2)
    if (text === 'Invalid enum value') return classifyRelayStatus('unknown')
    return says('malformed_answer', phase, `the relay gave no usable answer: ${safe(lower(text), 120)}`)
  }
  if (phase === 'security') {
    // noise carries the choice of the muxer with it (libp2p-noise 17)
    if (text.includes('no common muxers')) {
      return { ...says('muxer_failed', 'muxer', NO_MUXER), unmatched: 'muxer' }
    }
    if (text.includes('could not negotiate')) {
      return { ...says('security_failed', phase, 'no security protocol in common'), unmatched: 'security' }
    }
    return says('security_failed', phase, `no libp2p security handshake: ${safe(lower(text), 120)}`)
  }
  if (text.includes('could not negotiate')) return { ...says('muxer_failed', phase, NO_MUXER), unmatched: 'muxer' }
  return says('muxer_failed', phase, `${NO_MUXER}: ${safe(lower(text), 120)}`)
}

const TOO_EARLY = 'the other side sent more than it may before it has shown who it is: it is no libp2p peer, or floods'
const NO_MUXER = 'no stream muxer in common'

/** Under a key that the peer does not have all is garbage, or silence: more than a suspicion there cannot be. */
export function classifyKeyed({ fingerprint, inTheOpen }: Trace): Verdict {
  const code = 'psk_mismatch_suspected'
  if (inTheOpen === true) {
    return {
      ...says(code, 'security', 'the peer answers in the open: it is in no private network'),
      hint: 'dial it without --psk, or have it started with the swarm key'
    }
  }
  return {
    ...says(code, 'security', 'nothing readable came under our swarm key: the peer seems to have another one, or none'),
    hint: `compare the fingerprints of the two swarm keys (p2pctl key show FILE); ours is ${fingerprint}`
  }
}

function classifyNonce(): Verdict {
  return {
    ...says(
      'psk_mismatch_suspected',
      'security',
      'the peer begins as one in a private network does, and we gave no key'
    ),
    hint: 'give the swarm key of its network with --psk FILE'
  }
}

const mute =
  'it never said a word: something else may be there, as a TLS server, a proxy without its peer, or a peer over its limits'

function timeout(phase: Phase, trace: Trace): Verdict {
  const verdict = says('io_timeout', phase, `timed out in the ${phase} phase`)
  if (phase !== 'security' && phase !== 'muxer') return verdict
  return {
    ...verdict,
    hint:
      trace.receivedBytes === 0
        ? mute
        : 'it began to speak libp2p and then stopped: it may be stuck or overloaded, look at its log'
  }
}

/** Something answered that is not libp2p. */
export function classifyStranger(answered: string, phase: Phase): Verdict {
  const hint = 'the port belongs to something else: ask the peer for its current address'
  return { ...says('security_failed', phase, answered), hint }
}

/** A status of circuit relay v2, other than OK, as a failure. */
export function classifyRelayStatus(status: string): Verdict {
  const name = /^[A-Z_]{1,40}$/.test(status) ? status : 'an unknown status'
  if (name === 'NO_RESERVATION') {
    return says('relay_no_reservation', 'relay', 'the peer has no reservation on the relay (NO_RESERVATION)')
  }
  if (name === 'RESOURCE_LIMIT_EXCEEDED') {
    return says('relay_limit', 'relay', 'a limit of the relay was reached (RESOURCE_LIMIT_EXCEEDED)')
  }
  return says('relay_refused', 'relay', `the relay refused (${name})`)
}

function phaseOf(trace: Trace): Phase {
  if (trace.connectedAt == null) return trace.relayed ? 'relay' : 'connect'
  return trace.securedAt == null ? 'security' : 'muxer'
}

function lower(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1)
}
