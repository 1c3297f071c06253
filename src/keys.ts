import { constants } from 'node:fs'
import { type FileHandle, open, unlink } from 'node:fs/promises'
import { Failure } from './errors.ts'
import { wordsFor } from './files.ts'
import { safe } from './safe.ts'
import type { PrivateKey } from '@libp2p/interface'
import type { Code, FailureOptions } from './errors.ts'

export interface KeyFile {
  key: PrivateKey
  peerId: string
  /** `ed25519`, `rsa` or `secp256k1`, as Kubo and go-libp2p call them. */
  keyType: string
}

const maxBytes = 16 * 1024

/**
 * Writes a new ed25519 private key as libp2p protobuf bytes, which go-libp2p and `ipfs key import
 * -f libp2p-protobuf-cleartext` read, for the owner's eyes only. Never overwrites, never leaves half a file.
 */
export async function generateKeyFile(path: string): Promise<Omit<KeyFile, 'key'>> {
  const { generateKeyPair, privateKeyToProtobuf } = await import('@libp2p/crypto/keys')
  const key = await generateKeyPair('Ed25519')
  const described = await describe(key)
  const handle = await open(path, 'wx', 0o600).catch(error => {
    throw unwritable(path, error)
  })
  try {
    try {
      // the umask may have taken bits away, of the owner too
      await handle.chmod(0o600)
      await handle.writeFile(privateKeyToProtobuf(key))
      await handle.sync()
    } finally {
      await handle.close()
    }
  } catch (error) {
    await unlink(path).catch(() => {})
    throw unwritable(path, error)
  }
  return described
}

/**
 * Reads a private key file: libp2p protobuf bytes, or their base64 as in Kubo's config (Identity.PrivKey). Throws
 * Failure file_unreadable, key_permissions, key_invalid.
 */
export async function readKeyFile(path: string): Promise<KeyFile> {
  // without O_NONBLOCK the open of a FIFO waits for a writer, and nothing can end that wait
  const handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)).catch(error => {
    throw unreadable(path, wordsFor(error), error)
  })
  let bytes: Buffer
  try {
    bytes = await readChecked(handle, path)
  } catch (error) {
    throw error instanceof Failure ? error : unreadable(path, wordsFor(error), error)
  } finally {
    await handle.close()
  }
  return await decode(bytes, path)
}

/** What is checked is the open file, so that another one cannot take its place after the check. */
async function readChecked(handle: FileHandle, path: string): Promise<Buffer> {
  const stat = await handle.stat()
  if (!stat.isFile()) throw unreadable(path, stat.isDirectory() ? 'it is a directory' : 'it is not a regular file')
  // on Windows these bits say nothing about who may read
  if (process.platform !== 'win32' && (stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o7777).toString(8).padStart(4, '0')
    const message = `private key ${shown(path)} is readable by others (mode ${mode})`
    throw new Failure('key_permissions', message, { hint: `chmod 600 ${quoted(path)}` })
  }
  const buffer = Buffer.alloc(maxBytes + 1)
  let length = 0
  while (length < buffer.length) {
    const { bytesRead } = await handle.read(buffer, length, buffer.length - length)
    if (bytesRead === 0) break
    length += bytesRead
  }
  if (length > maxBytes) throw invalid(path, 'is larger than 16 KiB')
  return buffer.subarray(0, length)
}

async function decode(bytes: Buffer, path: string): Promise<KeyFile> {
  if (bytes.length === 0) throw invalid(path, 'is empty')
  const { generateKeyPairFromSeed, privateKeyFromProtobuf } = await import('@libp2p/crypto/keys')
  const text = bytes.toString('latin1').replace(/\s+/g, '')
  // protobuf bytes begin with the tag 0x08, which is no base64
  const protobuf = /^[A-Za-z0-9+/]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : bytes
  try {
    const key = privateKeyFromProtobuf(protobuf)
    if (key.type === 'Ed25519') {
      // js-libp2p 3.3 takes the public half from the file unseen: a damaged one would make an identity that no
      // handshake can prove, and signing with a public key that is not its own gives an ed25519 private key away
      const { publicKey } = await generateKeyPairFromSeed('Ed25519', key.raw.subarray(0, 32))
      if (!publicKey.equals(key.publicKey)) throw new Error('the public half does not belong to the private half')
    }
    return { key, ...(await describe(key)) }
  } catch (cause) {
    const hint = text.startsWith('-----BEGIN') ? 'PEM is not read: give it as libp2p protobuf' : undefined
    throw invalid(path, 'is not a libp2p private key', { cause, hint })
  }
}

async function describe(key: PrivateKey): Promise<Omit<KeyFile, 'key'>> {
  const { peerIdFromPrivateKey } = await import('@libp2p/peer-id')
  return { peerId: peerIdFromPrivateKey(key).toString(), keyType: key.type.toLowerCase() }
}

function unwritable(path: string, cause: unknown): Failure {
  const error = codeOf(cause)
  const code = { EEXIST: 'file_exists', ENOSPC: 'no_space', EDQUOT: 'no_space' }[error] as Code | undefined
  return new Failure(code ?? 'file_unwritable', `cannot write ${shown(path)}: ${wordsFor(cause)}`, { cause })
}

function unreadable(path: string, why: string, cause?: unknown): Failure {
  return new Failure('file_unreadable', `cannot read private key ${shown(path)}: ${why}`, { cause })
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
