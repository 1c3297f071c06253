import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bareAddr, bytes, duration, shortId, shortIds, sparkline } from './format.ts'
import { viewOf } from './screen.ts'

type Direction = Event<'perf.interval'>['direction']

/** No line of little columns is longer. */
const SPARKS = 40
const SHORTEST_MS = 500

/** A line while it runs, and at the end one for each direction. */
export default viewOf(({ out, quiet, verbose, status }) => {
  const rates: Record<Direction, number[]> = { upload: [], download: [] }
  let last: string | null = null
  return {
    'run.start': () => status('dialing'),
    'dial.attempt': event => {
      if (!event.ok) return
      status('measuring')
      if (quiet) return
      const how = [event.security, event.muxer, event.limited ? 'limited' : null].filter(part => part != null)
      const name = out.chalk.bold(shortId(event.peer_id ?? '?', out.live))
      const via = shortIds(bareAddr(event.addr), out.live)
      const made = `(${how.map(part => safe(part)).join(', ')}), connected in ${duration(event.total_ms)}`
      out.line(`PERF ${name} via ${via} ${made}`)
    },
    'perf.interval': ({ direction, upload_bytes, download_bytes, duration_ms, bytes_per_s }) => {
      // what is left at an end is too short to tell
      if (duration_ms >= SHORTEST_MS) rates[direction].push(bytes_per_s)
      last = `${direction.padEnd(8)}  ${speed(bytes_per_s)}`
      status(`${last}  ${sparkline(rates[direction], SPARKS, 0)}`)
      if (!verbose) return
      out.line(`${last}  ${bytes(upload_bytes + download_bytes)} in ${duration(duration_ms)}`)
    },
    'perf.done': event => {
      status(null)
      const { upload_bytes, download_bytes, complete } = event
      const show = (direction: Direction, count: number, ms: number | null, perS: number | null): void => {
        const cut = complete ? '' : out.chalk.yellow('  cut short')
        const took =
          ms == null
            ? ' sent, and not known to have arrived'
            : ` in ${duration(ms)}  ${out.chalk.bold(speed(perS ?? 0))}`
        const sparks = rates[direction].length > 2 ? `  ${sparkline(rates[direction], SPARKS, 0)}` : ''
        out.line(`${direction.padEnd(8)}  ${bytes(count)}${took}${cut}${sparks}`)
      }
      if (upload_bytes > 0) show('upload', upload_bytes, event.upload_ms, event.upload_bytes_per_s)
      if (download_bytes > 0) show('download', download_bytes, event.download_ms, event.download_bytes_per_s)
    },
    'run.summary': () => status(null),
    status: () => last
  }
})

/** `118.4 MiB/s (993.2 Mbit/s)`, as files are counted and as links are sold. */
function speed(bytesPerS: number): string {
  const bits = bytesPerS * 8
  const units = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']
  const unit = bits < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log10(bits) / 3))
  const value = bits / 1000 ** unit
  return `${bytes(Math.round(bytesPerS))}/s (${value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)} ${units[unit]})`
}
