import { BlockList, isIP } from 'node:net'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { canonicalPeerId } from './addr.ts'
import { Failure } from './errors.ts'
import { ipOf } from './protocols/reservations.ts'
import { safe } from './safe.ts'

/** Whether a peer at an address may do something. */
export type Access = (peer: PeerId, addr: Multiaddr) => boolean

/**
 * Peer IDs, IP addresses and CIDR blocks -> who may: with a list of the allowed nobody else, and never those that are
 * denied. Throws Failure invalid_option.
 */
export function accessOf(lists: { allow?: string[] | undefined; deny?: string[] | undefined }): Access {
  const allowed = lists.allow == null ? null : matcher('--allow', lists.allow)
  const denied = matcher('--deny', lists.deny ?? [])
  return (peer, addr) => !denied(peer, addr) && (allowed == null || allowed(peer, addr))
}

function matcher(option: string, list: string[]): Access {
  const peers = new Set<string>()
  const hosts = new BlockList()
  for (const text of list) {
    const peerId = canonicalPeerId(text)
    if (peerId != null) peers.add(peerId)
    else addBlock(hosts, text, option)
  }
  return (peer, addr) => {
    const ip = ipOf(addr)
    return peers.has(peer.toString()) || (ip != null && hosts.check(ip, isIP(ip) === 6 ? 'ipv6' : 'ipv4'))
  }
}

function addBlock(hosts: BlockList, text: string, option: string): void {
  const [, net = '', prefix] = /^([\da-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text) ?? []
  const version = isIP(net)
  const bits = version === 6 ? 128 : 32
  const length = prefix == null ? bits : Number(prefix)
  if (version === 0 || length > bits) {
    throw new Failure('invalid_option', `${option} ${safe(text)} is no peer ID, no IP address and no block of them`, {
      hint: 'write 12D3KooW..., 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32'
    })
  }
  hosts.addSubnet(net, length, version === 6 ? 'ipv6' : 'ipv4')
}
