import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { root } from './helpers/cli.ts'
import { mutations } from './helpers/mutations.ts'

// that the tests notice them is shown by `npm run mutations`, which takes some minutes
test('every mutation still applies: its text stands once in its file, and the tests that notice are there', () => {
  assert.ok(mutations.length >= 10)
  for (const { says, file, from, to, tests, named } of mutations) {
    const parts = readFileSync(join(root, file), 'utf8').split(from)
    assert.equal(parts.length, 2, `${says}: ${file} has it ${parts.length - 1} times`)
    assert.notEqual(from, to)
    assert.ok(tests.length > 0)
    const found = tests.filter(
      one => existsSync(join(root, one)) && readFileSync(join(root, one), 'utf8').includes(named)
    )
    assert.deepEqual(found, tests, `${says}: there is no test called ${named}`)
  }
})
