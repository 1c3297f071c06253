import type { Multiaddr } from '@multiformats/multiaddr'
export function rtcFailure(_addr: Multiaddr, _since: number): 'dtls' | 'ice' | null {
  return null
}
