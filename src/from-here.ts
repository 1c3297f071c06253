/** Dialing from this process, each address by a node of its own. */
import { transportOf } from './addr.ts'
import { attempt } from './connect.ts'
import { Failure } from './errors.ts'
import { openNode } from './node.ts'
import { whyNotFromHere } from './reach.ts'
import { loadTransport, transportFor } from './transports.ts'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { EachOptions, Way } from './each.ts'

/** The node of an address is gone after it: no connection and nothing learned before helps it. */
export function fromHere(options: EachOptions): Way {
  return {
    skips: async (addr, announcedOver) =>
      whyNotFromHere(addr, { ...options, announcedOver }) ?? (await whyNotLoaded(addr, options)),
    // our own code: with many dials at once, the first would be charged for reading it
    warmUp: async addrs => {
      const kinds = new Set(addrs.map(addr => transportFor(transportOf(addr))))
      if (kinds.size === 0) return
      await using node = await openNode(options)
      for (const name of kinds) if (name != null) await node.use(name)
    },
    async *dial({ target: { text }, addr, resolveMs }, signal) {
      await using node = await openNode(options)
      const target = { text, addr, peerId: null }
      const dialed = await attempt(node, target, addr, resolveMs, { ...options, identified: true }, signal)
      yield { ...dialed, answer: dialed.connected }
    }
  }
}

/** What this machine lacks to dial it, a native package. */
async function whyNotLoaded(addr: Multiaddr, options: EachOptions): Promise<string | null> {
  const name = transportFor(transportOf(addr))
  try {
    if (name != null) await loadTransport(name, options)
    return null
  } catch (error) {
    if (error instanceof Failure && error.code === 'no_transport') return error.message
    throw error
  }
}
