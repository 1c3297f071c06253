import { Resolver } from 'node:dns/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { Limits } from '../limits.ts'
import { openNames } from '../lookup.ts'
import { resolveAddr } from '../resolve.ts'
import { safe } from '../safe.ts'
import type { Check, Found } from './check.ts'

export interface NameOptions {
  dns?: string | undefined
  /** The dnsaddr that is asked for. */
  dnsName: string
  limit?: Partial<Limits> | undefined
  allowPrivate?: boolean | undefined
  /** For one look-up. */
  timeoutMs: number
}

const FIX = 'no name in an address can be dialed: look at /etc/resolv.conf, or name another server with --dns'

/** Two questions: whether a server answers at all, and whether its answer leads to addresses. */
export function nameChecks(options: NameOptions): Check[] {
  const group = 'names'
  // look-ups give up a moment before the check itself does, so that it can say why
  const timeoutMs = Math.max(1, Math.min(5000, options.timeoutMs - 100))
  return [
    { group, name: 'dns', look: signal => lookAtDns({ ...options, timeoutMs }, signal) },
    { group, name: 'dnsaddr', look: signal => lookAtDnsaddr({ ...options, timeoutMs }, signal) }
  ]
}

async function lookAtDns({ dns, dnsName, timeoutMs }: NameOptions, signal: AbortSignal): Promise<Found> {
  const servers = dns == null ? new Resolver().getServers() : [dns]
  if (servers.length === 0) return { status: 'fail', message: 'no DNS server is configured', fix: FIX, servers }
  const names = openNames({ dns, timeoutMs }, signal)
  const startedAt = performance.now()
  try {
    // whatever the answer is: that there is one is what counts here
    await names.txt(`_dnsaddr.${dnsName}`)
    const ms = performance.now() - startedAt
    return { status: 'ok', message: `${servers.join(', ')} answers in ${ms.toFixed(0)} ms`, servers }
  } catch (error) {
    signal.throwIfAborted()
    return { status: 'fail', message: error instanceof Error ? error.message : String(error), fix: FIX, servers }
  } finally {
    names.close()
  }
}

async function lookAtDnsaddr({ dnsName, ...options }: NameOptions, signal: AbortSignal): Promise<Found> {
  const addr = `/dnsaddr/${dnsName}`
  const steps = resolveAddr(multiaddr(addr), options, signal)
  let step = await steps.next()
  while (step.done !== true) step = await steps.next()
  const addrs = step.value.map(String)
  const count = addrs.length === 1 ? '1 address' : `${addrs.length} addresses`
  return { status: 'ok', message: `${safe(addr)} leads to ${count}`, addr, addrs }
}
