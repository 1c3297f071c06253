/**
 * Every hostile peer against the built p2pctl, and what came of it: npm run hostile -- [--json] [--quick] [PHASE[/ID] ...]
 * With --docs it only writes docs/hostile.md. With --quick it is one command over one transport for each, as in the tests. Exits with 1 where anything differs.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { merge } from '../src/flow.ts'
import { mib } from '../test/hostile/run.ts'
import { type Cell, cellsOf, expectedOf, type Expected, oneOfEach, type Seen } from '../test/hostile/rows.ts'
import { type AtCell, atCellsOf, fewAtCellsOf } from '../test/hostile/at.ts'
import { atRows } from '../test/hostile/at-rows.ts'
import { type AtSeen, openServers } from '../test/hostile/at-serving.ts'
import { hostilePage } from '../test/hostile/page.ts'
import { rows, runCell } from '../test/hostile/table.ts'

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'boolean' },
    quick: { type: 'boolean' },
    docs: { type: 'boolean' },
    concurrency: { type: 'string', default: '4' }
  },
  allowPositionals: true
})

if (values.docs) {
  await writeFile(join(import.meta.dirname, '..', 'docs', 'hostile.md'), hostilePage())
  process.exit()
}

interface Named {
  phase: string
  id: string
}

const names = (wanted: string, { phase, id }: Named): boolean => wanted === phase || wanted === `${phase}/${id}`
const unknown = positionals.filter(wanted => ![...rows, ...atRows].some(row => names(wanted, row)))
if (unknown.length > 0)
  throw new Error(`there is no ${unknown.join(', ')}: name a PHASE or PHASE/ID of docs/hostile.md`)
const isWanted = (row: Named): boolean => positionals.length === 0 || positionals.some(wanted => names(wanted, row))
const wanted = rows.filter(isWanted)
const skipped = wanted.filter(({ skip }) => skip)
const able = wanted.filter(({ skip }) => !skip)
const cells = values.quick ? oneOfEach(able) : able.flatMap(cellsOf)

let different = 0
for (const { phase, id, skip } of skipped) console.error(`skipped ${phase}/${id}: ${skip}`)
if (!values.json) console.log(lineOf(['behaviour', 'command', 'over', 'expected', 'seen', 'ms', 'peak MiB']))
for await (const [cell, seen] of merge(runs(), Number(values.concurrency))) tell(cell, expectedOf(cell), seen)
const visits = atRows.filter(row => isWanted(row) && !row.skip).flatMap(values.quick ? fewAtCellsOf : atCellsOf)
if (visits.length > 0) await visitAll()
if (!values.json) console.log(`\n${cells.length + visits.length} runs, ${different} of them not as expected`)
process.exitCode = different === 0 ? 0 : 1

/** The side that listens: one after another, since each has the honest peer to itself. */
async function visitAll(): Promise<void> {
  await using servers = await openServers()
  for (const cell of visits) tell(cell, { ...cell.row.expect, fate: cell.row.fate }, await servers.run(cell))
  for (const wrong of await servers.end()) {
    different++
    console.error(`  differs: ${wrong}`)
  }
}

function tell(cell: Cell | AtCell, expected: End, seen: Seen | AtSeen): void {
  if (seen.differs.length > 0) different++
  console.log(values.json ? JSON.stringify(recordOf(cell, expected, seen)) : textOf(cell, expected, seen))
}

function* runs() {
  for (const cell of cells) {
    yield (async function* () {
      yield [cell, await runCell(cell)] as const
    })()
  }
}

/** How a run ends; for one that listens, what becomes of its visitor too. */
type End = Expected & { fate?: string | null }

function textOf({ row, command, over }: Cell | AtCell, expected: End, seen: Seen | AtSeen): string {
  const ms = seen.ms == null ? '-' : String(Math.round(seen.ms))
  const line = lineOf([
    `${row.phase}/${row.id}`,
    command,
    over,
    endOf(expected),
    endOf(seen),
    ms,
    String(mib(seen.peakBytes))
  ])
  return [line, ...seen.differs.map(one => `  differs: ${one}`)].join('\n')
}

function lineOf(fields: string[]): string {
  const widths = [28, 22, 8, 40, 40, 6, 8]
  return fields
    .map((field, at) => field.padEnd(widths[at]!))
    .join(' ')
    .trimEnd()
}

/** `io_timeout, security, exit 1` */
function endOf({ code, phase, exit, fate }: End): string {
  return [code, phase, fate, `exit ${exit}`].filter(part => part != null).join(', ')
}

function recordOf({ row, command, over }: Cell | AtCell, expected: End, seen: Seen | AtSeen) {
  const { ms, peakBytes, stalledMs, differs, ...end } = seen
  return {
    id: row.id,
    phase: row.phase,
    side: row.side,
    says: row.says,
    command,
    over,
    expected,
    seen: end,
    ms,
    within_ms: row.withinMs,
    peak_bytes: peakBytes,
    memory_bytes: row.memoryBytes,
    stalled_ms: stalledMs,
    ok: differs.length === 0,
    differs
  }
}
