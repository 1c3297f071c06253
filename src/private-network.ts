/** Private networks: what is sent is hidden under a key that all of its peers have. */
import { Failure } from './errors.ts'

/** As transportOf() calls them. */
const keyed = ['tcp', 'ws', 'wss', 'unix', 'circuit']

/**
 * Why an address of this kind cannot be used in a private network; null if it can. libp2p 3.3 leaves the key out where the
 * transport brings security of its own (`skipProtection`), so that anybody could connect.
 */
export function whyNotPrivate(kind: string | null): string | null {
  if (kind == null || keyed.includes(kind)) return null
  return `${kind} goes past the key of a private network (--psk)`
}

export function assertPrivate(kind: string | null): void {
  const why = whyNotPrivate(kind)
  if (why == null) return
  throw new Failure('no_transport', why, {
    phase: 'connect',
    hint: 'in a private network give a /tcp, /ws, /unix or /p2p-circuit address'
  })
}

/** Throws Failure for an address that nobody may be let in by. */
export function assertPrivateListener(addr: string, kind: string | null): void {
  const why = whyNotPrivate(kind)
  if (why == null) return
  throw new Failure('no_such_listener', `cannot listen on ${addr}: ${why}`, {
    phase: 'listen',
    addr,
    hint: 'in a private network it listens on /tcp, /ws, /tls/ws, /unix and RELAY/p2p-circuit'
  })
}
