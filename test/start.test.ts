import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { pureJsCrypto } from '@chainsafe/libp2p-noise'
import { noiseCrypto } from '../src/noise-crypto.ts'
import { patches } from '../scripts/patches.ts'
import { type Running, root, run, start } from './helpers/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-start-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let peer: Running
let addr: string
before(async () => {
  peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  addr = (await peer.next('listen.ready')).addrs[0]!
})
after(() => peer.stop())

test('a ping works without a place for compiled code, and with one that holds nonsense', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const cache = join(folder, 'cache')
  const ping = async (env: Record<string, string>): Promise<void> => {
    const { code, stderr } = await run(['ping', '-c', '1', addr], { env })
    assert.deepEqual([code, stderr], [0, ''])
  }
  await ping({ NODE_DISABLE_COMPILE_CACHE: '1' })
  // no folder can be made in a file, by root neither
  await ping({ NODE_COMPILE_CACHE: join(file, 'cache') })
  await ping({ NODE_COMPILE_CACHE: cache })
  const kept = readdirSync(cache, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  assert.ok(kept.length > 0)
  for (const { parentPath, name } of kept) {
    const path = join(parentPath, name)
    writeFileSync(path, readFileSync(path).reverse())
  }
  await ping({ NODE_COMPILE_CACHE: cache })
})

test('a first pong is read from five files', async () => {
  const coverage = join(folder, 'coverage')
  await run(['ping', '-c', '1', addr], { env: { NODE_V8_COVERAGE: coverage } })
  const [report] = readdirSync(coverage)
  const { result } = JSON.parse(readFileSync(join(coverage, report!), 'utf8')) as { result: { url: string }[] }
  const ours = result.map(({ url }) => url).filter(url => url.startsWith(`file://${root}`))
  assert.deepEqual(ours.map(url => url.slice(`file://${root}/`.length)).sort(), [
    'bin/p2pctl.js',
    'dist/cli.js',
    'dist/dialing.js',
    'dist/node.js',
    'dist/run.js'
  ])
})

test('no chunk asks for one that was joined with others', () => {
  for (const file of readdirSync(join(root, 'dist')).filter(name => name.endsWith('.js'))) {
    const text = readFileSync(join(root, 'dist', file), 'utf8')
    for (const [, wanted] of text.matchAll(/(?:from|import\(?)"\.\/([\w-]+\.js)"/g)) {
      assert.ok(existsSync(join(root, 'dist', wanted!)), `${file} imports ${wanted}`)
    }
  }
})

test('the keys of noise are those that it computes itself', () => {
  for (const bytes of [0, 1, 32, 64]) {
    const [key, input] = [Buffer.alloc(32, bytes), Buffer.alloc(bytes, 7)]
    const plain = (keys: Uint8Array[]): string[] => keys.map(one => Buffer.from(one).toString('hex'))
    assert.deepEqual(plain(noiseCrypto.getHKDF(key, input)), plain(pureJsCrypto.getHKDF(key, input)))
  }
})

test('the messages of noise are those that it makes itself, and a forged one is none', () => {
  const [key, other, nonce, about] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2), Buffer.alloc(12, 3), Buffer.of(4)]
  const hex = (bytes: { subarray(): Uint8Array }): string => Buffer.from(bytes.subarray()).toString('hex')
  for (const bytes of [0, 1199, 1200, 65_519]) {
    const plain = Buffer.alloc(bytes, 5)
    for (const secret of [key, other]) {
      const sealed = noiseCrypto.chaCha20Poly1305Encrypt(plain, nonce, about, secret).subarray()
      assert.equal(hex(sealed), hex(pureJsCrypto.chaCha20Poly1305Encrypt(plain, nonce, about, secret)))
      assert.equal(hex(noiseCrypto.chaCha20Poly1305Decrypt(Buffer.from(sealed), nonce, about, secret)), hex(plain))
      const wrong = secret === key ? other : key
      assert.throws(() => noiseCrypto.chaCha20Poly1305Decrypt(Buffer.from(sealed), nonce, about, wrong))
    }
  }
})

test('what the bundle leaves out still stands in the packages', () => {
  for (const { file, from } of patches) {
    const text = readFileSync(join(root, 'node_modules', file), 'utf8')
    assert.ok(text.includes(from), `${file} is another now: see scripts/patches.ts`)
  }
})
