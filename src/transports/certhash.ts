/** What a /webrtc-direct address has to have, in the words for a terminal and for a page. */
import { Failure } from '../errors.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

export const NO_HASH = 'its /certhash is no sha2-256 hash'

/** The address, if it says which certificate is expected. Throws Failure. */
export function withCerthash(addr: Multiaddr): Multiaddr {
  if (addr.getComponents().some(({ name }) => name === 'certhash')) return addr
  throw new Failure('invalid_multiaddr', 'a /webrtc-direct address without its /certhash cannot be dialed', {
    phase: 'connect',
    hint: 'copy the whole address that the listener prints'
  })
}
