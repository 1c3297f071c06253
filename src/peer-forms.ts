import { peerIdFromString } from '@libp2p/peer-id'
import type { FieldsOf } from './events.ts'

export type PeerForms = NonNullable<FieldsOf<'addr.parse'>['peer']>

/** The spellings of a peer ID, and the type of its key where the ID holds the key itself (a Qm... is only a hash). */
export function peerForms(peerId: string): PeerForms {
  const peer = peerIdFromString(peerId)
  const { bytes } = peer.toCID()
  return {
    peer_id: peerId,
    cid_base32: peer.toCID().toString(),
    cid_base36: base36(bytes),
    key_type: peerId.startsWith('Qm') ? null : peer.type.toLowerCase()
  }
}

/** Multibase base36 of bytes whose first is not 0, as a CIDv1's. */
export function base36(bytes: Uint8Array): string {
  return `k${BigInt(`0x${Buffer.from(bytes).toString('hex')}`).toString(36)}`
}
