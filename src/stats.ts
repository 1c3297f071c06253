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

export function pingStats(sent: number, times: number[], connectMs: number | null): PingStats {
  const received = times.length
  // nothing sent is nothing received, which is no success either
  const loss = sent === 0 ? 100 : ((sent - received) / sent) * 100
  return { sent, received, loss_pct: loss, connect_ms: connectMs, rtt_ms: rttOf(times) }
}
