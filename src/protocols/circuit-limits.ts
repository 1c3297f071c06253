import type { Connection, ConnectionLimits } from '@libp2p/interface'

/** What a relay allows a circuit, as it said when the circuit was made; null where it has no such limit. */
export interface CircuitLimits {
  limit_s: number | null
  /** Each way. */
  limit_bytes: number | null
}

const asAdvertised = new WeakMap<ConnectionLimits, CircuitLimits>()

/** Takes note of limits that nothing was used of yet: what libp2p shows of them is what is left (libp2p 3.3). */
export function noteLimits(limits: ConnectionLimits | undefined): void {
  if (limits == null) return
  const { seconds, bytes } = limits
  const most = BigInt(Number.MAX_SAFE_INTEGER)
  asAdvertised.set(limits, {
    limit_s: seconds ?? null,
    limit_bytes: bytes == null ? null : Number(bytes < most ? bytes : most)
  })
}

/** The limits of a connection through a relay; nothing for others. */
export function limitsOf({ limits }: Connection): Partial<CircuitLimits> {
  return (limits && asAdvertised.get(limits)) ?? {}
}
