/**
 * Private keys between the forms that they are kept in: libp2p's protobuf, which `ipfs key export` writes too, its
 * base64 as in Kubo's config, and PEM. https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
 */
import { createECDH, createHash, createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { base36 } from './peer-forms.ts'

/** In the order of libp2p's KeyType. */
export const keyTypes = ['rsa', 'ed25519', 'secp256k1', 'ecdsa'] as const
export type KeyType = (typeof keyTypes)[number]

/** What a key can be written as. */
export const keyFormats = ['protobuf', 'pem', 'kubo'] as const
export type KeyFormat = (typeof keyFormats)[number]

/** The two fields of libp2p's PrivateKey message. */
export interface SecretKey {
  type: KeyType
  data: Buffer
}

const MOST_BYTES_IN_ID = 42
const libp2pKey = [0x01, 0x72]
const pkcs8Ed25519 = Buffer.from('302e020100300506032b657004220420', 'hex')

export async function generateSecret(type: KeyType): Promise<SecretKey> {
  // typed by overloads, of which promisify takes one only
  const generate = promisify(generateKeyPair) as (kind: string, options: object) => Promise<{ privateKey: KeyObject }>
  const { privateKey } =
    type === 'ed25519'
      ? await generate('ed25519', {})
      : type === 'rsa'
        ? await generate('rsa', { modulusLength: 2048 })
        : await generate('ec', { namedCurve: type === 'ecdsa' ? 'prime256v1' : 'secp256k1' })
  return secretOf(privateKey)
}

/** Reads any of the forms; `format` names the one that it is. Throws Error for everything else. */
export function decodeKey(bytes: Buffer): { secret: SecretKey; format: KeyFormat } {
  const text = bytes.toString('latin1').trim()
  if (text.startsWith('-----BEGIN')) return { secret: secretOf(createPrivateKey(text)), format: 'pem' }
  // the whole of Kubo's config, or the one value in it
  const value = text.startsWith('{') ? String(JSON.parse(text)?.Identity?.PrivKey) : text.replace(/\s+/g, '')
  // protobuf bytes begin with the tag 0x08, which is no base64
  const base64 = /^[A-Za-z0-9+/]+={0,2}$/.test(value)
  return { secret: fromProtobuf(base64 ? Buffer.from(value, 'base64') : bytes), format: base64 ? 'kubo' : 'protobuf' }
}

export function encodeKey(secret: SecretKey, format: KeyFormat): Uint8Array | string {
  if (format === 'pem') return keyObject(secret).export({ type: 'pkcs8', format: 'pem' })
  const bytes = toProtobuf(secret)
  return format === 'kubo' ? `${bytes.toString('base64')}\n` : bytes
}

/** The public key as libp2p writes it, a protobuf. */
export function publicProtobuf(secret: SecretKey): Buffer {
  return toProtobuf({ type: secret.type, data: publicData(secret) })
}

/** The peer ID as a CIDv1 in base36, by the specification: for ecdsa too, which js-libp2p has none for. */
export function peerCid(secret: SecretKey): string {
  const bytes = publicProtobuf(secret)
  const inline = bytes.length <= MOST_BYTES_IN_ID
  const digest = inline ? bytes : createHash('sha256').update(bytes).digest()
  return base36(Buffer.from([...libp2pKey, inline ? 0x00 : 0x12, digest.length, ...digest]))
}

function publicData(secret: SecretKey): Buffer {
  const key = createPublicKey(keyObject(secret))
  if (secret.type === 'ed25519') return fromJwk(key, 'x')
  if (secret.type !== 'secp256k1') return key.export({ type: 'spki', format: 'der' })
  return Buffer.from([2 + (fromJwk(key, 'y').at(-1)! & 1), ...fromJwk(key, 'x')])
}

function keyObject({ type, data }: SecretKey): KeyObject {
  if (type === 'rsa') return createPrivateKey({ key: data, format: 'der', type: 'pkcs1' })
  if (type === 'ecdsa') return createPrivateKey({ key: data, format: 'der', type: 'sec1' })
  if (type === 'ed25519') {
    return createPrivateKey({ key: Buffer.concat([pkcs8Ed25519, data.subarray(0, 32)]), format: 'der', type: 'pkcs8' })
  }
  const curve = createECDH('secp256k1')
  curve.setPrivateKey(data)
  const point = curve.getPublicKey()
  const [d, x, y] = [data, point.subarray(1, 33), point.subarray(33)].map(part => part.toString('base64url'))
  return createPrivateKey({ key: { kty: 'EC', crv: 'secp256k1', d, x, y }, format: 'jwk' })
}

function secretOf(key: KeyObject): SecretKey {
  const kind = key.asymmetricKeyType
  if (kind === 'rsa') return { type: 'rsa', data: key.export({ type: 'pkcs1', format: 'der' }) }
  if (kind === 'ed25519') return { type: 'ed25519', data: Buffer.concat([fromJwk(key, 'd'), fromJwk(key, 'x')]) }
  const curve = kind === 'ec' ? key.asymmetricKeyDetails?.namedCurve : undefined
  if (curve === 'secp256k1') return { type: 'secp256k1', data: fromJwk(key, 'd') }
  if (curve === 'prime256v1' || curve === 'secp384r1' || curve === 'secp521r1') {
    return { type: 'ecdsa', data: key.export({ type: 'sec1', format: 'der' }) }
  }
  throw new Error(`libp2p has no keys of type ${curve ?? kind}`)
}

function fromJwk(key: KeyObject, name: 'd' | 'x' | 'y'): Buffer {
  return Buffer.from(key.export({ format: 'jwk' })[name]!, 'base64url')
}

function toProtobuf({ type, data }: SecretKey): Buffer {
  const length = data.length < 128 ? [data.length] : [(data.length & 127) | 128, data.length >> 7]
  return Buffer.concat([Buffer.from([0x08, keyTypes.indexOf(type), 0x12, ...length]), data])
}

/** The two fields in their order, which is the only encoding that the specification allows. */
function fromProtobuf(bytes: Buffer): SecretKey {
  const type = keyTypes[bytes[1] ?? -1]
  if (bytes[0] !== 0x08 || bytes[2] !== 0x12 || type === undefined) throw new Error('not a PrivateKey message')
  const long = bytes[3]! >= 128
  const length = long ? (bytes[3]! & 127) | (bytes[4]! << 7) : bytes[3]!
  const data = bytes.subarray(long ? 5 : 4)
  if (data.length !== length) throw new Error(`${data.length} bytes of a key of ${length}`)
  if (type === 'secp256k1' && length !== 32) throw new Error('a secp256k1 key has 32 bytes')
  return type === 'ed25519' ? wholeEd25519(data) : { type, data }
}

/**
 * js-libp2p 3.3 takes the public half unseen: a damaged one would make an identity that no handshake can prove, and
 * signing with a public key that is not its own gives an ed25519 private key away. Old files hold that half twice.
 */
function wholeEd25519(data: Buffer): SecretKey {
  const secret: SecretKey = { type: 'ed25519', data: data.subarray(0, 64) }
  const own = data.length === 64 || data.length === 96 ? publicData(secret) : undefined
  const halves = [data.subarray(32, 64), ...(data.length === 96 ? [data.subarray(64)] : [])]
  if (own !== undefined && halves.every(half => half.equals(own))) return secret
  throw new Error('the public half does not belong to the private half')
}
