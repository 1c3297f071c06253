/** What a benchmark gives: figures, each beside what it is measured against in the same run, and points of how a cost grows. */

/** A ratio that a figure has to reach: so much of what it is compared with at most, or at least. */
export type Reach = { most: number } | { least: number }

export interface Figure {
  /** The name of the row in docs/performance.md. */
  row: string
  /** What p2pctl did. */
  what: string
  value: number
  unit: string
  /** What it is compared with, measured in the same run and in the same unit. */
  against: string
  limit: number
  /** value / limit. */
  ratio: number
  reach: Reach
  met: boolean
  note?: string
}

/** How a cost grows: one point of one plot. */
export interface Point {
  plot: string
  x: number
  y: number
  unit: string
}

export interface Bench {
  row: string
  /** The short form is the one of CI: seconds, and coarse. */
  run(options: { short: boolean }): AsyncIterable<Figure | Point>
  /** What this machine has not, without which there is nothing to compare with. */
  lacks?(): string | false
}

/** The figure of a measurement: its ratio, and whether it reaches what it has to. */
export function figure(measured: Omit<Figure, 'ratio' | 'met'>): Figure {
  const ratio = measured.value / measured.limit
  return { ...measured, ratio, met: reaches(ratio, measured.reach) }
}

/** `margin` 2 is content with a ratio that is half as good. */
export function reaches(ratio: number, reach: Reach, margin = 1): boolean {
  return 'most' in reach ? ratio <= reach.most * margin : ratio >= reach.least / margin
}

export function isPoint(measured: Figure | Point): measured is Point {
  return 'plot' in measured
}
