// What p2pctl costs, each figure beside what it is measured against in the same run: `npm run bench`, some of it with
// `-- ping dials` (the files of bench/rows). Adds a run to docs/performance.json, and writes the table of docs/performance.md,
// docs/images/growth.svg and the headlines of the README from all of them. With `--short` it is coarse, takes a minute, and writes nothing.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Figure, isPoint, type Point } from './bench.ts'
import { loadRows, rowNames } from './load-rows.ts'
import { picture, pictureOf } from './plots.ts'
import { about, appendRun, loadAverage, readRuns } from './runs.ts'
import { page, pageWith, readme, readmeWith, short } from './table.ts'

const { values, positionals } = parseArgs({
  options: {
    short: { type: 'boolean', default: false },
    // the page and the picture anew, from what is in docs/performance.json
    table: { type: 'boolean', default: false }
  },
  allowPositionals: true
})
const names = rowNames()
const unknown = positionals.filter(name => !names.includes(name))
if (unknown.length > 0) throw new Error(`the rows are ${names.join(', ')}: there is no ${unknown.join(', ')}`)
if (!values.table) {
  const run = about()
  const figures: Figure[] = []
  const points: Point[] = []
  for (const { row, run, lacks } of await loadRows(positionals.length > 0 ? positionals : names)) {
    const missing = lacks?.() ?? false
    process.stderr.write(missing ? `${row} left out: ${missing} here\n` : `${row} ...\n`)
    if (missing) continue
    for await (const measured of run({ short: values.short })) {
      if (isPoint(measured)) points.push(measured)
      else figures.push(measured)
      process.stdout.write(`${isPoint(measured) ? wordsForPoint(measured) : words(measured)}\n`)
    }
  }
  const load: [number, number] = [run.load_average[0], loadAverage()]
  if (!values.short) appendRun({ ...run, load_average: load, figures, points })
}
if (!values.short) {
  const runs = readRuns()
  writeFileSync(page, pageWith(runs))
  writeFileSync(readme, readmeWith(runs))
  writeFileSync(picture, pictureOf(runs))
}
process.exit()

function words({ what, value, unit, against, limit, ratio, met, note }: Figure): string {
  const measured = `${what}: ${short(value)} ${unit}, ${against} ${short(limit)} ${unit}`
  return `  ${met ? 'met    ' : 'NOT met'} ${short(ratio).padStart(6)}  ${measured}${note == null ? '' : ` (${note})`}`
}

function wordsForPoint({ plot, x, y, unit }: Point): string {
  return `  ${plot} ${short(x)}: ${short(y)} ${unit}`
}
