import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { root } from './helpers/cli.ts'
import { type Bench, openBench, pairsOf, rows } from './helpers/matrix.ts'

let bench: Bench
before(async () => {
  bench = await openBench()
})
after(() => bench[Symbol.asyncDispose]())

describe('p2pctl and js-libp2p meet', { timeout: 200_000, concurrency: 2 }, () => {
  for (const row of rows) {
    const name = [row.transport, row.security, row.muxer].filter(part => part != null).join(', ')
    test(`over ${name}`, async () => {
      const cells = await bench.cells(row)
      for (const pair of pairsOf(row)) assert.equal(cells[pair], 'yes', pair)
    })
  }
})

test('the matrix in docs/ has every row', () => {
  const page = readFileSync(join(root, 'docs/interoperability.md'), 'utf8')
  for (const { transport, security, muxer } of rows) {
    assert.ok(page.includes(`| ${transport} | ${security ?? 'its own'} | ${muxer ?? 'its own'} | yes | yes | yes |`))
  }
})
