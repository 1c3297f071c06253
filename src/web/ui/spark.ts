import { duration, plural } from '../../views/format.ts'
import { set, svg } from './dom.ts'
import { TIMES } from './state.ts'

const WIDTH = 120
const HEIGHT = 24
/** Room for the line's own width. */
const EDGE = 2

/** A line of the newest round trips, the last at the right; a gap and a mark where one was lost. */
export function sparkline() {
  const picture = svg('svg', {
    class: 'spark',
    viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
    role: 'img',
    preserveAspectRatio: 'none'
  })
  const line = svg('path', { class: 'spark-line' })
  const lost = svg('path', { class: 'spark-lost' })
  picture.append(line, lost)
  return {
    node: picture,
    draw(times: (number | null)[]) {
      const known = times.filter(time => time != null)
      const least = Math.min(...known)
      const most = Math.max(...known)
      const x = (index: number): number =>
        WIDTH - EDGE - ((times.length - 1 - index) / (TIMES - 1)) * (WIDTH - 2 * EDGE)
      // a steady round trip is a line in the middle, and not noise blown up
      const span = Math.max(most - least, most * 0.2, 0.2)
      const middle = (most + least) / 2
      const y = (ms: number): number => HEIGHT / 2 - ((ms - middle) / span) * (HEIGHT - 2 * EDGE)
      let drawn = ''
      for (const [index, time] of times.entries()) {
        if (time == null) continue
        const isStart = index === 0 || times[index - 1] == null
        drawn += `${isStart ? 'M' : 'L'}${x(index).toFixed(1)} ${y(time).toFixed(1)}`
        if (isStart) drawn += 'h0.1'
      }
      const marks = times.flatMap((time, index) =>
        time == null ? [`M${x(index).toFixed(1)} ${EDGE}V${HEIGHT - EDGE}`] : []
      )
      set(line, { d: drawn })
      set(lost, { d: marks.join('') })
      set(picture, { 'aria-label': wordsOf(known, times.length - known.length, least, most) })
    }
  }
}

function wordsOf(known: number[], lost: number, least: number, most: number): string {
  const missed = lost === 0 ? '' : `, ${plural(lost, 'ping')} lost`
  if (known.length === 0) return `no round trip yet${missed}`
  return `the last ${known.length} round trips: ${duration(least)} to ${duration(most)}${missed}`
}
