/** A page sleeps when its tab is frozen or the lid is closed: no timer runs, and nobody tells it that time has passed. */

const LOOK_MS = 1000
/** A timer that is so late has slept; timers of a hidden tab come once a second. */
const SLEPT_MS = 5000
/** Several signs of one awakening count once. */
const ONCE_MS = 1000

let sleptAt = Number.NEGATIVE_INFINITY

/** Whether the page has slept since then, a time of `Date.now()`: what was measured meanwhile says nothing. */
export function sleptSince(time: number): boolean {
  return sleptAt >= time
}

/** Calls `woke` whenever the page may have slept, or its network may be another one, until the signal. */
export function onWaking(woke: () => void, signal: AbortSignal): void {
  let toldAt = Number.NEGATIVE_INFINITY
  let lookedAt = Date.now()
  const tell = (): void => {
    const now = Date.now()
    if (now - toldAt < ONCE_MS) return
    toldAt = now
    woke()
  }
  const look = (): void => {
    const now = Date.now()
    const slept = now - lookedAt > SLEPT_MS
    if (slept) sleptAt = now
    lookedAt = now
    if (slept) tell()
  }
  const timer = setInterval(look, LOOK_MS)
  signal.addEventListener('abort', () => clearInterval(timer))
  const visible = (): void => {
    if (document.visibilityState === 'visible') tell()
  }
  const shown = (event: PageTransitionEvent): void => {
    if (event.persisted) tell()
  }
  const resumed = (): void => {
    sleptAt = Date.now()
    tell()
  }
  document.addEventListener('visibilitychange', visible, { signal })
  document.addEventListener('resume', resumed, { signal })
  addEventListener('pageshow', shown, { signal })
  addEventListener('online', tell, { signal })
}

/** Calls `left` when the page is closed, or another one is loaded in its place. */
export function onLeaving(left: () => void, signal: AbortSignal): void {
  addEventListener('pagehide', left, { signal })
}
