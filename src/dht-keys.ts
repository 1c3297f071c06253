/** What is looked for in a DHT, as a person writes it and as the nodes compare it. */
import { createHash } from 'node:crypto'
import { peerIdFromString } from '@libp2p/peer-id'
import { base36 } from 'multiformats/bases/base36'
import { CID } from 'multiformats/cid'
import { canonicalPeerId } from './addr.ts'
import { Failure } from './errors.ts'
import { safe } from './safe.ts'

/** The place of a key (of the bytes that stand for a peer or a content) in the DHT. */
export function hashOf(key: Uint8Array): bigint {
  return BigInt(`0x${createHash('sha256').update(key).digest('hex')}`)
}

/** How many leading bits two places have in common. */
export function commonBits(a: bigint, b: bigint): number {
  const distance = a ^ b
  return 256 - (distance === 0n ? 0 : distance.toString(2).length)
}

/** The bytes of a peer ID. */
export function idBytes(peerId: string): Uint8Array {
  return peerIdFromString(peerId).toMultihash().bytes
}

export function parsePeerId(text: string): string {
  const peerId = canonicalPeerId(text.replace(/^\/p2p\//, ''))
  if (peerId != null) return peerId
  throw new Failure('invalid_option', `"${safe(text)}" is not a peer ID`, {
    hint: 'a peer ID looks like 12D3KooW... or Qm...'
  })
}

/** A CID -> its multihash: nodes know content by its hash, whatever the codec. */
export function parseCid(text: string): Uint8Array {
  const cid = cidOf(text.replace(/^\/ipfs\//, ''))
  if (cid != null) return cid
  throw new Failure('invalid_option', `"${safe(text)}" is not a CID`, { hint: 'a CID looks like bafy... or Qm...' })
}

/** A peer ID, a CID or a record's key. */
export function parseAny(text: string): Uint8Array {
  const peerId = canonicalPeerId(text)
  if (peerId != null) return idBytes(peerId)
  return cidOf(text.replace(/^\/ipfs\//, '')) ?? parseRecordKey(text).key
}

export interface RecordKey {
  /** As it was given. */
  text: string
  key: Uint8Array
  /** `pk`, `ipns`, or any other. */
  namespace: string
  /** Whose record it is, of /pk and /ipns. */
  peerId: string | null
}

/** `/v/hello`; `/pk/PEER` and `/ipns/NAME`, which hold the bytes of the peer ID. */
export function parseRecordKey(text: string): RecordKey {
  const [, namespace = '', name = ''] = /^\/([^/]+)\/(.+)$/s.exec(text) ?? []
  if (name === '') {
    throw new Failure('invalid_option', `"${safe(text)}" is not a key of the DHT`, {
      hint: 'a key has a namespace: /v/NAME, /pk/PEER-ID, /ipns/NAME'
    })
  }
  if (namespace !== 'pk' && namespace !== 'ipns') {
    return { text, key: new TextEncoder().encode(text), namespace, peerId: null }
  }
  const peerId = parsePeerId(name)
  return { text, key: Buffer.concat([Buffer.from(`/${namespace}/`), idBytes(peerId)]), namespace, peerId }
}

function cidOf(text: string): Uint8Array | undefined {
  try {
    return (text.startsWith('k') ? CID.parse(text, base36) : CID.parse(text)).multihash.bytes
  } catch {
    return undefined
  }
}
