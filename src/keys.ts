import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { canonicalPeerId } from './addr-explain.ts'
import { Failure } from './errors.ts'
import { isFull, wordsFor } from './files.ts'
import {
  decodeKey,
  encodeKey,
  generateSecret,
  type KeyFormat,
  type KeyType,
  peerCid,
  publicProtobuf,
  type SecretKey
} from './key-formats.ts'
import { safe } from './safe.ts'
import type { PrivateKey } from '@libp2p/interface'
import type { Code, FailureOptions } from './errors.ts'

export interface KeyFile {
  key: PrivateKey
  peerId: string
  /** As Kubo and go-libp2p call them. */
  keyType: KeyType
}

const maxBytes = 16 * 1024

/** A key as it is kept, which need not be of a type that js-libp2p can use. */
export interface KeptKey {
  secret: SecretKey
  format: KeyFormat
  peerId: string
  /** Of libp2p's protobuf, in base64. */
  publicKey: string
}

/**
 * Writes a new private key as libp2p protobuf bytes, which go-libp2p and `ipfs key import
 * -f libp2p-protobuf-cleartext` read. See writeKeyFile.
 */
export async function generateKeyFile(path: string, type: KeyType = 'ed25519'): Promise<Omit<KeyFile, 'key'>> {
  const secret = await generateSecret(type)
  const described = { peerId: peerIdOf(secret), keyType: type }
  await writeKeyFile(path, encodeKey(secret, 'protobuf'))
  return described
}

/** Writes a private key for the owner's eyes only. Never overwrites, never leaves half a file. */
export async function writeKeyFile(path: string, bytes: Uint8Array | string): Promise<void> {
  const handle = await open(path, 'wx', 0o600).catch(error => {
    throw unwritable(path, error)
  })
  try {
    try {
      // the umask may have taken bits away, of the owner too
      await handle.chmod(0o600)
      await handle.writeFile(bytes)
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    await unlink(path).catch(() => {})
    throw unwritable(path, error)
  }
}

/**
 * Reads a private key file for an identity, in any of the forms of key-formats.ts. Throws Failure file_unreadable,
 * key_permissions, key_invalid.
 */
export async function readKeyFile(path: string): Promise<KeyFile> {
  const { secret, peerId } = await readKey(path)
  if (secret.type === 'ecdsa') {
    throw invalid(path, 'is ecdsa, and js-libp2p has no peer IDs for such keys', {
      hint: 'make another one with: p2pctl key gen FILE'
    })
  }
  const { privateKeyFromProtobuf } = await import('@libp2p/crypto/keys')
  try {
    const key = privateKeyFromProtobuf(encodeKey(secret, 'protobuf') as Uint8Array)
    return { key, peerId, keyType: secret.type }
  } catch (cause) {
    throw invalid(path, 'is not one that js-libp2p takes', { cause })
  }
}

/** Reads a private key file, whatever its type. Throws as readKeyFile does. */
export async function readKey(path: string): Promise<KeptKey> {
  return decodeKeyFile(await readSecretFile(path, 'private key'), path)
}

/** The bytes of a file that is for its owner's eyes only. Throws Failure file_unreadable, key_permissions, key_invalid. */
export async function readSecretFile(path: string, what: 'private key' | 'swarm key'): Promise<Buffer> {
  // without O_NONBLOCK the open of a FIFO waits for a writer, and nothing can end that wait
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(error => {
    throw unreadable(path, what, wordsFor(error), error)
  })
  try {
    return await readChecked(handle, path, what)
  } catch (error) {
    throw error instanceof Failure ? error : unreadable(path, what, wordsFor(error), error)
  } finally {
    await handle.close()
  }
}

/** What is checked is the open file, so that another one cannot take its place after the check. */
async function readChecked(handle: FileHandle, path: string, what: string): Promise<Buffer> {
  const stat = await handle.stat()
  if (!stat.isFile())
    throw unreadable(path, what, stat.isDirectory() ? 'it is a directory' : 'it is not a regular file')
  // on Windows these bits say nothing about who may read
  if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0')
    const message = `${what} ${shown(path)} is readable by others (mode ${mode})`
    throw new Failure('key_permissions', message, { hint: `chmod 600 ${quoted(path)}` })
  }
  const buffer = Buffer.alloc(maxBytes + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  if (length > maxBytes) throw new Failure('key_invalid', `${what} ${shown(path)} is larger than 16 KiB`)
  return buffer.subarray(0, length)
}

/** What stands in a private key file. Throws Failure key_invalid. */
export function decodeKeyFile(bytes: Buffer, path: string): KeptKey {
  if (bytes.length === 0) throw invalid(path, 'is empty')
  try {
    const { secret, format } = decodeKey(bytes)
    return { secret, format, peerId: peerIdOf(secret), publicKey: publicProtobuf(secret).toString('base64') }
  } catch (cause) {
    const pem = bytes.toString('latin1').trimStart().startsWith('-----BEGIN')
    const hint = pem
      ? 'of PEM, PKCS8, PKCS1 and SEC1 are read, unencrypted: openssl pkcs8 -in FILE -out NEW'
      : undefined
    throw invalid(path, 'is not a libp2p private key', { cause, hint })
  }
}

function peerIdOf(secret: SecretKey): string {
  return canonicalPeerId(peerCid(secret))!
}

function unwritable(path: string, cause: unknown): Failure {
  const code: Code = codeOf(cause) === 'EEXIST' ? 'file_exists' : isFull(cause) ? 'no_space' : 'file_unwritable'
  return new Failure(code, `cannot write ${shown(path)}: ${wordsFor(cause)}`, { cause })
}

function unreadable(path: string, what: string, why: string, cause?: unknown): Failure {
  return new Failure('file_unreadable', `cannot read ${what} ${shown(path)}: ${why}`, { cause })
}

function invalid(path: string, what: string, options?: FailureOptions): Failure {
  return new Failure('key_invalid', `private key ${shown(path)} ${what}`, options)
}

// longer than any path, so that it can be copied
function shown(path: string): string {
  return safe(path, 4096)
}

function quoted(path: string): string {
  return /^[\w./~+=:,@%-]+$/.test(path) ? path : `'${shown(path).replaceAll("'", "'\\''")}'`
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'unknown error'
}
