import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { parseAny, parseCid, parseRecordKey } from '../src/dht-keys.ts'
import { openBallot, validate } from '../src/dht-records.ts'
import { ipnsRecord, type Parts } from './helpers/ipns.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const key = await generateKeyPair('Ed25519')
const name = parseRecordKey(`/ipns/${peerIdFromPrivateKey(key)}`)

test('an IPNS record is valid when its name has signed it, and it has not expired', async () => {
  const cases: [Parts, string | null][] = [
    [{}, null],
    [{ sequence: 200 }, null],
    [{ end: '2001-01-01T00:00:00Z' }, 'it has expired'],
    [{ end: 'never' }, 'it has expired'],
    [{ oldValue: '/ipfs/y' }, 'what it says twice differs'],
    [{ signature: new Uint8Array(64) }, "its signature is not that of the name's key"],
    [{ signature: new Uint8Array(7) }, "its signature is not that of the name's key"]
  ]
  for (const [parts, problem] of cases) {
    const verdict = await validate(name, await ipnsRecord(key, parts))
    assert.deepEqual([verdict.valid, verdict.problem], [problem == null, problem], JSON.stringify(parts))
  }
  const other = await generateKeyPair('Ed25519')
  assert.equal((await validate(name, await ipnsRecord(other))).valid, false)
})

test('a name that is a hash needs the public key in the record', async () => {
  const rsa = await generateKeyPair('RSA', 2048)
  const hashed = parseRecordKey(`/ipns/${peerIdFromPrivateKey(rsa)}`)
  assert.equal((await validate(hashed, await ipnsRecord(rsa, { withKey: true }))).problem, null)
  const problem = "it does not hold the name's public key"
  assert.equal((await validate(hashed, await ipnsRecord(rsa))).problem, problem)
})

test('what is no IPNS record at all', async () => {
  const good = await ipnsRecord(key)
  for (const value of [new Uint8Array(0), bytes('x'), good.subarray(0, -3), new Uint8Array(20_000)]) {
    assert.equal((await validate(name, value)).valid, false)
  }
})

test('of several records the newest valid one is chosen, however many nodes keep an older one', async () => {
  const ballot = openBallot(name)
  const old = await ipnsRecord(key, { sequence: 1 })
  const expired = await ipnsRecord(key, { sequence: 9, end: '2001-01-01T00:00:00Z' })
  for (const value of [old, old, old, expired, await ipnsRecord(key, { sequence: 2, value: '/ipfs/new' })]) {
    await ballot.count({ key: name.key, value })
  }
  const told = ballot.values().map(({ peers, valid, chosen }) => [peers, valid, chosen])
  assert.deepEqual(told, [
    [1, true, true],
    [3, true, false],
    [1, false, false]
  ])
})

test('values that nodes make up are not kept without an end', async () => {
  const ballot = openBallot(parseRecordKey('/v/x'))
  for (let i = 0; i < 100; i++) await ballot.count({ key: bytes('/v/x'), value: Uint8Array.of(i) })
  assert.equal(ballot.values().length, 16)
})

test('a key as a person writes it -> its bytes', () => {
  const peerId = peerIdFromPrivateKey(key)
  const own = Buffer.from(peerId.toMultihash().bytes)
  assert.deepEqual(Buffer.from(parseAny(peerId.toString())), own)
  assert.deepEqual(Buffer.from(parseAny(peerId.toCID().toString())), own)
  assert.deepEqual(Buffer.from(parseRecordKey(`/pk/${peerId}`).key), Buffer.concat([bytes('/pk/'), own]))
  assert.deepEqual(Buffer.from(parseAny('/v/hello')), Buffer.from('/v/hello'))
  const hash = Buffer.from(parseCid('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKSWnP'))
  assert.equal(hash.length, 34)
  // the same content by another codec is at the same place
  assert.deepEqual(
    Buffer.from(parseCid(CID.parse('QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKSWnP').toV1().toString())),
    hash
  )
})
