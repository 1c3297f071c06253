/** The files of --cert, --key and --ca, read and checked before anything else is done with them. */
import { X509Certificate, createPrivateKey, type KeyObject } from 'node:crypto'
import { open } from 'node:fs/promises'
import { getCACertificates, rootCertificates } from 'node:tls'
import { type Code, Failure } from '../errors.ts'
import { wordsFor } from '../files.ts'
import { safe } from '../safe.ts'

const MAX_BYTES = 1 << 20

/** A certificate with the chain behind it, and its key, as `https.createServer()` takes them. Throws Failure. */
export async function readPair(certPath: string, keyPath: string): Promise<{ cert: string; key: string }> {
  const cert = await read(certPath, 'certificate')
  const key = await read(keyPath, 'private key')
  const [certificate] = certificatesIn(cert, certPath)
  if (!certificate!.checkPrivateKey(privateKeyIn(key, keyPath))) {
    const message = `the private key ${shown(keyPath)} does not belong to the certificate ${shown(certPath)}`
    throw new Failure('key_invalid', message, {
      hint: 'give the key that the certificate was made with',
      phase: 'listen'
    })
  }
  return { cert, key }
}

/** The certificates of a file, and all that Node trusts anyway. Throws Failure. */
export async function readAuthorities(path: string): Promise<string[]> {
  const text = await read(path, 'certificate')
  // as `ca` they stand in place of Node's own; before Node 22.15 nobody can ask for all of those
  const known = getCACertificates?.('default') ?? rootCertificates
  return [...known, ...certificatesIn(text, path).map(String)]
}

function certificatesIn(text: string, path: string): X509Certificate[] {
  const blocks = text.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) throw wrong('certificate_invalid', `there is no certificate in ${shown(path)}`)
  try {
    return blocks.map(block => new X509Certificate(block))
  } catch (cause) {
    const message = `a certificate in ${shown(path)} cannot be read`
    throw wrong('certificate_invalid', message, 'export it again as PEM', cause)
  }
}

function privateKeyIn(text: string, path: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (cause) {
    const hint = /ENCRYPTED/.test(text)
      ? 'it is encrypted: openssl pkey -in FILE -out NEW'
      : 'a PEM file has BEGIN PRIVATE KEY in it'
    throw wrong('key_invalid', `there is no private key to be read in ${shown(path)}`, hint, cause)
  }
}

async function read(path: string, what: 'certificate' | 'private key'): Promise<string> {
  try {
    await using file = await open(path)
    const stat = await file.stat()
    if (!stat.isFile()) throw wrong('file_unreadable', `${shown(path)} is no file`, 'give the path of a PEM file')
    if (stat.size > MAX_BYTES) throw wrong('file_unreadable', `${shown(path)} is larger than 1 MiB`, 'give a PEM file')
    // the owner's group may read it: so web servers have their keys
    if (what === 'private key' && process.platform !== 'win32' && (stat.mode & 0o007) !== 0) {
      throw wrong('key_permissions', `everybody can read the private key ${shown(path)}`, 'chmod o= FILE')
    }
    return await file.readFile('utf8')
  } catch (cause) {
    if (cause instanceof Failure) throw cause
    throw wrong('file_unreadable', `cannot read the ${what} ${shown(path)}: ${wordsFor(cause)}`, undefined, cause)
  }
}

function wrong(code: Code, message: string, hint?: string, cause?: unknown): Failure {
  return new Failure(code, message, { hint, cause })
}

function shown(path: string): string {
  return safe(path, 4096)
}
