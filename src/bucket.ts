/** A token bucket: `perSecond` on average, `most` at once. */
export interface Bucket {
  /** Takes one where there is one. */
  take(): boolean
  /** Takes one, with so many on credit at most, and says how long to wait for it, in ms; null where there is none. */
  borrow(credit: number): number | null
  /** Takes one in any case, and says how long to wait for it, in ms: 0 where it was there. */
  reserve(): number
  /** As if nobody had ever taken one. */
  readonly full: boolean
}

export function createBucket(perSecond: number, most: number): Bucket {
  let left = most
  let at = performance.now()
  const fill = (): void => {
    const now = performance.now()
    left = Math.min(most, left + ((now - at) / 1000) * perSecond)
    at = now
  }
  const borrow = (credit: number): number | null => {
    fill()
    if (left + credit < 1) return null
    left--
    return left >= 0 ? 0 : (-left / perSecond) * 1000
  }
  return {
    take: () => borrow(0) != null,
    borrow,
    reserve: () => borrow(Number.POSITIVE_INFINITY)!,
    get full() {
      fill()
      return left === most
    }
  }
}
