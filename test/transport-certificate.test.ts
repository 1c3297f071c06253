import assert from 'node:assert/strict'
import { createHash, createPrivateKey, createPublicKey, randomBytes, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { certificateFrom } from '../src/transports/certificate.ts'

test('a seed gives a sound self-signed P-256 certificate, and the same bytes each time', () => {
  // often, since a number may begin with zeros
  for (let time = 0; time < 300; time++) {
    const seed = randomBytes(64)
    const { pem, privateKey, certhash } = certificateFrom(seed)
    assert.deepEqual(certificateFrom(seed), { pem, privateKey, certhash })
    const certificate = new X509Certificate(pem)
    const key = createPrivateKey(privateKey)
    assert.ok(certificate.verify(createPublicKey(key)), 'its signature holds')
    assert.ok(certificate.checkPrivateKey(key))
    assert.equal(key.asymmetricKeyDetails?.namedCurve, 'prime256v1')
    const digest = createHash('sha256').update(certificate.raw).digest()
    assert.equal(certhash, `u${Buffer.concat([Buffer.from([0x12, 0x20]), digest]).toString('base64url')}`)
  }
})

test('with an IP address in it, it is for a TLS server there and for no other', () => {
  const seed = randomBytes(32)
  const certificate = new X509Certificate(certificateFrom(seed, '127.0.0.1').pem)
  assert.equal(certificate.subjectAltName, 'IP Address:127.0.0.1')
  assert.equal(certificate.checkIP('127.0.0.1'), '127.0.0.1')
  assert.equal(certificate.checkIP('127.0.0.2'), undefined)
  assert.ok(certificate.verify(certificate.publicKey))
  assert.equal(new X509Certificate(certificateFrom(seed).pem).subjectAltName, undefined)
})

test('what it is for a known seed: it stands in addresses that people have written down', () => {
  assert.equal(certificateFrom(Buffer.alloc(32, 7)).certhash, 'uEiDvF-KdOuavYrosq15WoabhiA4g6XGCWFWZNhQPg7T-dQ')
})

test('another seed gives another key', () => {
  const [one, other] = [certificateFrom(Buffer.alloc(32, 1)), certificateFrom(Buffer.alloc(32, 2))]
  assert.notEqual(one.privateKey, other.privateKey)
  assert.notEqual(one.certhash, other.certhash)
})
