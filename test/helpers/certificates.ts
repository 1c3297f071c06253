// first, since @peculiar/x509 needs it
import 'reflect-metadata'
import { webcrypto } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as x509 from '@peculiar/x509'

// handed to each call: as the default of the package it would be that of @libp2p/webrtc too
const crypto = webcrypto as never
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
type Keys = webcrypto.CryptoKeyPair
const DAY_MS = 86_400_000

export interface Pair {
  cert: string
  key: string
}

export interface Certificates extends Disposable {
  folder: string
  /** The authority's own certificate. */
  ca: string
  /** A certificate that the authority has signed, as files. */
  sign(name: string, options?: { names?: x509.JsonGeneralNames; from?: number; days?: number }): Promise<Pair>
  /** One that nobody has signed but itself. */
  selfSigned(name: string): Promise<Pair>
}

const loopback: x509.JsonGeneralNames = [
  { type: 'dns', value: 'localhost' },
  { type: 'ip', value: '127.0.0.1' }
]

/** An authority of the test's own, with its files in a folder that goes away with it. */
export async function certificates(): Promise<Certificates> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-tls-'))
  const authorityKeys = await newKeys()
  const authority = await x509.X509CertificateGenerator.createSelfSigned(
    {
      name: 'CN=p2pctl test authority',
      keys: authorityKeys,
      signingAlgorithm: algorithm,
      notBefore: new Date(Date.now() - DAY_MS),
      notAfter: new Date(Date.now() + 30 * DAY_MS),
      extensions: [new x509.BasicConstraintsExtension(true, 0, true)]
    },
    crypto
  )
  const file = (name: string, text: string, mode = 0o600): string => {
    const path = join(folder, name)
    writeFileSync(path, text, { mode })
    return path
  }
  const pair = async (name: string, certificate: x509.X509Certificate, keys: Keys): Promise<Pair> => ({
    cert: file(`${name}.crt`, certificate.toString('pem')),
    key: file(`${name}.key`, pemOf(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)))
  })
  return {
    folder,
    ca: file('ca.crt', authority.toString('pem')),
    async sign(name, { names = loopback, from = -1, days = 30 } = {}) {
      const keys = await newKeys()
      const certificate = await x509.X509CertificateGenerator.create(
        {
          subject: `CN=${name}`,
          issuer: authority.subject,
          publicKey: keys.publicKey,
          signingKey: authorityKeys.privateKey,
          signingAlgorithm: algorithm,
          notBefore: new Date(Date.now() + from * DAY_MS),
          notAfter: new Date(Date.now() + (from + days) * DAY_MS),
          extensions: [new x509.SubjectAlternativeNameExtension(names)]
        },
        crypto
      )
      return await pair(name, certificate, keys)
    },
    async selfSigned(name) {
      const keys = await newKeys()
      const certificate = await x509.X509CertificateGenerator.createSelfSigned(
        {
          name: `CN=${name}`,
          keys,
          signingAlgorithm: algorithm,
          extensions: [new x509.SubjectAlternativeNameExtension(loopback)]
        },
        crypto
      )
      return await pair(name, certificate, keys)
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true })
  }
}

async function newKeys(): Promise<Keys> {
  return (await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as Keys
}

function pemOf(der: ArrayBuffer): string {
  const lines = Buffer.from(der)
    .toString('base64')
    .match(/.{1,64}/g)!
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`
}
