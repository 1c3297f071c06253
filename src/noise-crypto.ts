import { createHmac, createSecretKey, type KeyObject } from 'node:crypto'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'

const FIRST = Uint8Array.of(1)
const SECOND = Uint8Array.of(2)
const THIRD = Uint8Array.of(3)

/** From here on its crypto takes node:crypto, and WebAssembly for what is shorter (@chainsafe/libp2p-noise 17.0). */
const NODE_BYTES = 1200

const keys = new WeakMap<Uint8Array, KeyObject>()

/** To make one of the bytes for each message takes as long as to encrypt 4 KiB of it. The library passes it through. */
function keyOf(bytes: Uint8Array): Uint8Array {
  const key = keys.get(bytes) ?? createSecretKey(bytes)
  keys.set(bytes, key)
  return key as unknown as Uint8Array
}

/** What noise uses, but for the hashes of its keys: those it computes in JavaScript, which is slow the first times. */
export const noiseCrypto: typeof defaultCrypto = {
  ...defaultCrypto,
  /** https://noiseprotocol.org/noise.html#hash-functions */
  getHKDF(chainingKey, input) {
    const secret = createHmac('sha256', chainingKey).update(input).digest()
    const first = createHmac('sha256', secret).update(FIRST).digest()
    const second = createHmac('sha256', secret).update(first).update(SECOND).digest()
    const third = createHmac('sha256', secret).update(second).update(THIRD).digest()
    return [first, second, third]
  },
  chaCha20Poly1305Encrypt: (plain, nonce, ad, key) =>
    defaultCrypto.chaCha20Poly1305Encrypt(plain, nonce, ad, plain.byteLength < NODE_BYTES ? key : keyOf(key)),
  chaCha20Poly1305Decrypt: (cipher, nonce, ad, key, into) =>
    defaultCrypto.chaCha20Poly1305Decrypt(cipher, nonce, ad, cipher.byteLength < NODE_BYTES ? key : keyOf(key), into)
}
