/**
 * Every hostile peer against the built p2pctl, and what came of it: npm run hostile -- [--json] [--quick] [PHASE[/ID] ...]
 * With --quick it is one command over one transport for each, as in the tests. Exits with 1 where anything differs.
 */
import { parseArgs } from 'node:util'
import { merge } from '../src/flow.ts'
import { mib } from '../test/hostile/run.ts'
import { type Cell, cellsOf, expectedOf, type Expected, oneOfEach, type Seen } from '../test/hostile/rows.ts'
import { rows, runCell } from '../test/hostile/table.ts'

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean' }, quick: { type: 'boolean' }, concurrency: { type: 'string', default: '4' } },
  allowPositionals: true
})

const wanted = rows.filter(
  ({ phase, id }) => positionals.length === 0 || positionals.some(one => one === phase || one === `${phase}/${id}`)
)
const skipped = wanted.filter(({ skip }) => skip)
const able = wanted.filter(({ skip }) => !skip)
const cells = values.quick ? oneOfEach(able) : able.flatMap(cellsOf)

let different = 0
for (const { phase, id, skip } of skipped) console.error(`skipped ${phase}/${id}: ${skip}`)
if (!values.json) console.log(lineOf(['behaviour', 'command', 'over', 'expected', 'seen', 'ms', 'peak MiB']))
for await (const [cell, seen] of merge(runs(), Number(values.concurrency))) {
  if (seen.differs.length > 0) different++
  console.log(values.json ? JSON.stringify(recordOf(cell, seen)) : textOf(cell, seen))
}
if (!values.json) console.log(`\n${cells.length} runs, ${different} of them not as expected`)
process.exitCode = different === 0 ? 0 : 1

function* runs() {
  for (const cell of cells) {
    yield (async function* () {
      yield [cell, await runCell(cell)] as const
    })()
  }
}

function textOf(cell: Cell, seen: Seen): string {
  const { row, command, over } = cell
  const ms = seen.ms == null ? '-' : String(Math.round(seen.ms))
  const line = lineOf([
    `${row.phase}/${row.id}`,
    command,
    over,
    endOf(expectedOf(cell)),
    endOf(seen),
    ms,
    String(mib(seen.peakBytes))
  ])
  return [line, ...seen.differs.map(one => `  differs: ${one}`)].join('\n')
}

function lineOf(fields: string[]): string {
  const widths = [28, 14, 8, 40, 40, 6, 8]
  return fields
    .map((field, at) => field.padEnd(widths[at]!))
    .join(' ')
    .trimEnd()
}

/** `io_timeout, security, exit 1` */
function endOf({ code, phase, exit }: Expected): string {
  return [code, phase, `exit ${exit}`].filter(part => part != null).join(', ')
}

function recordOf(cell: Cell, seen: Seen) {
  const { row, command, over } = cell
  const { ms, peakBytes, stalledMs, differs, ...end } = seen
  return {
    id: row.id,
    phase: row.phase,
    side: row.side,
    says: row.says,
    command,
    over,
    expected: expectedOf(cell),
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
