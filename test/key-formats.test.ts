import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import keyConvert from '../src/commands/key-convert.ts'
import keyGen from '../src/commands/key-gen.ts'
import keyShow from '../src/commands/key-show.ts'
import { type KeyFormat, keyFormats, keyTypes } from '../src/key-formats.ts'
import { readKeyFile } from '../src/keys.ts'
import { collect, failureOf, one } from './helpers/collect.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-formats-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
const fresh = () => join(folder, `${++count}.key`)
const write = (bytes: string | Uint8Array): string => {
  const path = fresh()
  writeFileSync(path, bytes, { mode: 0o600 })
  return path
}
const show = async (file: string) => one(await collect(keyShow, { file }), 'key.show')
const convert = async (file: string, to: KeyFormat): Promise<string> => {
  const out = fresh()
  await collect(keyConvert, { file, out, to })
  return out
}

// the test vectors of https://github.com/libp2p/specs/blob/master/peer-ids/peer-ids.md
const vectors = {
  ed25519: [
    '080112407e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e',
    '080112201ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e'
  ],
  secp256k1: [
    '0802122053dadf1d5a164d6b4acdb15e24aa4c5b1d3461bdbd42abedb0a4404d56ced8fb',
    '08021221037777e994e452c21604f91de093ce415f5432f701dd8cd1a7a6fea0e630bfca99'
  ],
  ecdsa: [
    '08031279307702010104203e5b1fe9712e6c314942a750bd67485de3c1efe85b1bfb520ae8f9ae3dfa4a4ca00a06082a8648ce3d030107a14403420004de3d300fa36ae0e8f5d530899d83abab44abf3161f162a4bc901d8e6ecda020e8b6d5f8da30525e71d6851510c098e5c47c646a597fb4dcec034e9f77c409e62',
    '0803125b3059301306072a8648ce3d020106082a8648ce3d03010703420004de3d300fa36ae0e8f5d530899d83abab44abf3161f162a4bc901d8e6ecda020e8b6d5f8da30525e71d6851510c098e5c47c646a597fb4dcec034e9f77c409e62'
  ]
} as const

test("the specification's vectors give its public keys", async () => {
  for (const [type, [secret, expected]] of Object.entries(vectors)) {
    const { key_type, public_key, format } = await show(write(Buffer.from(secret, 'hex')))
    assert.deepEqual([key_type, format], [type, 'protobuf'])
    assert.equal(Buffer.from(public_key!, 'base64').toString('hex'), expected)
  }
})

test('an ecdsa key has the peer ID of the specification: the sha256 of its public key', async () => {
  const [secret, expected] = vectors.ecdsa
  const { peer_id, cid_base36 } = await show(write(Buffer.from(secret, 'hex')))
  const digest = createHash('sha256').update(Buffer.from(expected, 'hex')).digest('hex')
  assert.equal(Buffer.from(peerIdFromString(peer_id).toMultihash().bytes).toString('hex'), `1220${digest}`)
  assert.equal(peerIdFromString(cid_base36!).toString(), peer_id)
})

test('js-libp2p has no peer ID for ecdsa keys', async () => {
  // the day this fails, --identity can take them
  const key = await generateKeyPair('ECDSA')
  assert.throws(() => peerIdFromPrivateKey(key as never), { name: 'UnsupportedKeyTypeError' })
})

for (const type of keyTypes) {
  test(`a new ${type} key says the same as js-libp2p, and keeps its ID through every form`, async () => {
    const file = fresh()
    const made = one(await collect(keyGen, { file, type }), 'key.show')
    const shown = await show(file)
    assert.deepEqual([made.key_type, made.peer_id, made.created], [type, shown.peer_id, true])
    const key = privateKeyFromProtobuf(readFileSync(file))
    if (type !== 'ecdsa') {
      assert.equal(peerIdFromPrivateKey(key as never).toString(), shown.peer_id)
      assert.equal(Buffer.from(publicKeyToProtobuf(key.publicKey)).toString('base64'), shown.public_key)
      assert.equal(peerIdFromString(shown.peer_id).toCID().toString(), shown.cid_base32)
    }
    for (const from of keyFormats) {
      const first = await convert(file, from)
      assert.equal(statSync(first).mode & 0o777, 0o600)
      assert.deepEqual({ ...(await show(first)), path: file }, { ...shown, format: from })
      for (const to of keyFormats) {
        assert.deepEqual(readFileSync(await convert(first, to)), readFileSync(await convert(file, to)), `${from} ${to}`)
      }
      if (type !== 'ecdsa') assert.equal((await readKeyFile(first)).peerId, shown.peer_id)
    }
    assert.deepEqual(readFileSync(await convert(file, 'protobuf')), readFileSync(file))
  })
}

