// p2pctl and go-libp2p, each dialing the other: the rows of test/interop/. The host is built here, from the Go module proxy.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { root } from './helpers/cli.ts'
import { build } from './interop/build.ts'
import { openLab, see } from './interop/lab.ts'
import { rows } from './interop/rows.ts'

// the first time it fetches and compiles all of go-libp2p
const built = await build('host')
const skip = 'missing' in built && built.missing

describe('p2pctl and go-libp2p', { skip, concurrency: 4, timeout: 200_000 }, () => {
  const lab = openLab('path' in built ? { host: built.path } : {})
  after(() => lab[Symbol.asyncDispose]())

  for (const row of rows.filter(row => row.with === 'go-libp2p')) {
    for (const way of ['to', 'from'] as const) {
      if (row[way] == null) continue
      test(`${row.group}: ${row.says}, ${way} go`, { skip: row.skip?.() }, async () => {
        const seen = await see(row, way, lab)
        assert.ok(seen?.ok, seen?.seen)
      })
    }
  }
})

test('docs/interop.md has every row, and what was seen of each is what is expected', () => {
  const page = readFileSync(join(root, 'docs/interop.md'), 'utf8')
  for (const { says, to, from } of rows) {
    const cells = [to, from].map(cell => {
      if (cell == null) return ''
      return cell.expect === 'yes' ? 'yes' : `\`${cell.expect.seen}\``
    })
    assert.ok(page.includes(`| ${says} | ${cells.join(' | ')} |`), says)
  }
})
