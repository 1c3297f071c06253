import { widthOf } from './width.ts'
import { safe } from '../safe.ts'

/** `12D3KooW...Rk2P` on a terminal, whole elsewhere. */
export function shortId(peerId: string, live: boolean): string {
  return live && peerId.length > 20 ? `${peerId.slice(0, 8)}...${peerId.slice(-4)}` : safe(peerId)
}

/** Shortens every peer ID within a sentence, on a terminal. */
export function shortIds(text: string, live: boolean): string {
  return live ? text.replace(/\b(?:12D3KooW|Qm|16Uiu2)[1-9A-HJ-NP-Za-km-z]{30,}/g, id => shortId(id, true)) : text
}

/** An address without the peer ID at its end, as the line says who it is already. */
export function bareAddr(addr: string): string {
  return safe(addr.replace(/\/p2p\/[^/]+$/, ''))
}

/** `0.412 ms`, `41.9 ms`, `2.31 s`: three figures, four at most. */
export function duration(ms: number): string {
  if (ms < 10) return `${ms.toFixed(2)} ms`
  if (ms < 1000) return `${ms.toFixed(1)} ms`
  if (ms < 60_000) return `${trim((ms / 1000).toFixed(2))} s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes < 60) return `${minutes} min ${Math.round((ms % 60_000) / 1000)} s`
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A duration that was set and not measured: `1 h`, `2 min`, `2 s`, `250 ms`. */
export function roundDuration(ms: number): string {
  if (ms >= 3_600_000 && ms % 3_600_000 === 0) return `${ms / 3_600_000} h`
  if (ms >= 60_000 && ms % 60_000 === 0) return `${ms / 60_000} min`
  return ms < 1000 ? `${Math.round(ms)} ms` : `${trim((ms / 1000).toFixed(1))} s`
}

/** `6.7 MiB`, IEC units. */
export function bytes(count: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = count
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024
    unit++
  }
  return `${unit === 0 ? value : trim(value.toFixed(1))} ${units[unit]}`
}

/** `05:33:07` */
export function clock(at: Date): string {
  return at.toTimeString().slice(0, 8)
}

/** Facts side by side, on as many lines as the columns ask for. */
export function fit(facts: string[], columns: number): string[] {
  const lines: string[] = []
  for (const fact of facts) {
    const last = lines.at(-1)
    const joined = last == null ? fact : `${last}   ${fact}`
    if (last == null || widthOf(joined) > columns) lines.push(fact)
    else lines[lines.length - 1] = joined
  }
  return lines
}

/** Fills up with spaces to a width in columns, whatever script the text is in. */
export function pad(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - widthOf(text)))
}

const eighths = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/** A bar of a length in columns, to an eighth of one; something that took time shows at least an eighth. */
export function bar(columns: number): string {
  const parts = columns > 0 ? Math.max(1, Math.round(columns * 8)) : 0
  return '█'.repeat(Math.floor(parts / 8)) + eighths[parts % 8]
}

const levels = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** A line of little columns, by default from the least to the greatest value; a null, something lost, is a cross. */
export function sparkline(values: (number | null)[], columns: number, from?: number): string {
  const shown = values.slice(-columns)
  const known = shown.filter(value => value != null)
  const least = from ?? Math.min(...known)
  const span = Math.max(...known) - least
  return shown
    .map(value => (value == null ? '×' : levels[span === 0 ? 0 : Math.round(((value - least) / span) * 7)]))
    .join('')
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : noun.endsWith('s') ? 'es' : 's'}`
}

function trim(number: string): string {
  return number.replace(/\.?0+$/, '')
}
