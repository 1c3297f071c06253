/** What the protobuf messages of several protocols have in common. They come from strangers: nothing is trusted. */
import { peerIdFromMultihash } from '@libp2p/peer-id'
import { type Reader, reader } from 'protons-runtime'
import type { PeerId } from '@libp2p/interface'

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2

export type Wire = typeof VARINT | typeof FIXED64 | typeof BYTES

export function tag(field: number, wire: Wire): number {
  return (field << 3) | wire
}

/** Calls `visit` for each known field; unknown ones are skipped, as protobuf asks, but for groups. */
export function eachField(
  bytes: Uint8Array,
  wires: Record<number, Wire>,
  visit: (field: number, r: Reader) => void
): void {
  const r = reader(bytes)
  while (r.pos < r.len) {
    const head = r.uint32()
    const field = head >>> 3
    const wire = head & 7
    if (field === 0 || wire === 3 || wire === 4) throw new Error(`field ${field} of wire type ${wire}`)
    const expected = wires[field]
    if (expected === undefined) r.skipType(wire)
    else if (expected === wire) visit(field, r)
    else throw new Error(`field ${field} of wire type ${wire}, not ${expected}`)
    // the reader lets some varints run over the end of the message, and takes what is missing for 0 (protons-runtime 7.1)
    if (r.pos > r.len || (wire === VARINT && bytes[r.pos - 1]! >= 0x80)) throw new Error('it ends within a field')
  }
}

const IDENTITY = 0
const SHA2_256 = 0x12

/** The peer ID that these bytes of a message stand for; throws when they are none. */
export function peerIdOf(bytes: Uint8Array): PeerId {
  const [code, size] = bytes
  const digest = bytes.subarray(2)
  // every kind of peer ID has a hash code and a length below 128, so one byte each
  const known = code === IDENTITY || (code === SHA2_256 && size === 32)
  if (!known || size !== digest.byteLength) throw new Error('not a peer ID')
  const parts = { digest: digest as Uint8Array<ArrayBuffer>, bytes: bytes as Uint8Array<ArrayBuffer> }
  const peer = libp2pIdOf({ code, size, ...parts })
  // libp2p takes an identity hash that is no key for a URL, which here would be any text that a stranger likes
  if (peer == null || peer.type === 'url') throw new Error('not a peer ID')
  return peer
}

/** Null where what is no key is no URL either (a TypeError of @libp2p/peer-id 6.0). */
function libp2pIdOf(hash: Parameters<typeof peerIdFromMultihash>[0]): PeerId | null {
  try {
    return peerIdFromMultihash(hash)
  } catch {
    return null
  }
}
