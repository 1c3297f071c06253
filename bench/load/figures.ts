/** What is made of what was measured. */

/** The value that so many of all are not above, nearest-rank. */
export function rank(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
}

export interface Point {
  x: number
  y: number
}

/** Of the line that fits the points best (least squares). */
export function slope(points: Point[]): number {
  const mean = (of: (point: Point) => number): number => points.reduce((sum, one) => sum + of(one), 0) / points.length
  const [x, y] = [mean(one => one.x), mean(one => one.y)]
  const both = points.reduce((sum, one) => sum + (one.x - x) * (one.y - y), 0)
  return both / points.reduce((sum, one) => sum + (one.x - x) ** 2, 0)
}

export const MIB = 2 ** 20

export function mib(bytes: number): number {
  return round(bytes / MIB, 2)
}

export function round(value: number, digits = 1): number {
  return Number(value.toFixed(digits))
}
