export interface Limit extends Disposable {
  signal: AbortSignal
  /** The time is over. */
  readonly passed: boolean
}

/** A signal for the time of one attempt and no longer: @libp2p/tcp 11.0 closes a connection with the signal of its dial. */
export function startLimit(ms: number, runSignal: AbortSignal): Limit {
  const stopper = new AbortController()
  let passed = false
  const timer = setTimeout(() => {
    passed = true
    stopper.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError'))
  }, ms)
  const onStop = (): void => stopper.abort(runSignal.reason)
  runSignal.addEventListener('abort', onStop)
  if (runSignal.aborted) onStop()
  return {
    signal: stopper.signal,
    get passed() {
      return passed
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      runSignal.removeEventListener('abort', onStop)
    }
  }
}

/** How long the other side of a transfer may not move: 30 s, unless the time of an attempt (-W, 10 s) is another one. */
export function idleTimeOf(timeoutMs: number): number {
  return 3 * timeoutMs
}

/**
 * As AbortSignal.timeout(), and it holds the process. Where the last socket has gone under a wait that was to end with
 * it, nothing else does, and the run would be over in the middle of it.
 */
export function timeLimit(ms: number): AbortSignal {
  const stopper = new AbortController()
  setTimeout(() => stopper.abort(new DOMException(`not done within ${ms} ms`, 'TimeoutError')), ms)
  return stopper.signal
}
