/** Whether an IPNS record is what its name says: https://specs.ipfs.tech/ipns/ipns-record/#record-verification */
import type { PublicKey } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { BYTES, eachField, VARINT } from './fields.ts'

const MAX_BYTES = 10 << 10
const PREFIX = Buffer.from('ipns-signature:')

interface Entry {
  value?: Uint8Array
  sequence?: bigint
  publicKey?: Uint8Array
  signature?: Uint8Array
  data?: Uint8Array
}

/** What is wrong with the record, or null; and its sequence number, of which the greater one is newer. */
export async function ipnsProblem(
  peerId: string,
  bytes: Uint8Array
): Promise<{ problem: string | null; sequence: bigint }> {
  const wrong = (problem: string) => ({ problem, sequence: 0n })
  if (bytes.length > MAX_BYTES) return wrong(`it is longer than ${MAX_BYTES} bytes`)
  let entry: Entry
  let data: Map<string, bigint | Uint8Array>
  try {
    entry = decodeEntry(bytes)
    data = decodeData(entry.data ?? new Uint8Array(0))
  } catch {
    return wrong('it is no IPNS record')
  }
  const key = await keyOf(peerId, entry.publicKey)
  if (key == null) return wrong("it does not hold the name's public key")
  const signed = Buffer.concat([PREFIX, entry.data!])
  if (!(await signedBy(key, signed, entry.signature))) {
    return wrong("its signature is not that of the name's key")
  }
  const [value, sequence, validity] = [data.get('Value'), data.get('Sequence'), data.get('Validity')]
  if (!(value instanceof Uint8Array) || typeof sequence !== 'bigint' || !(validity instanceof Uint8Array)) {
    return wrong('a field is missing')
  }
  // the fields outside of what is signed are for older readers, and must not say something else
  const differs = entry.value != null && Buffer.compare(entry.value, value) !== 0
  if (differs || (entry.sequence ?? sequence) !== sequence) return wrong('what it says twice differs')
  const end = Date.parse(Buffer.from(validity).toString())
  // what is no date is no end that could lie ahead
  if (!(end > Date.now())) return wrong('it has expired')
  return { problem: null, sequence }
}

async function keyOf(peerId: string, given: Uint8Array | undefined): Promise<PublicKey | null> {
  const name = peerIdFromString(peerId)
  if (name.publicKey != null) return name.publicKey as PublicKey
  if (given == null) return null
  const { publicKeyFromProtobuf } = await import('@libp2p/crypto/keys')
  try {
    const key = publicKeyFromProtobuf(given)
    return Buffer.compare(key.toMultihash().bytes, name.toMultihash().bytes) === 0 ? key : null
  } catch {
    return null
  }
}

async function signedBy(
  key: PublicKey,
  bytes: Uint8Array,
  signature: Uint8Array = new Uint8Array(0)
): Promise<boolean> {
  try {
    return await key.verify(bytes, signature)
  } catch {
    // one of another length is an error and not a false to @libp2p/crypto 5.1
    return false
  }
}

function decodeEntry(bytes: Uint8Array): Entry {
  const entry: Entry = {}
  eachField(bytes, { 1: BYTES, 5: VARINT, 7: BYTES, 8: BYTES, 9: BYTES }, (field, r) => {
    if (field === 1) entry.value = r.bytes()
    else if (field === 5) entry.sequence = r.uint64()
    else if (field === 7) entry.publicKey = r.bytes()
    else if (field === 8) entry.signature = r.bytes()
    else entry.data = r.bytes()
  })
  return entry
}

const UNSIGNED = 0
const BYTE_STRING = 2
const TEXT = 3
const MAP = 5

/** DAG-CBOR, as far as the records use it: one map of texts to bytes or numbers. */
function decodeData(bytes: Uint8Array): Map<string, bigint | Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let at = 0
  const head = (): { major: number; count: bigint } => {
    const first = view.getUint8(at++)
    const size = first & 31
    const width = size < 24 ? 0 : size < 28 ? 1 << (size - 24) : Number.NaN
    let count = width === 0 ? BigInt(size) : 0n
    for (let i = 0; i < width; i++) count = (count << 8n) | BigInt(view.getUint8(at++))
    if (Number.isNaN(width)) throw new Error('a length that DAG-CBOR does not have')
    return { major: first >> 5, count }
  }
  const take = (count: bigint): Uint8Array => {
    const end = at + Number(count)
    if (end > bytes.length) throw new Error('it ends within a value')
    const taken = bytes.subarray(at, end)
    at = end
    return taken
  }
  const map = head()
  if (map.major !== MAP) throw new Error('no map')
  const fields = new Map<string, bigint | Uint8Array>()
  for (let i = 0n; i < map.count; i++) {
    const name = head()
    if (name.major !== TEXT) throw new Error('a key that is no text')
    const key = Buffer.from(take(name.count)).toString()
    const value = head()
    if (value.major === UNSIGNED) fields.set(key, value.count)
    else if (value.major === BYTE_STRING || value.major === TEXT) fields.set(key, take(value.count))
    else throw new Error(`a value of major type ${value.major}`)
  }
  return fields
}
