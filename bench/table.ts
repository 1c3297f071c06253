/** docs/performance.json -> the table of docs/performance.md. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../test/helpers/cli.ts'
import type { Figure, Reach } from './bench.ts'
import { keyOf, type Run } from './runs.ts'

export const page = join(root, 'docs/performance.md')
export const readme = join(root, 'README.md')
const [START, END] = ['<!-- figures -->\n', '<!-- end -->']
/** The ratios of so many runs before. */
const EARLIER = 3

/** The page with the table of these runs; the prose stays. */
export function pageWith(runs: Run[]): string {
  return between(readFileSync(page, 'utf8'), tableOf(runs))
}

/** The README with its headlines; the rest of it stays. */
export function readmeWith(runs: Run[]): string {
  return between(readFileSync(readme, 'utf8'), headlinesOf(runs))
}

function between(text: string, figures: string): string {
  const [before, rest] = text.split(START) as [string, string]
  return `${before}${START}\n${figures}\n${rest.slice(rest.indexOf(END))}`
}

/** For a reader who wants to know what it is like: the first of these figures of each row that was measured last. */
const headlines: [row: string, unit: string, says: (figure: Figure) => string][] = [
  [
    'first pong',
    'ms',
    ({ value, ratio }) =>
      `**The first pong of \`ping -c 1\`** is on the screen ${short(value)} ms after Enter, ${short(ratio)} times what \`node -e 0\` takes.`
  ],
  [
    'ping RTT',
    'µs',
    ({ value, ratio }) =>
      `**The round trip of \`ping\`** over tcp, noise and yamux is ${short(value)} µs at the median, ${short(ratio)} times that of a bare TCP socket.`
  ],
  [
    '1,000 targets',
    's',
    ({ value, ratio }) =>
      `**A thousand peers**, each dialed and pinged once, take ${short(value)} s in one run, and ${Math.round(1 / ratio)} times as long in a run for each.`
  ]
]

function headlinesOf(runs: Run[]): string {
  const figures = runs.toReversed().flatMap(run => run.figures)
  const found = headlines.flatMap(([row, unit, says]) => {
    const figure = figures.find(one => one.row === row && one.unit === unit)
    return figure == null ? [] : [`- ${says(figure)}\n`]
  })
  return found.join('')
}

/** Each row as it was measured last, all its figures in one run, with the ratios of the runs before. */
export function tableOf(runs: Run[]): string {
  const last = new Map<string, Run>()
  for (const run of runs) {
    const rows = new Set(run.figures.map(({ row }) => row))
    // in the order of the last run, and before it what that left out
    for (const row of rows) last.delete(row)
    for (const row of rows) last.set(row, run)
  }
  const used = runs.filter(run => [...last.values()].includes(run))
  const lines = [...last].flatMap(([row, run]) => {
    const number = used.indexOf(run) + 1
    const earlier = runs.slice(0, runs.indexOf(run)).flatMap(({ figures }) => figures)
    return run.figures.filter(figure => figure.row === row).map(figure => lineOf(figure, earlier, number))
  })
  const head = [
    '| row | what | measured | against, in the same run | ratio | reach | met | before | run |',
    '|---|---|---|---|---|---|---|---|---|'
  ]
  const notes = used.map(
    ({ date, commit, p2pctl, libp2p, node, cores, load_average: [from, to] }, index) =>
      `${index + 1}. ${date} UTC, commit ${commit}: p2pctl ${p2pctl}, libp2p ${libp2p}, Node ${node}, ${cores} cores; load average ${from} to ${to}`
  )
  return `${[...head, ...lines].join('\n')}\n\nRuns:\n\n${notes.join('\n')}\n`
}

function lineOf(figure: Figure, earlier: Figure[], run: number): string {
  const { row, what, value, unit, against, limit, ratio, reach, met, note } = figure
  const key = keyOf(figure)
  const before = earlier.filter(one => keyOf(one) === key).slice(-EARLIER)
  const cells = [
    row,
    note == null ? what : `${what} (${note})`,
    `${short(value)} ${unit}`,
    `${against}: ${short(limit)} ${unit}`,
    `**${short(ratio)}**`,
    words(reach),
    met ? 'yes' : 'no',
    before.map(one => short(one.ratio)).join(', '),
    run
  ]
  return `| ${cells.map(cell => String(cell).replaceAll('|', '\\|')).join(' | ')} |`
}

function words(reach: Reach): string {
  return 'most' in reach ? `≤ ${short(reach.most)}` : `≥ ${short(reach.least)}`
}

/** Three digits say more than there is to know. */
export function short(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value)
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)))
}
