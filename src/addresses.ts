import type { Multiaddr } from '@multiformats/multiaddr'
import type { DialOptions } from './connect.ts'
import type { Event } from './events.ts'
import { resolveAddr } from './resolve.ts'
import type { Target } from './targets.ts'

/** The addresses that a target stands for, and how long it took to look them up: null where there was no name. */
export async function* lookUp(
  target: Pick<Target, 'text' | 'addr'>,
  { ipv4, ipv6, dns, timeout: timeoutMs }: DialOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'dial.resolve'>, { addrs: Multiaddr[]; resolveMs: number | null }> {
  const startedAt = performance.now()
  const family = ipv4 === ipv6 ? undefined : ipv4 === true ? 4 : 6
  const lookups = resolveAddr(target.addr, { dns, family, timeoutMs }, signal)
  let resolveMs: number | null = null
  for (;;) {
    const step = await lookups.next()
    if (step.done === true) return { addrs: step.value, resolveMs }
    yield { ...step.value, target: target.text }
    resolveMs = performance.now() - startedAt
  }
}
