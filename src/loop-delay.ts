/** How late our own event loop is: what a sample must not be blamed on the network for. */

/** A sample that was taken while the loop was this late, in ms, says more about this process than about the peer. */
export const STALL_MS = 50

/** A delay that is shorter is no news: timers of Node are this coarse. */
const NOTED_MS = 10
const PERIOD_MS = 10
const KEPT = 256

export interface LoopWatch extends Disposable {
  /** The longest delay since a time of `performance.now()`, in ms; null where there was none worth a word. */
  since(at: number): number | null
}

/**
 * A timer that looks how late it is called. Not perf_hooks.monitorEventLoopDelay(): its histogram does not say when a
 * delay was, and so not which sample it spoilt.
 */
export function watchLoop({ periodMs = PERIOD_MS, notedMs = NOTED_MS } = {}): LoopWatch {
  const delays: { at: number; ms: number }[] = []
  let last = performance.now()
  const look = (): void => {
    const now = performance.now()
    const ms = now - last - periodMs
    last = now
    if (ms < notedMs) return
    delays.push({ at: now, ms })
    if (delays.length > KEPT) delays.shift()
  }
  const timer = setInterval(look, periodMs)
  timer.unref()
  return {
    since(at) {
      // what was read first after a stall comes before the timer that would have told of it
      const now = performance.now() - last - periodMs
      const longest = Math.max(now, ...delays.filter(delay => delay.at >= at).map(({ ms }) => ms))
      return longest < notedMs ? null : longest
    },
    [Symbol.dispose]: () => clearInterval(timer)
  }
}