test('an ecdsa key is no identity here, and says so', async () => {
  const file = fresh()
  await collect(keyGen, { file, type: 'ecdsa' as const })
  const failure = await failureOf(readKeyFile(file))
  assert.deepEqual([failure.code, failure.exitCode], ['key_invalid', 2])
  assert.match(failure.message, /is ecdsa, and js-libp2p has no peer IDs for such keys$/)
})

test("the keys of js-libp2p are read byte for byte, and the whole of Kubo's config too", async () => {
  for (const type of ['Ed25519', 'secp256k1', 'RSA', 'ECDSA'] as const) {
    const bytes = privateKeyToProtobuf(await generateKeyPair(type as 'RSA'))
    const file = write(bytes)
    assert.deepEqual(readFileSync(await convert(file, 'protobuf')), Buffer.from(bytes))
    const PrivKey = Buffer.from(bytes).toString('base64')
    const { peer_id } = await show(file)
    const config = write(JSON.stringify({ Identity: { PeerID: peer_id, PrivKey }, Addresses: { Swarm: [] } }, null, 2))
    assert.deepEqual({ ...(await show(config)), path: file }, { ...(await show(file)), format: 'kubo' })
    assert.equal(readFileSync(await convert(file, 'kubo'), 'utf8'), `${PrivKey}\n`)
  }
})

test('the old ed25519 form with the public half twice is read, and refused where the two differ', async () => {
  const bytes = Buffer.from(vectors.ed25519[0], 'hex')
  const old = Buffer.concat([Buffer.from('08011260', 'hex'), bytes.subarray(4), bytes.subarray(36)])
  const { peer_id } = await show(write(bytes))
  assert.equal((await show(write(old))).peer_id, peer_id)
  old[old.length - 1]! ^= 1
  assert.equal((await failureOf(show(write(old)))).code, 'key_invalid')
})

const noOpenssl = spawnSync('openssl', ['version']).status !== 0 && 'there is no openssl here'
test('openssl reads the PEM that is written, and writes some that is read', { skip: noOpenssl }, async () => {
  for (const type of keyTypes) {
    const file = fresh()
    await collect(keyGen, { file, type })
    const pem = await convert(file, 'pem')
    assert.match(readFileSync(pem, 'utf8'), /^-----BEGIN PRIVATE KEY-----\n/)
    execFileSync('openssl', ['pkey', '-in', pem, '-noout', '-check'], { stdio: 'pipe' })
  }
  for (const [args, type] of [
    [['genpkey', '-algorithm', 'ed25519'], 'ed25519'],
    [['genrsa', '-traditional', '2048'], 'rsa'],
    [['ecparam', '-name', 'prime256v1', '-genkey', '-noout'], 'ecdsa'],
    [['ecparam', '-name', 'secp521r1', '-genkey', '-noout'], 'ecdsa'],
    [['ecparam', '-name', 'secp256k1', '-genkey', '-noout'], 'secp256k1']
  ] as const) {
    const file = write(execFileSync('openssl', args, { stdio: 'pipe' }))
    const { key_type, format } = await show(file)
    assert.deepEqual([key_type, format], [type, 'pem'])
  }
})

test('PEM of another kind of key, encrypted or of a public key is key_invalid, with what is read', async () => {
  const { publicKey } = generateKeyPairSync('ed25519')
  const { privateKey } = generateKeyPairSync('x25519')
  const encrypted = generateKeyPairSync('ed25519').privateKey.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x'
  })
  for (const pem of [
    publicKey.export({ type: 'spki', format: 'pem' }),
    privateKey.export({ type: 'pkcs8', format: 'pem' }),
    encrypted
  ]) {
    const failure = await failureOf(show(write(pem as string)))
    assert.deepEqual([failure.code, failure.exitCode], ['key_invalid', 2])
    assert.match(failure.hint, /unencrypted/)
  }
  for (const text of ['{', '{}', '{"Identity":{"PrivKey":"aGVsbG8="}}', '0801', '-----BEGIN PRIVATE KEY-----']) {
    assert.equal((await failureOf(show(write(text)))).code, 'key_invalid', text)
  }
})

test('a conversion never overwrites, and keeps to the permissions of its source', async () => {
  const file = fresh()
  await collect(keyGen, { file })
  const precious = write('precious')
  const failure = await failureOf(collect(keyConvert, { file, out: precious, to: 'pem' as const }))
  assert.deepEqual([failure.code, failure.exitCode], ['file_exists', 3])
  assert.equal(readFileSync(precious, 'utf8'), 'precious')
  chmodSync(file, 0o644)
  assert.equal((await failureOf(convert(file, 'pem'))).code, 'key_permissions')
})
