import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { type AtRow, atCellsOf, atNameOf, fewAtCellsOf } from './hostile/at.ts'
import { atRows } from './hostile/at-rows.ts'
import { openServers, type Servers } from './hostile/at-serving.ts'

/** Every transport of every row, as `npm run hostile` has them, or each row once for each command. */
const all = process.env.P2PCTL_HOSTILE === 'all'

/** Each with servers and an honest peer of its own: at the same time, since most of a row is waiting. */
const lanes: AtRow['phase'][][] = [
  ['connect', 'multistream', 'security'],
  ['muxer', 'identify', 'ping'],
  ['transfer', 'relay', 'pubsub', 'http']
]

test('there are behaviours enough, each with a name of its own, and each is run', () => {
  const names = atRows.flatMap(atCellsOf).map(atNameOf)
  assert.ok(atRows.length >= 80, `${atRows.length} behaviours`)
  assert.deepEqual(names.toSorted(), [...new Set(names)].toSorted())
  for (const { phase } of atRows) assert.ok(lanes.flat().includes(phase), phase)
  assert.equal(atRows.filter(({ long }) => long).length, 16)
})

suite('an attacked server serves an honest peer, and is afterwards what it was', { concurrency: lanes.length }, () => {
  for (const phases of lanes) {
    suite(phases.join(', '), { concurrency: 1 }, () => {
      let servers: Servers
      before(async () => {
        servers = await openServers()
      })
      after(() => servers[Symbol.asyncDispose]())

      const rows = atRows.filter(({ phase }) => phases.includes(phase))
      for (const cell of rows.flatMap(all ? atCellsOf : fewAtCellsOf)) {
        test(`${atNameOf(cell)}: ${cell.row.says}`, { skip: cell.row.skip ?? false }, async () => {
          const { differs } = await servers.run(cell)
          assert.deepEqual(differs, [])
        })
      }

      test('each server stops in time under silent visitors, and never failed', async () => {
        assert.deepEqual(await servers.end(), [])
      })
    })
  }
})
