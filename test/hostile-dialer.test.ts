import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { root } from './helpers/cli.ts'
import { lineOf } from './hostile/page.ts'
import { cellsOf, nameOf, oneOfEach } from './hostile/rows.ts'
import { dialerRows, runCell } from './hostile/table.ts'

/** More at once would be a test of this machine. */
const AT_ONCE = 5
const patient = { timeout: 60_000 }

// every command over every transport: npm run hostile
describe('p2pctl dials a hostile peer', { concurrency: AT_ONCE }, () => {
  for (const cell of oneOfEach(dialerRows)) {
    const { row } = cell
    test(`${nameOf(cell)}: it ${row.says}`, { ...patient, skip: row.skip ?? false }, async () => {
      const { differs } = await runCell(cell)
      assert.deepEqual(differs, [])
    })
  }
})

test('each behaviour has a name of its own, and comes in every phase, command and transport', () => {
  const names = dialerRows.map(({ phase, id }) => `${phase}/${id}`)
  assert.equal(new Set(names).size, names.length)
  assert.ok(names.length >= 60)
  const chosen = oneOfEach(dialerRows)
  const all = dialerRows.flatMap(cellsOf)
  for (const key of ['command', 'over'] as const) {
    assert.deepEqual(new Set(chosen.map(cell => cell[key])), new Set(all.map(cell => cell[key])))
  }
})

test('docs/hostile.md has each behaviour as it is expected: npm run hostile -- --docs', () => {
  const lines = new Set(readFileSync(join(root, 'docs/hostile.md'), 'utf8').split('\n'))
  const missing = dialerRows.filter(row => !lines.has(lineOf(row))).map(({ phase, id }) => `${phase}/${id}`)
  assert.deepEqual(missing, [])
})
