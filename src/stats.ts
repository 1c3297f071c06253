import type { PingStats, Rtt } from './events.ts'

/** Least, mean, greatest and nearest-rank percentiles of some times; null for none. */
export function rttOf(times: number[]): Rtt | null {
  if (times.length === 0) return null
  const sorted = Float64Array.from(times).sort()
  const mean = times.reduce((sum, time) => sum + time, 0) / times.length
  const variance = times.reduce((sum, time) => sum + (time - mean) ** 2, 0) / times.length
  const rank = (percent: number): number => sorted[Math.ceil((percent / 100) * sorted.length) - 1]!
  return {
    min: sorted[0]!,
    mean,
    p50: rank(50),
    p90: rank(90),
    p95: rank(95),
    p99: rank(99),
    max: sorted.at(-1)!,
    stddev: Math.sqrt(variance)
  }
}

/** What became of the pings of one target so far. */
export interface Tally {
  sent: number
  received: number
  late: number
  /** Their time passed; those that are late are among them. */
  timedOut: number
  wrong: number
  reset: number
  closed: number
  unconnected: number
  stalled: number
  /** The round trips that count, in ms: those of no stall. */
  times: number[]
  /** With a new connection for each ping, the time of each, in ms. */
  connects: number[]
}

export function newTally(): Tally {
  const none = { sent: 0, received: 0, late: 0, timedOut: 0, wrong: 0, reset: 0, closed: 0, unconnected: 0, stalled: 0 }
  return { ...none, times: [], connects: [] }
}

export function pingStats(sent: number, times: number[], connectMs: number | null): PingStats {
  const received = times.length
  return { sent, received, loss_pct: lossOf(sent, received), connect_ms: connectMs, rtt_ms: rttOf(times) }
}

export function statsOf(tally: Tally, connectMs: number | null): PingStats {
  const { sent, received, late, timedOut, wrong, reset, closed, unconnected, stalled, times, connects } = tally
  const fates = Object.entries({ late, lost: timedOut - late, wrong, reset, closed, unconnected, stalled })
  return {
    ...pingStats(sent, times, connectMs),
    received,
    loss_pct: lossOf(sent, received),
    ...Object.fromEntries(fates.filter(([, count]) => count > 0)),
    ...(connects.length > 0 && { connects_ms: rttOf(connects)! })
  }
}

/** In percent. Nothing sent is nothing received, which is no success either. */
export function lossOf(sent: number, received: number): number {
  return sent === 0 ? 100 : ((sent - received) / sent) * 100
}

export interface Bin {
  /** The least that it may hold, in ms. */
  from: number
  count: number
}

/** How some times are spread, in as many bins of one width, the empty ones among them. */
export function binsOf(times: number[], count: number): Bin[] {
  const sorted = Float64Array.from(times).sort()
  const least = sorted[0] ?? 0
  const width = ((sorted.at(-1) ?? 0) - least) / count
  const bins = Array.from({ length: width === 0 ? 1 : count }, (_, index) => ({
    from: least + index * width,
    count: 0
  }))
  for (const time of sorted) bins[width === 0 ? 0 : Math.min(count - 1, Math.floor((time - least) / width))]!.count++
  return bins
}
