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
