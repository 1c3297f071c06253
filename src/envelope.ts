import type { Event } from './events.ts'

/** One event as a line of `--json` and the page's own list hold it: what every line has, then what this one says. */
export function lineOf(cmd: string, { type, target, ...fields }: Event): Record<string, unknown> {
  const head = { v: 1, type, time: new Date().toISOString(), t_ms: performance.now(), cmd, target: target ?? null }
  return rounded({ ...head, ...fields }) as Record<string, unknown>
}

/** A thousandth of a millisecond is what the clock can tell. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1000) / 1000
  if (Array.isArray(value)) return value.map(rounded)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)]))
}
