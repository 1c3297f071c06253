import { parseAddr } from '../addr.ts'
import type { Said } from '../events.ts'
import type { Limits } from '../limits.ts'
import { type Found, resolveAddr } from '../resolve.ts'

export interface Options {
  addr: string
  /** All look-ups together, in ms. */
  timeout: number
  ipv4?: boolean
  ipv6?: boolean
  /** A DNS server to ask, `host[:port]`. */
  dns?: string
  limit?: Partial<Limits>
  allowPrivate?: boolean
}

export default async function* addrResolve(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { addr: target, ipv4, ipv6, timeout: timeoutMs } = options
  const addr = parseAddr(target)
  const family = ipv4 === ipv6 ? undefined : ipv4 === true ? 4 : 6
  const found: Found[] = []
  const lookups = resolveAddr(addr, { ...options, family, timeoutMs, onFound: one => void found.push(one) }, signal)
  let addrs: string[] = []
  try {
    for (;;) {
      const step = await lookups.next()
      for (const one of found.splice(0)) yield { ...one, target }
      if (step.done === true) {
        addrs = step.value.map(String)
        break
      }
      yield { ...step.value, target }
    }
  } catch (error) {
    // what was found on the way shows why it failed
    for (const one of found.splice(0)) yield { ...one, target }
    throw error
  }
  yield { type: 'addr.resolve', target, addr: `${addr}`, addrs }
  yield { type: 'run.summary', target, ok: true }
}
