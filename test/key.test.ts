import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import keyGen from '../src/commands/key-gen.ts'
import keyShow from '../src/commands/key-show.ts'
import { collect, failureOf, one } from './helpers/collect.ts'

const newFile = async (): Promise<string> => join(await mkdtemp(join(tmpdir(), 'p2pctl-')), 'id.key')

test('a key that was made is shown by its public side only', async () => {
  const file = await newFile()
  const made = one(await collect(keyGen, { file }), 'key.show')
  const shown = one(await collect(keyShow, { file }), 'key.show')
  assert.deepEqual(made, { type: 'key.show', path: file, peer_id: shown.peer_id, key_type: 'ed25519', created: true })
  assert.match(shown.peer_id, /^12D3KooW/)
  assert.equal(shown.created, undefined)
  assert.equal((await stat(file)).mode & 0o777, 0o600)
})

test('a key is never overwritten', async () => {
  const file = await newFile()
  await collect(keyGen, { file })
  const before = await readFile(file)
  const failure = await failureOf(collect(keyGen, { file }))
  assert.deepEqual([failure.code, failure.exitCode], ['file_exists', 3])
  assert.deepEqual(await readFile(file), before)
})

test('a key that others can read is refused, with the chmod', async () => {
  const file = await newFile()
  await collect(keyGen, { file })
  await chmod(file, 0o640)
  const failure = await failureOf(collect(keyShow, { file }))
  assert.deepEqual([failure.code, failure.exitCode], ['key_permissions', 3])
  assert.match(failure.hint, /^chmod 600 /)
})

test('a key that is not there is file_unreadable', async () => {
  const failure = await failureOf(collect(keyShow, { file: await newFile() }))
  assert.deepEqual([failure.code, failure.exitCode], ['file_unreadable', 3])
})
