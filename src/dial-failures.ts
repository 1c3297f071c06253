import type { Multiaddr } from '@multiformats/multiaddr'
import type { Verdict } from './classify.ts'
import { codes, Failure } from './errors.ts'
import { leftOut, type Wanted } from './reach.ts'
import { safe } from './safe.ts'
import type { Target } from './targets.ts'

/** A failure on the way as the verdict on the attempt. */
export function verdictOf(failure: Failure, timedOut: boolean): Verdict {
  const phase = failure.phase ?? 'connect'
  return {
    code: timedOut ? 'io_timeout' : failure.code,
    phase,
    says: timedOut ? `timed out in the ${phase} phase` : failure.message,
    ...(failure.expected != null && { expected: failure.expected }),
    ...(failure.actual != null && { actual: failure.actual }),
    ...(failure.offered != null && { offered: failure.offered, accepted: failure.accepted ?? null }),
    ...(!timedOut && failure.hint !== codes[failure.code].hint && { hint: failure.hint })
  }
}

/** What the run says of it. */
export function failureOf(target: Target, addr: string, verdict: Verdict): Failure {
  const message =
    verdict.code === 'peer_id_mismatch'
      ? `wrong peer at ${safe(addr)}: expected ${verdict.expected}, got ${verdict.actual ?? 'another one'}`
      : `cannot dial ${labelOf(target)}: ${verdict.says}`
  return new Failure(verdict.code, message, { ...verdict, addr, target: target.text })
}

const order = ['resolve', 'connect', 'relay', 'protocol', 'security', 'muxer', 'identify'] as const

/** Of several addresses, the one whose failure says most about the peer: the one that came furthest. */
export function furthest(failures: Failure[]): Failure {
  const rank = (failure: Failure): number => order.indexOf(failure.phase as (typeof order)[number])
  return failures.reduce((best, failure) => (rank(failure) > rank(best) ? failure : best))
}

export function labelOf(target: Target): string {
  return target.peerId ?? safe(target.text)
}

/** Of a target that has addresses, and none that was asked for. */
export function noneLeft(target: Target, resolved: Multiaddr[], options: Wanted): Failure {
  const by = [...new Set(resolved.map(addr => leftOut(addr, options)))].join(', ')
  const all = resolved.length === 1 ? 'its only address is' : `all ${resolved.length} addresses are`
  return new Failure('no_addresses', `cannot dial ${labelOf(target)}: ${all} left out by ${by}`, {
    phase: 'resolve',
    target: target.text,
    hint: `leave out ${by}, or give another address`
  })
}
