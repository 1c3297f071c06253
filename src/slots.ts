/** Places for so many at once, and a line of bounded length before them. */
export interface Slots {
  /** A place, as soon as one is free: call what it gives to leave it. Rejects with the reason of the signal. */
  take(signal: AbortSignal): Promise<() => void>
  /** Nobody else may wait. */
  readonly full: boolean
}

export function createSlots(most: number, line: number): Slots {
  let taken = 0
  const waiting = new Set<() => void>()
  const leave = (): void => {
    const [next] = waiting
    // the place goes on to whoever is next in line
    if (next == null) taken--
    else next()
  }
  const place = (): (() => void) => {
    let left = false
    return () => {
      if (!left) leave()
      left = true
    }
  }
  return {
    get full() {
      return taken >= most && waiting.size >= line
    },
    take(signal) {
      if (taken < most) {
        taken++
        return Promise.resolve(place())
      }
      return new Promise((resolve, reject) => {
        const interrupt = (): void => {
          waiting.delete(enter)
          reject(signal.reason)
        }
        const enter = (): void => {
          waiting.delete(enter)
          signal.removeEventListener('abort', interrupt)
          resolve(place())
        }
        waiting.add(enter)
        signal.addEventListener('abort', interrupt, { once: true })
        if (signal.aborted) interrupt()
      })
    }
  }
}
