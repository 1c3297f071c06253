import { createHmac } from 'node:crypto'
import { defaultCrypto } from '@chainsafe/libp2p-noise/crypto'

const FIRST = Uint8Array.of(1)
const SECOND = Uint8Array.of(2)
const THIRD = Uint8Array.of(3)

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
  }
}
