/**
 * The key of a private network, as Kubo keeps it in swarm.key:
 * https://github.com/libp2p/specs/blob/master/pnet/Private-Networks-PSK-V1.md
 */
import { createHash, randomBytes } from 'node:crypto'
import { Failure } from './errors.ts'
import { readSecretFile, writeKeyFile } from './keys.ts'
import { safe } from './safe.ts'

export interface SwarmKey {
  key: Buffer
  /** As Kubo prints it: "Swarm key fingerprint". */
  fingerprint: string
}

const HEADER = '/key/swarm/psk/1.0.0/'
const KEY_BYTES = 32

/** Writes a new one for the owner's eyes only, and never over another file. */
export async function generateSwarmKeyFile(path: string): Promise<SwarmKey> {
  const key = randomBytes(KEY_BYTES)
  await writeKeyFile(path, encodeSwarmKey(key))
  return { key, fingerprint: fingerprintOf(key) }
}

/** Throws Failure file_unreadable, key_permissions, key_invalid. */
export async function readSwarmKey(path: string): Promise<SwarmKey> {
  return decodeSwarmKeyFile(await readSecretFile(path, 'swarm key'), path)
}

/** What stands in a swarm key file. Throws Failure key_invalid. */
export function decodeSwarmKeyFile(bytes: Buffer, path: string): SwarmKey {
  try {
    return decodeSwarmKey(bytes)
  } catch (cause) {
    throw new Failure('key_invalid', `swarm key ${safe(path, 4096)} ${(cause as Error).message}`, {
      hint: 'make one with: p2pctl key psk FILE',
      cause
    })
  }
}

export function isSwarmKey(bytes: Uint8Array): boolean {
  return Buffer.from(bytes).toString('latin1').startsWith(HEADER)
}

/** The two lines and the key behind them, in any of the three encodings. Throws Error for everything else. */
export function decodeSwarmKey(bytes: Buffer): SwarmKey {
  const [head, coding, ...rest] = bytes.toString('latin1').split(/\r?\n/)
  if (head !== HEADER) throw new Error(`does not begin with ${HEADER}`)
  const key = keyBytes(coding, rest, bytes)
  if (key.length !== KEY_BYTES) throw new Error(`has a key of ${key.length} bytes, not ${KEY_BYTES}`)
  return { key, fingerprint: fingerprintOf(key) }
}

function keyBytes(coding: string | undefined, lines: string[], bytes: Buffer): Buffer {
  const text = lines.join('\n').trim()
  if (coding === '/base16/' && /^([0-9a-f]{2})*$/i.test(text)) return Buffer.from(text, 'hex')
  if (coding === '/base64/' && /^[A-Za-z0-9+/]*={0,2}$/.test(text)) return Buffer.from(text, 'base64')
  if (coding === '/bin/') return bytes.subarray(bytes.indexOf('/bin/\n') + '/bin/\n'.length)
  throw new Error(coding === '/base16/' || coding === '/base64/' ? 'is damaged' : 'has no /base16/ in its second line')
}

/** What @libp2p/pnet and Kubo read. */
export function encodeSwarmKey(key: Buffer): string {
  return `${HEADER}\n/base16/\n${key.toString('hex')}\n`
}

/** Kubo's: SHAKE-128 over the first block of Salsa20 under the key, so that the key itself is never hashed. */
export function fingerprintOf(key: Buffer): string {
  const block = salsa20Block(key, Buffer.from('finprint'))
  return createHash('shake128', { outputLength: 16 }).update(block).digest('hex')
}

const SIGMA = Buffer.from('expand 32-byte k')
/** The words of each quarter round: of the columns, then of the rows. */
const QUARTERS = [
  [0, 4, 8, 12],
  [5, 9, 13, 1],
  [10, 14, 2, 6],
  [15, 3, 7, 11],
  [0, 1, 2, 3],
  [5, 6, 7, 4],
  [10, 11, 8, 9],
  [15, 12, 13, 14]
] as const

/** Block 0 of Salsa20/20 (https://cr.yp.to/snuffle/spec.pdf), which neither Node nor OpenSSL has. */
export function salsa20Block(key: Buffer, nonce: Buffer): Buffer {
  const counter = Buffer.alloc(8)
  const parts = [SIGMA.subarray(0, 4), key.subarray(0, 16), SIGMA.subarray(4, 8), nonce, counter]
  const start = Buffer.concat([...parts, SIGMA.subarray(8, 12), key.subarray(16), SIGMA.subarray(12)])
  const input = Uint32Array.from({ length: 16 }, (_, at) => start.readUInt32LE(at * 4))
  const x = Uint32Array.from(input)
  const turn = (to: number, a: number, b: number, bits: number): void => {
    const sum = (x[a]! + x[b]!) >>> 0
    x[to]! ^= (sum << bits) | (sum >>> (32 - bits))
  }
  for (let round = 0; round < 10; round++) {
    for (const [a, b, c, d] of QUARTERS) {
      turn(b, a, d, 7)
      turn(c, b, a, 9)
      turn(d, c, b, 13)
      turn(a, d, c, 18)
    }
  }
  const block = Buffer.alloc(64)
  x.forEach((word, at) => void block.writeUInt32LE((word + input[at]!) >>> 0, at * 4))
  return block
}
