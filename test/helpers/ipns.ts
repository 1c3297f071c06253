import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { writer } from 'protons-runtime'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** DAG-CBOR of a small number, or of bytes or a text that are shorter than 256 bytes. */
function cbor(value: number | Uint8Array | string): Uint8Array {
  if (typeof value === 'number') return value < 24 ? Uint8Array.of(value) : Uint8Array.of(0x18, value)
  const content = Buffer.from(value)
  const major = typeof value === 'string' ? 0x60 : 0x40
  const head = content.length < 24 ? [major | content.length] : [major | 24, content.length]
  return Buffer.concat([Uint8Array.from(head), content])
}

export interface Parts {
  sequence?: number
  end?: string
  value?: string
  /** In the fields of older readers. */
  oldValue?: string
  signature?: Uint8Array
  withKey?: boolean
}

/** A record of IPNS, right unless a part says otherwise. */
export async function ipnsRecord(key: PrivateKey, parts: Parts = {}): Promise<Uint8Array> {
  const { sequence = 1, end = '2999-01-01T00:00:00Z', value = '/ipfs/x', oldValue = value, withKey = false } = parts
  const fields: [string, number | Uint8Array][] = [
    ['TTL', 60],
    ['Value', bytes(value)],
    ['Sequence', sequence],
    ['Validity', bytes(end)],
    ['ValidityType', 0]
  ]
  const data = Buffer.concat([Uint8Array.of(0xa5), ...fields.flatMap(([name, field]) => [cbor(name), cbor(field)])])
  const signature = parts.signature ?? (await key.sign(Buffer.concat([bytes('ipns-signature:'), data])))
  const w = writer().uint32(10).bytes(bytes(oldValue)).uint32(40).uint32(sequence)
  if (withKey) w.uint32(58).bytes(publicKeyToProtobuf(key.publicKey))
  return w.uint32(66).bytes(signature).uint32(74).bytes(data).finish()
}
