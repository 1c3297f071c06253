/** In the place of src/resolve.ts: a page cannot ask the DNS, and the browser looks hosts up by itself. */
import type { Multiaddr } from '@multiformats/multiaddr'
import { Failure } from '../../errors.ts'
import type { Event } from '../../events.ts'

// biome-ignore lint/correctness/useYield: the same shape as Node's, which tells of its look-ups
export async function* resolveAddr(addr: Multiaddr): AsyncGenerator<Event<'dial.resolve'>, Multiaddr[]> {
  if (addr.getComponents()[0]?.name !== 'dnsaddr') return [addr]
  throw new Failure('dnsaddr_empty', 'a page cannot look up /dnsaddr names', {
    phase: 'resolve',
    addr: addr.toString(),
    hint: `look it up with: p2pctl addr resolve ${addr}`
  })
}
