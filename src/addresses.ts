import type { Multiaddr } from '@multiformats/multiaddr'
import { peerIdOf } from './addr.ts'
import type { DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import { type Found, resolveAddr } from './resolve.ts'
import type { Target } from './targets.ts'

interface Sought extends Pick<Target, 'text' | 'addr'> {
  /** Not a person named the address, but somebody whom nobody here knows. */
  byStranger?: boolean | undefined
}

interface Addresses {
  addrs: Multiaddr[]
  /** Null where there was nothing to look up. */
  resolveMs: number | null
}

/**
 * The addresses that a target stands for, as far as they may be dialed: of its names, or, for a bare peer ID, what the
 * named sources know.
 */
export async function* lookUp(
  target: Sought,
  options: DialOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'dial.resolve' | 'dns.fault' | 'source.end'>, Addresses> {
  const found = yield* lookUpAll(target, options, signal)
  return options.admit == null ? found : { ...found, addrs: await options.admit(found.addrs, signal) }
}

async function* lookUpAll(
  target: Sought,
  options: DialOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'dial.resolve' | 'dns.fault' | 'source.end'>, Addresses> {
  if (!isBare(target.addr)) return yield* resolveNames(target, options, signal)
  const startedAt = performance.now()
  const { findPeer } = await import('./find.ts')
  const found = yield* findPeer({ text: target.text, peerId: peerIdOf(target.addr)! }, options, signal)
  const addrs: Multiaddr[] = []
  for (const { addr, byStranger } of found) {
    try {
      addrs.push(...(yield* resolveNames({ ...target, addr, byStranger }, options, signal)).addrs)
    } catch (error) {
      // one of several, which somebody else said
      if (!(error instanceof Failure) || (addrs.length === 0 && addr === found.at(-1)?.addr)) throw error
    }
  }
  return { addrs, resolveMs: performance.now() - startedAt }
}

async function* resolveNames(
  target: Sought,
  { ipv4, ipv6, dns, timeout: timeoutMs, limit, allowPrivate }: DialOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'dial.resolve' | 'dns.fault'>, Addresses> {
  const startedAt = performance.now()
  const family = ipv4 === ipv6 ? undefined : ipv4 === true ? 4 : 6
  const { text, addr, byStranger } = target
  const ruledOut: Event<'dns.fault'>[] = []
  // of what leads nowhere the failure tells, where it matters
  const onFound = (found: Found) => void (found.fault === 'private' && ruledOut.push(found as Event<'dns.fault'>))
  const lookups = resolveAddr(addr, { dns, family, timeoutMs, limit, allowPrivate, byStranger, onFound }, signal)
  let resolveMs: number | null = null
  for (;;) {
    const step = await lookups.next().catch(error => error as Error)
    for (const one of ruledOut.splice(0)) yield { ...one, target: text }
    if (step instanceof Error) throw step
    if (step.done === true) return { addrs: step.value, resolveMs }
    yield { ...step.value, target: text }
    resolveMs = performance.now() - startedAt
  }
}

/** `/p2p/ID` and nothing else: who, not where. */
function isBare(addr: Multiaddr): boolean {
  const components = addr.getComponents()
  return components.length === 1 && components[0]!.name === 'p2p'
}
