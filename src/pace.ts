import { pause } from './flow.ts'

/** When the next ping goes out. */
export interface Pace {
  /** Without it, until the signal. */
  count?: number | undefined
  /** From one to the next, in ms; 0 is as soon as the last one is settled. */
  interval: number
  /** As soon as the last one is settled, and after the interval at the latest. */
  flood?: boolean | undefined
}

/** No more than these wait for their reply at the same time: then the next one waits. */
export const MAX_UNDER_WAY = 64

/**
 * Calls `start` with 1, 2, 3 and so on, on schedule and not an interval after the last was settled, so that a slow
 * reply hides nothing; a time that was missed is left out and not made up for. Resolves once all are settled, rejects
 * with the first that rejects, without those that would have come after it.
 */
export async function paced(
  { count = Infinity, interval, flood }: Pace,
  signal: AbortSignal,
  start: (seq: number) => Promise<void>
): Promise<void> {
  const failed = new AbortController()
  const stop = AbortSignal.any([signal, failed.signal])
  const underWay = new Set<Promise<void>>()
  let due = performance.now()
  for (let seq = 1; !stop.aborted; seq++) {
    const running = start(seq)
      .catch(error => failed.abort({ error }))
      .finally(() => underWay.delete(running))
    underWay.add(running)
    if (seq >= count) break
    while (underWay.size >= MAX_UNDER_WAY) await Promise.race(underWay)
    if (interval === 0) {
      await running
      continue
    }
    due += interval
    const behind = performance.now() - due
    if (behind >= interval) due += Math.floor(behind / interval) * interval
    if (flood !== true) await pause(due - performance.now(), stop)
    else if (await settles(running, due - performance.now())) due = performance.now()
  }
  await Promise.all(underWay)
  if (failed.signal.aborted) throw (failed.signal.reason as { error: unknown }).error
}

/** Whether it settles within so many ms; then without a wait for the rest of them. */
function settles(running: Promise<void>, ms: number): Promise<boolean> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, Math.max(0, ms), false)
    // not a signal: to abort one makes an error with a stack, thousands of times a second
    void running.then(() => {
      clearTimeout(timer)
      resolve(true)
    })
  })
}
