import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { openReplacement } from '../src/replaced-file.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-replaced-'))
after(() => rmSync(folder, { recursive: true, force: true }))

test('what a killed run of the same process ID has left is in nobody’s way', async () => {
  const path = join(folder, 'report.prom')
  {
    await using _left = await openReplacement(path)
    await using file = await openReplacement(path)
    assert.equal(await file.write('whole'), null)
    assert.equal(readFileSync(path, 'utf8'), 'whole')
  }
  assert.deepEqual(readdirSync(folder), ['report.prom'])
})

test('why it cannot be written is said in words, without the file beside it', async () => {
  const path = join(folder, 'no', 'report.prom')
  const code = 'file_unwritable'
  await assert.rejects(openReplacement(path), { code, message: `cannot write ${path}: no such file or folder` })
  await assert.rejects(openReplacement(folder), { code, message: `cannot write ${folder}: it is a directory` })
})
