import { binsOf, lossOf, rttOf } from './stats.ts'

/** One ping of the picture. */
export interface Sample {
  seq: number
  /** When it was sent, since the start. */
  at_ms: number
  rtt_ms: number | null
  fate: 'reply' | 'stalled' | 'late' | 'lost' | 'failed'
}

export interface Chart {
  /** Whose round trips they are. */
  title: string
  startedAt: Date
  samples: Sample[]
}

const SIZE = { width: 960, height: 440 }
/** The round trips over time; beside it, on the same scale of ms, how they are spread. */
const PLOT = { left: 72, right: 724, top: 92, bottom: 372 }
const SPREAD = { left: 752, right: 936 }
const BINS = 28
const MAX_TITLE = 104
const LEAST_MS = 0.001
/** With more than these, each column of the plot is a line from its least to its greatest. */
const MAX_DOTS = 1500

/** The round trips as one self-contained SVG: no script, nothing loaded, light or dark as its reader has it. */
export function svgOf({ title, startedAt, samples: given }: Chart): string {
  // nothing is at 0 on a scale of powers, and the clock tells no less than this
  const first = given.reduce((least, { at_ms }) => Math.min(least, at_ms), Infinity)
  const samples = given
    .map(one => ({
      ...one,
      at_ms: one.at_ms - first,
      rtt_ms: one.rtt_ms == null ? null : Math.max(LEAST_MS, one.rtt_ms)
    }))
    .sort((a, b) => a.seq - b.seq)
  const counted = samples.flatMap(({ rtt_ms, fate }) => (fate === 'reply' && rtt_ms != null ? [rtt_ms] : []))
  const shown = samples.flatMap(({ rtt_ms }) => rtt_ms ?? [])
  const scale = scaleOf(shown)
  const duration = samples.reduce((most, { at_ms }) => Math.max(most, at_ms), 0)
  const x = (ms: number): number => PLOT.left + 8 + (ms / (duration || 1)) * (PLOT.right - PLOT.left - 16)
  const parts = [
    `<text class="title" x="24" y="34">${escaped(cut(title))}</text>`,
    `<text class="note" x="24" y="56">${escaped(summaryOf(samples, counted))}</text>`,
    ...axes(scale, duration, x),
    ...dots(samples, x, scale.y),
    ...missed(samples, x),
    ...spread(counted, scale),
    `<text class="note" x="24" y="${SIZE.height - 14}">p2pctl ping, ${startedAt.toISOString().slice(0, 19)}Z</text>`,
    ...legend(samples)
  ]
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" width="${SIZE.width}" height="${SIZE.height}" role="img">
<title>${escaped(title)}</title>
<desc>${escaped(summaryOf(samples, counted))}</desc>
<style>${style}</style>
<rect class="paper" width="100%" height="100%"/>
${parts.join('\n')}
</svg>
`
}

const style = `
text { font: 12px ui-sans-serif, system-ui, "Helvetica Neue", Arial, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600; fill: #1f2328 }
.paper { fill: #ffffff }
.grid { stroke: #d8dee4; stroke-width: 1; fill: none }
.line { stroke: #0969da; stroke-width: 1; stroke-opacity: .3; fill: none; stroke-linejoin: round }
.reply { stroke: #0969da; stroke-width: 5; stroke-linecap: round; fill: none }
.span { stroke: #0969da; stroke-width: 2; stroke-linecap: round; fill: none }
.late { stroke: #bf8700; stroke-width: 5; stroke-linecap: round; fill: none }
.stalled { stroke: #8c959f; stroke-width: 5; stroke-linecap: round; fill: none }
.lost { stroke: #cf222e; stroke-width: 1.6; stroke-linecap: round; fill: none }
.bar { fill: #0969da; fill-opacity: .75 }
.rank { stroke: #1f2328; stroke-width: 1; stroke-dasharray: 3 3; fill: none; stroke-opacity: .6 }
@media (prefers-color-scheme: dark) {
  text { fill: #9198a1 }
  .title { fill: #f0f6fc }
  .paper { fill: #0d1117 }
  .grid { stroke: #2a313c }
  .line, .reply, .span { stroke: #4493f8 }
  .late { stroke: #d29922 }
  .stalled { stroke: #656c76 }
  .lost { stroke: #f85149 }
  .bar { fill: #4493f8 }
  .rank { stroke: #f0f6fc }
}
`

interface Scale {
  y(ms: number): number
  ticks: number[]
}

/** From 0 up; where the greatest is far above the rest, by powers, so that the rest is more than a line at the ground. */
function scaleOf(times: number[]): Scale {
  const stats = rttOf(times)
  const { top, bottom } = PLOT
  if (stats == null) return { y: () => bottom, ticks: [] }
  if (stats.max > 12 * stats.p50) {
    const low = 10 ** Math.floor(Math.log10(stats.min))
    const high = stats.max * 1.1
    const steps = [1, 2, 5].flatMap(step => Array.from({ length: 12 }, (_, power) => step * low * 10 ** power))
    const all = steps.filter(tick => tick <= high && tick >= stats.min * 0.9).sort((a, b) => a - b)
    const from = Math.min(stats.min, all[0] ?? stats.min) * 0.95
    const span = Math.log(high / from)
    const few = all.length > 7 ? all.filter(tick => /^[^1-9]*1/.test(tick.toPrecision(1))) : all
    return { y: ms => bottom - (Math.log(ms / from) / span) * (bottom - top), ticks: few }
  }
  const ticks = ticksTo(stats.max * 1.05, 5)
  const most = Math.max(stats.max * 1.05, ticks.at(-1)!)
  return { y: ms => bottom - (ms / most) * (bottom - top), ticks }
}

/** Round numbers from 0, about as many as asked for. */
function ticksTo(most: number, wanted: number): number[] {
  const rough = most / wanted
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 2.5, 5, 10].map(one => one * power).find(one => one >= rough)!
  return Array.from({ length: Math.floor(most / step) + 1 }, (_, index) => index * step)
}

function axes({ y, ticks }: Scale, duration: number, x: (ms: number) => number): string[] {
  const { left, right, bottom, top } = PLOT
  const rows = ticks.map(tick => {
    const at = n(y(tick))
    const lines = `<path class="grid" d="M${left} ${at}H${right}M${SPREAD.left} ${at}H${SPREAD.right}"/>`
    return `${lines}<text x="${left - 8}" y="${n(y(tick) + 4)}" text-anchor="end">${short(tick)}</text>`
  })
  const seconds = ticksTo(Math.max(duration / 1000, 0.001), 6)
  const columns = seconds.map(
    tick => `<text x="${n(x(tick * 1000))}" y="${bottom + 34}" text-anchor="middle">${short(tick)} s</text>`
  )
  const head = top - 14
  return [
    `<text x="${left - 8}" y="${head}" text-anchor="end">ms</text>`,
    `<text x="${left}" y="${head}">round trips over time</text>`,
    `<text x="${SPREAD.left}" y="${head}">distribution</text>`,
    ...rows,
    ...columns
  ]
}

function dots(samples: Sample[], x: (ms: number) => number, y: (ms: number) => number): string[] {
  const path = (kind: string, fate: Sample['fate']): string => {
    const points = samples.filter(sample => sample.fate === fate && sample.rtt_ms != null)
    return points.length === 0 ? '' : `<path class="${kind}" d="${points.map(dot).join('')}"/>`
  }
  const dot = ({ at_ms, rtt_ms }: Sample): string => `M${n(x(at_ms))} ${n(y(rtt_ms!))}h0`
  const replies = samples.filter(({ fate }) => fate === 'reply')
  const others = [path('late', 'late'), path('stalled', 'stalled')].filter(text => text !== '')
  if (replies.length > MAX_DOTS) {
    const columns = new Map<number, [number, number]>()
    for (const { at_ms, rtt_ms } of replies) {
      const column = Math.round(x(at_ms) / 2) * 2
      const [least, most] = columns.get(column) ?? [Infinity, 0]
      columns.set(column, [Math.min(least, rtt_ms!), Math.max(most, rtt_ms!)])
    }
    const spans = [...columns].map(([column, [least, most]]) => `M${column} ${n(y(least))}V${n(y(most))}`)
    return [`<path class="span" d="${spans.join('')}"/>`, ...others]
  }
  // broken where something is missing
  const line = samples.map((sample, index) => {
    if (sample.fate !== 'reply') return ''
    return `${samples[index - 1]?.fate === 'reply' ? 'L' : 'M'}${n(x(sample.at_ms))} ${n(y(sample.rtt_ms!))}`
  })
  return [`<path class="line" d="${line.join('')}"/>`, path('reply', 'reply'), ...others].filter(text => text !== '')
}

/** A cross below the plot for each ping that has no time. */
function missed(samples: Sample[], x: (ms: number) => number): string[] {
  const at = PLOT.bottom + 12
  const columns = new Set(samples.filter(({ rtt_ms }) => rtt_ms == null).map(({ at_ms }) => n(x(at_ms))))
  if (columns.size === 0) return []
  const crosses = [...columns].map(column => `M${column - 3} ${at - 3}l6 6M${column - 3} ${at + 3}l6 -6`)
  return [
    `<text x="${PLOT.left - 8}" y="${at + 4}" text-anchor="end">lost</text>`,
    `<path class="lost" d="${crosses.join('')}"/>`
  ]
}

/** Bars to the right, each at the height of its times; lines at the median and the 95th percentile. */
function spread(times: number[], { y }: Scale): string[] {
  const stats = rttOf(times)
  if (stats == null) return []
  const ends = { left: y(stats.min), right: y(stats.max) }
  // by place and not by ms, so that the bars fit a scale of powers too
  const bins = binsOf(times.map(y), Math.max(1, Math.min(BINS, Math.ceil((ends.left - ends.right) / 5))))
  const height = bins.length > 1 ? (ends.left - ends.right) / bins.length : 5
  const most = Math.max(...bins.map(({ count }) => count))
  const room = SPREAD.right - SPREAD.left - 34
  const bars = bins.flatMap(({ from, count }) => {
    if (count === 0) return []
    const width = Math.max(1.5, (count / most) * room)
    const top = bins.length > 1 ? from : from - height / 2
    return `<rect class="bar" x="${SPREAD.left}" y="${n(top)}" width="${n(width)}" height="${n(Math.max(1, height - 1))}" rx="1"/>`
  })
  const ranks = [
    ['p50', stats.p50],
    ['p95', stats.p95]
  ] as const
  // no two labels in one place
  const labels = Math.abs(y(stats.p50) - y(stats.p95)) < 12 ? ranks.slice(0, 1) : ranks
  return [
    ...bars,
    ...labels.map(([name, value]) => {
      const at = n(y(value))
      const text = `<text x="${SPREAD.right}" y="${n(y(value) - 4)}" text-anchor="end">${name}</text>`
      return `<path class="rank" d="M${SPREAD.left} ${at}H${SPREAD.right}"/>${text}`
    })
  ]
}

/** What the colours say, where there is more than one; in a group of its own, since its dots are no pings. */
function legend(samples: Sample[]): string[] {
  const words = { reply: 'reply', late: 'late, counted as lost', stalled: 'not counted: p2pctl stood still' }
  const kinds = Object.entries(words).filter(([kind]) => samples.some(({ fate }) => fate === kind))
  if (kinds.length < 2) return []
  let at: number = SPREAD.right
  const entries = kinds.reverse().map(([kind, word]) => {
    // about what such a letter takes, since no font can be asked
    at -= word.length * 6.6 + 30
    const dot = `<path class="${kind}" d="M${n(at + 18)} ${SIZE.height - 18}h0"/>`
    return `${dot}<text x="${n(at + 27)}" y="${SIZE.height - 14}">${word}</text>`
  })
  return [`<g class="legend">${entries.join('')}</g>`]
}

function summaryOf(samples: Sample[], counted: number[]): string {
  const received = samples.filter(({ fate }) => fate === 'reply' || fate === 'stalled').length
  const loss = Number(lossOf(samples.length, received).toFixed(1))
  const stats = rttOf(counted)
  const facts = [`${samples.length} sent, ${received} received, ${loss}% loss`]
  if (stats != null) {
    const { min, mean, p50, p95, max } = stats
    const named = Object.entries({ min, avg: mean, p50, p95, max })
    facts.push(`${named.map(([name, value]) => `${name} ${value.toFixed(3)}`).join(', ')} ms`)
  }
  return facts.join(' · ')
}

/** As much as fits; the whole of it is what `title` says. */
function cut(text: string): string {
  const letters = Array.from(text)
  return letters.length <= MAX_TITLE ? text : `${letters.slice(0, MAX_TITLE - 1).join('')}…`
}

function short(value: number): string {
  return String(Number(value.toPrecision(4)))
}

/** A place, to a tenth. */
function n(value: number): number {
  return Math.round(value * 10) / 10
}

/** What may stand in XML 1.0, and nothing of it as markup. */
function escaped(text: string): string {
  return text
    .toWellFormed()
    .replace(/[^\t\n\r\x20-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu, '\u{FFFD}')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
