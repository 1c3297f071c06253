/** What the page needs of node:crypto. */
import { sha256 } from '@noble/hashes/sha2.js'

export interface Hash {
  update(data: Uint8Array): Hash
  digest(): Uint8Array
}

export function createHash(_algorithm: 'sha256'): Hash {
  return sha256.create()
}

export function randomBytes(size: number): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(size))
}
