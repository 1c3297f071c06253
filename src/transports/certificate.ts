/**
 * Self-signed certificates. The hash of a webrtc-direct listener's is a part of its address, so it has to be the same in
 * each run with the same identity: key and signature are derived from the private key of the peer, and the rest is fixed.
 * WebRTC looks at the hash alone, and noise then shows who the peer is, so that nobody reads its names and dates.
 */
import { createECDH, createHash, createPrivateKey, hkdfSync } from 'node:crypto'

/** As `webRTCDirect({ certificate })` takes it. */
export interface Certificate {
  /** PKCS#8, PEM. */
  privateKey: string
  pem: string
  /** The multihash (sha2-256) of the DER, in base64url: what stands in the address. */
  certhash: string
}

/** The order of P-256. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n

/** A self-signed P-256 certificate, for an IPv4 address if there is one; the same seed gives the same bytes. */
export function certificateFrom(seed: Uint8Array, ip?: string): Certificate {
  const key = scalar(seed, 'p2pctl webrtc-direct key')
  const point = timesG(key)
  const toBeSigned = sequence(
    tagged(0xa0, integer(2n)),
    integer(1n),
    ECDSA_WITH_SHA256,
    NAME,
    sequence(tagged(0x17, Buffer.from('200101000000Z')), tagged(0x18, Buffer.from('99991231235959Z'))),
    NAME,
    sequence(sequence(EC_PUBLIC_KEY, P256), bitString(point)),
    ...(ip == null ? [] : [tagged(0xa3, sequence(alternativeName(ip)))])
  )
  const der = sequence(toBeSigned, ECDSA_WITH_SHA256, bitString(sign(toBeSigned, key, seed)))
  const jwk = {
    kty: 'EC',
    crv: 'P-256',
    d: bytesOf(key).toString('base64url'),
    x: point.subarray(1, 33).toString('base64url'),
    y: point.subarray(33).toString('base64url')
  }
  const multihash = Buffer.concat([Buffer.from([0x12, 0x20]), createHash('sha256').update(der).digest()])
  return {
    privateKey: createPrivateKey({ key: jwk, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' }).toString(),
    pem: `-----BEGIN CERTIFICATE-----\n${der.toString('base64').replace(/.{1,64}/g, '$&\n')}-----END CERTIFICATE-----\n`,
    certhash: `u${multihash.toString('base64url')}`
  }
}

/**
 * ECDSA as in FIPS 186-5. Node's own signatures are random, and would change the hash with each run. The secret number
 * comes from the seed and from what is signed, as in RFC 6979, so that no two messages ever share it.
 */
function sign(message: Uint8Array, key: bigint, seed: Uint8Array): Buffer {
  const digest = createHash('sha256').update(message).digest()
  const k = scalar(seed, `p2pctl webrtc-direct signature ${digest.toString('hex')}`)
  const r = numberOf(timesG(k).subarray(1, 33)) % N
  const s = (inverse(k) * (numberOf(digest) + r * key)) % N
  return sequence(integer(r), integer(s))
}

/** From 1 to N - 1; 128 bits more than it needs leave no bias. */
function scalar(seed: Uint8Array, info: string): bigint {
  return (numberOf(Buffer.from(hkdfSync('sha256', seed, '', info, 48))) % (N - 1n)) + 1n
}

/** The uncompressed point. */
function timesG(k: bigint): Buffer {
  const curve = createECDH('prime256v1')
  curve.setPrivateKey(bytesOf(k))
  return curve.getPublicKey()
}

/** Modulo N, by Euclid. */
function inverse(a: bigint): bigint {
  let [r, s, x, y] = [a, N, 1n, 0n]
  while (s !== 0n) {
    const quotient = r / s
    ;[r, s, x, y] = [s, r - quotient * s, y, x - quotient * y]
  }
  return ((x % N) + N) % N
}

function numberOf(bytes: Buffer): bigint {
  return BigInt(`0x${bytes.toString('hex')}`)
}

function bytesOf(number: bigint): Buffer {
  return Buffer.from(number.toString(16).padStart(64, '0'), 'hex')
}

// DER, as far as it is needed here

function tagged(tag: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat(parts)
  const { length } = body
  const head = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...head]), body])
}

function sequence(...parts: Uint8Array[]): Buffer {
  return tagged(0x30, ...parts)
}

function integer(number: bigint): Buffer {
  const hex = number.toString(16)
  const bytes = Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex')
  return tagged(0x02, Buffer.from(bytes[0]! >= 0x80 ? [0] : []), bytes)
}

function bitString(bytes: Uint8Array): Buffer {
  return tagged(0x03, Buffer.from([0]), bytes)
}

/** An address as a client looks for it: the common name is for nobody any more. */
function alternativeName(ip: string): Buffer {
  const name = tagged(0x87, Buffer.from(ip.split('.').map(Number)))
  return sequence(objectId('551d11'), tagged(0x04, sequence(name)))
}

function objectId(hex: string): Buffer {
  return tagged(0x06, Buffer.from(hex, 'hex'))
}

const ECDSA_WITH_SHA256 = sequence(objectId('2a8648ce3d040302'))
const EC_PUBLIC_KEY = objectId('2a8648ce3d0201')
const P256 = objectId('2a8648ce3d030107')
const NAME = sequence(tagged(0x31, sequence(objectId('550403'), tagged(0x0c, Buffer.from('p2pctl')))))
