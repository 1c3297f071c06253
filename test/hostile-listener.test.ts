import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { atCellsOf, atNameOf, fewAtCellsOf } from './hostile/at.ts'
import { atRows } from './hostile/at-rows.ts'
import { openServers, type Servers } from './hostile/at-serving.ts'

/** Every transport of every row, as scripts/hostile.ts has it, or each row once for each command. */
const all = process.env.P2PCTL_HOSTILE === 'all'
const cells = atRows.flatMap(all ? atCellsOf : fewAtCellsOf)

test('there are behaviours enough, and each has a name of its own', () => {
  const names = atRows.flatMap(atCellsOf).map(atNameOf)
  assert.ok(atRows.length >= 60, `${atRows.length} behaviours`)
  assert.deepEqual(names.toSorted(), [...new Set(names)].toSorted())
})

suite('an attacked server serves an honest peer meanwhile, and is what it was afterwards', () => {
  let servers: Servers
  before(async () => {
    servers = await openServers()
  })
  after(() => servers[Symbol.asyncDispose]())

  for (const cell of cells) {
    test(`${atNameOf(cell)}: ${cell.row.says}`, { skip: cell.row.skip ?? false }, async () => {
      const { differs } = await servers.run(cell)
      assert.deepEqual(differs, [])
    })
  }

  test('each of them stops in time under silent visitors, and never failed', async () => {
    assert.deepEqual(await servers.end(), [])
  })
})
