import { binsOf } from '../stats.ts'
import { bar } from './format.ts'

/** What is drawn of the round trips of one target: a null is a ping without a reply. */
export interface Point {
  seq: number
  rttMs: number | null
}

const ROWS = 10
const BAR = 24

/** How the round trips are spread: the least of each row, how many, a bar; rows that would be empty are left out. */
export function histogramLines(times: number[], columns: number): string[] {
  if (times.length === 0) return []
  const bins = binsOf(times, ROWS).filter(({ count }) => count > 0)
  const most = Math.max(...bins.map(({ count }) => count))
  const width = { from: widest(bins.map(({ from }) => label(from))), count: String(most).length }
  const room = Math.max(4, Math.min(BAR, columns - width.from - width.count - 11))
  return bins.map(({ from, count }) => {
    const head = `  ${label(from).padStart(width.from)} ms [${String(count).padStart(width.count)}]`
    return `${head} ${bar((count / most) * room)}`
  })
}

const CHART_ROWS = 6
/** Two dots by four in one character. https://www.unicode.org/charts/PDF/U2800.pdf */
const dots = [
  [0x01, 0x08],
  [0x02, 0x10],
  [0x04, 0x20],
  [0x40, 0x80]
]

/** The round trips over the number of the ping as dots in the columns that there are; a cross is one without a reply. */
export function chartLines(points: Point[], columns: number): string[] {
  const times = points.flatMap(({ rttMs }) => rttMs ?? [])
  if (times.length < 2) return []
  const sorted = Float64Array.from(times).sort()
  const [least, most] = [sorted[0]!, sorted.at(-1)!]
  const names = Math.max(label(least).length, label(most).length) + ' ms'.length
  const margin = names + 4
  const first = points.reduce((a, { seq }) => Math.min(a, seq), Infinity)
  const last = points.reduce((a, { seq }) => Math.max(a, seq), 0)
  // no wider than there are pings to show
  const width = Math.max(12, Math.min(columns - margin, last - first + 1))
  const cells = Array.from({ length: CHART_ROWS }, () => Array<number>(width).fill(0))
  const crosses = Array<string>(width).fill(' ')
  for (const { seq, rttMs } of points) {
    const x = Math.round(((seq - first) / Math.max(1, last - first)) * (2 * width - 1))
    if (rttMs == null) {
      crosses[x >> 1] = '×'
      continue
    }
    const share = most === least ? 0 : (rttMs - least) / (most - least)
    const y = Math.round((1 - share) * (4 * CHART_ROWS - 1))
    cells[y >> 2]![x >> 1]! |= dots[y & 3]![x & 1]!
  }
  const axis = (text: string, mark: string): string => `  ${text.padStart(names)} ${mark}`
  const lines = cells.map((row, index) => {
    const text = index === 0 ? `${label(most)} ms` : index === CHART_ROWS - 1 ? `${label(least)} ms` : ''
    const drawn = String.fromCodePoint(...row.map(bits => 0x2800 + bits)).replace(/\u2800+$/, '')
    return axis(text, `┤${drawn.replaceAll('\u2800', ' ')}`)
  })
  if (crosses.includes('×')) lines.push(axis('lost', `┤${crosses.join('').trimEnd()}`))
  const ends = `seq ${first}`
  lines.push(axis('', ` ${ends}${String(last).padStart(Math.max(1, width - ends.length))}`))
  return lines
}

function label(ms: number): string {
  return ms < 10 ? ms.toFixed(2) : ms.toFixed(1)
}

function widest(texts: string[]): number {
  return Math.max(...texts.map(text => text.length))
}
