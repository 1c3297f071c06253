// How cost grows, drawn from docs/performance.json: `node bench/plots.ts` writes docs/images/growth.svg, as `npm run bench` does.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { root } from '../test/helpers/cli.ts'
import type { Point } from './bench.ts'
import { type Run, readRuns } from './runs.ts'
import { short } from './table.ts'

export const picture = join(root, 'docs/images/growth.svg')

const PANEL = { width: 480, height: 300 }
const PLOT = { left: 62, right: 456, top: 64, bottom: 250 }
const COLUMNS = 2

/** The points of each plot, as it was drawn last. */
export function plotsOf(runs: Run[]): Map<string, Point[]> {
  const plots = new Map<string, Point[]>()
  for (const { points } of runs) {
    for (const [plot, some] of Map.groupBy(points, ({ plot }) => plot)) plots.set(plot, some)
  }
  return plots
}

/** All plots as one self-contained SVG: both axes by powers, so that what grows in proportion is a line at 45 degrees. */
export function pictureOf(runs: Run[]): string {
  const plots = [...plotsOf(runs)].map(([name, points]) => [name, points.toSorted((a, b) => a.x - b.x)] as const)
  const width = COLUMNS * PANEL.width
  const height = Math.ceil(plots.length / COLUMNS) * PANEL.height
  const panels = plots.map(([name, points], index) => {
    const [x, y] = [(index % COLUMNS) * PANEL.width, Math.floor(index / COLUMNS) * PANEL.height]
    return `<g transform="translate(${x} ${y})">\n${panel(name, points)}\n</g>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">
<title>How the cost of p2pctl grows</title>
<style>${style}</style>
<rect class="paper" width="100%" height="100%"/>
${panels.join('\n')}
</svg>
`
}

const style = `
text { font: 12px ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.paper { fill: #ffffff }
.grid { stroke: #d8dee4; stroke-width: 1; fill: none }
.linear { stroke: #8c959f; stroke-width: 1; stroke-dasharray: 3 3; fill: none }
.line { stroke: #0969da; stroke-width: 2; fill: none; stroke-linejoin: round }
.dot { fill: #0969da }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 }
  .title { fill: #f0f6fc }
  .paper { fill: #0d1117 }
  .grid { stroke: #2a313c }
  .linear { stroke: #656c76 }
  .line { stroke: #4493f8 }
  .dot { fill: #4493f8 }
}
`

function panel(name: string, points: Point[]): string {
  const x = scaleOf(
    points.map(point => point.x),
    PLOT.left,
    PLOT.right,
    1
  )
  const y = scaleOf(
    points.map(point => point.y),
    PLOT.bottom,
    PLOT.top,
    2
  )
  const at = ({ x: px, y: py }: Pick<Point, 'x' | 'y'>): string => `${n(x.at(px))} ${n(y.at(py))}`
  const [first, last] = [points[0]!, points.at(-1)!]
  // what the last one costs, in proportion, as far down as there is room
  const from = Math.max(first.x, (last.x * y.least) / last.y)
  const linear = `M${at({ x: from, y: (last.y * from) / last.x })}L${at(last)}`
  return [
    `<text class="title" x="${PLOT.left}" y="28">${name}</text>`,
    `<text x="${PLOT.left - 8}" y="48" text-anchor="end">${first.unit}</text>`,
    ...y.ticks.map(
      tick =>
        `<path class="grid" d="M${PLOT.left} ${n(y.at(tick))}H${PLOT.right}"/>` +
        `<text x="${PLOT.left - 8}" y="${n(y.at(tick) + 4)}" text-anchor="end">${short(tick)}</text>`
    ),
    ...x.ticks.map(
      tick => `<text x="${n(x.at(tick))}" y="${PLOT.bottom + 20}" text-anchor="middle">${compact.format(tick)}</text>`
    ),
    `<path class="linear" d="${linear}"/>`,
    `<path class="line" d="M${points.map(at).join('L')}"/>`,
    ...points.map(
      point =>
        `<circle class="dot" cx="${n(x.at(point.x))}" cy="${n(y.at(point.y))}" r="3.5">` +
        `<title>${count(point.x)}: ${short(point.y)} ${point.unit}</title></circle>`
    ),
    `<text x="${PLOT.right}" y="${PLOT.bottom + 38}" text-anchor="end">dashed: in proportion to the last</text>`
  ].join('\n')
}

interface Scale {
  at(value: number): number
  least: number
  ticks: number[]
}

/** By powers of ten, whole ones at both ends; no more than eight of them are named. */
function scaleOf(values: number[], from: number, to: number, fewest: number): Scale {
  const low = Math.floor(Math.log10(Math.min(...values)))
  const high = Math.max(low + fewest, Math.ceil(Math.log10(Math.max(...values))))
  const step = Math.ceil((high - low) / 8)
  const ticks = Array.from({ length: Math.floor((high - low) / step) + 1 }, (_, index) => 10 ** (low + index * step))
  const at = (value: number): number => from + ((Math.log10(value) - low) / (high - low)) * (to - from)
  return { at, least: 10 ** low, ticks }
}

const compact = new Intl.NumberFormat('en', { notation: 'compact' })

function count(value: number): string {
  return value.toLocaleString('en')
}

function n(value: number): number {
  return Math.round(value * 10) / 10
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) writeFileSync(picture, pictureOf(readRuns()))
