/** The way to nodes that other nodes tell of. Anybody may tell of any address, so not all of them are dialed. */
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { familyOf, peerIdOf, scopeOf } from './addr.ts'
import { attempt, type DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import { startLimit } from './limit.ts'
import type { Node } from './node.ts'
import { ipOf, whyNotFromHere } from './reach.ts'

/** Addresses of one node that are tried. */
export const MAX_DIALED = 4
const LEAST_MS = 1000

/** Whether an address that a node has told of is dialed: not a name, which may lead anywhere, and no relay's. */
export function mayDial(addr: Multiaddr, peerId: string, teller: Multiaddr, options: DialOptions): boolean {
  const { transport, ipv4, ipv6, allowPrivate } = options
  if (scopeOf(addr) === 'circuit' || ipOf(addr) == null || peerIdOf(addr) !== peerId) return false
  if (ipv4 !== ipv6 && familyOf(addr) !== (ipv4 === true ? 4 : 6)) return false
  return whyNotFromHere(addr, { transport, allowPrivate, announcedOver: teller }) == null
}

/** Dials a node where others say that it is, one address after another. */
export async function dialTold(
  node: Node,
  peerId: string,
  addrs: Multiaddr[],
  options: DialOptions,
  signal: AbortSignal
): Promise<Connection> {
  const open = node.libp2p.getConnections().find(({ remotePeer }) => remotePeer.toString() === peerId)
  if (open != null) return open
  let last = new Failure('no_addresses', 'no address that this machine can dial', { phase: 'connect' })
  // so that one that answers nothing leaves time for the others
  const timeout = Math.min(options.timeout, Math.max(LEAST_MS, options.timeout / addrs.length))
  for (const addr of addrs) {
    const target = { text: addr.toString(), addr, peerId }
    const { event, connected, failure } = await attempt(
      node,
      target,
      addr,
      null,
      { timeout, identified: false },
      signal
    )
    if (connected != null) return connected.connection
    last = new Failure(failure!.code, event.error?.message ?? failure!.message, { ...failure, cause: failure })
  }
  throw last
}

/** Gives one thing its time: Failure io_timeout when that is over, the reason of the signal when the run is. */
export async function within<T>(ms: number, signal: AbortSignal, act: (limit: AbortSignal) => Promise<T>): Promise<T> {
  using limit = startLimit(ms, signal)
  try {
    return await act(limit.signal)
  } catch (error) {
    signal.throwIfAborted()
    if (!limit.passed) throw error
    throw new Failure('io_timeout', `gave no answer within ${ms / 1000} s`, { phase: 'protocol', cause: error })
  }
}
