/** Small tools for async generators: a queue that feeds one, and several run side by side. */

/** How many events may wait for a slow reader of stdout before nobody is let in any more. */
export const MAX_WAITING = 1000

/** Puts into the queue what may be left out where nobody reads it. */
export function whereThereIsRoom<T>(queue: Queue<T>): (item: T) => void {
  return item => {
    if (queue.size < 2 * MAX_WAITING) void queue.push(item)
  }
}

export interface Queue<T> {
  /** Resolves once the item has been taken and said, so that whoever waits for it does not outrun the reader. */
  push(item: T): Promise<void>
  readonly size: number
  /** The items as they come, until the signal. What is waiting by then is still given; several readers share them. */
  items(signal: AbortSignal): AsyncGenerator<T, void>
}

export function createQueue<T>(): Queue<T> {
  const waiting: { item: T; taken: () => void }[] = []
  const readers = new Set<() => void>()
  const wake = (): void => {
    for (const resume of readers) resume()
    readers.clear()
  }
  return {
    push: item =>
      new Promise(taken => {
        waiting.push({ item, taken })
        wake()
      }),
    get size() {
      return waiting.length
    },
    async *items(signal) {
      const onAbort = (): void => wake()
      signal.addEventListener('abort', onAbort)
      try {
        for (;;) {
          const next = waiting.shift()
          if (next != null) {
            yield next.item
            next.taken()
          } else if (signal.aborted) {
            return
          } else {
            await new Promise<void>(resume => readers.add(resume))
          }
        }
      } finally {
        signal.removeEventListener('abort', onAbort)
      }
    }
  }
}

/**
 * Runs generators side by side, `limit` of them at a time, and gives what they yield as it comes; each goes on only
 * when its last was taken.
 */
export async function* merge<T>(
  generators: Iterable<AsyncGenerator<T, unknown>>,
  limit = Infinity
): AsyncGenerator<T, void> {
  type Step = { generator: AsyncGenerator<T, unknown>; result: IteratorResult<T, unknown> }
  const running = new Set<AsyncGenerator<T, unknown>>()
  // not Promise.race over all of them: each race would leave a reaction behind on every promise that waits long
  const ready: (() => Step)[] = []
  let wake = (): void => {}
  const arrive = (step: () => Step): void => {
    ready.push(step)
    wake()
  }
  const step = (generator: AsyncGenerator<T, unknown>): void => {
    running.add(generator)
    generator.next().then(
      result => arrive(() => ({ generator, result })),
      error =>
        arrive(() => {
          throw error
        })
    )
  }
  const waiting = generators[Symbol.iterator]()
  const fill = (): void => {
    while (running.size < limit) {
      const next = waiting.next()
      if (next.done === true) return
      step(next.value)
    }
  }
  try {
    fill()
    while (running.size > 0) {
      if (ready.length === 0) {
        await new Promise<void>(resolve => {
          wake = resolve
        })
      }
      const { generator, result } = ready.shift()!()
      if (result.done === true) {
        running.delete(generator)
        fill()
        continue
      }
      yield result.value
      step(generator)
    }
  } finally {
    await Promise.allSettled([...running].map(generator => generator.return(undefined)))
  }
}

/** Gives what a generator yields, with what others yield beside it until it ends; then what it returns. */
export async function* alongside<T, R>(
  main: AsyncGenerator<T, R>,
  beside: (over: AbortSignal) => AsyncGenerator<T, unknown>[]
): AsyncGenerator<T, R> {
  const over = new AbortController()
  let result: R
  const untilEnd = async function* (): AsyncGenerator<T> {
    try {
      result = yield* main
    } finally {
      over.abort()
    }
  }
  yield* merge([untilEnd(), ...beside(over.signal)])
  return result!
}

/** What a generator returns, where nobody wants what it yields on the way. */
export async function resultOf<R>(steps: AsyncGenerator<unknown, R>): Promise<R> {
  let step = await steps.next()
  while (step.done !== true) step = await steps.next()
  return step.value
}

/** Resolves after `ms`, or as soon as the signal is aborted; true if the whole time has passed. */
export function pause(ms: number, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve(false)
    const done = (whole: boolean): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      resolve(whole)
    }
    const onAbort = (): void => done(false)
    const timer = setTimeout(done, Math.max(0, ms), true)
    signal.addEventListener('abort', onAbort)
  })
}

/** The items of a source until the signal says stop, even while the source waits for something itself. */
export async function* until<T>(source: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const items = source[Symbol.asyncIterator]()
  let ended = false
  try {
    for (;;) {
      const next = await orAbort(items.next(), signal)
      ended = next.done === true
      if (next.done === true) return
      yield next.value
    }
  } catch (error) {
    ended ||= !signal.aborted
    throw error
  } finally {
    // not awaited: a source that waits for stdin may never come back
    if (!ended) Promise.resolve(items.return?.()).catch(() => {})
  }
}

/** The promise, or the reason of the signal. Takes its listener away after each wait, so that a long run does not collect them. */
export function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const interrupt = (): void => reject(signal.reason)
    if (signal.aborted) return interrupt()
    signal.addEventListener('abort', interrupt, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', interrupt))
  })
}

/** Waits for the promise, but no longer than that. */
export async function within(ms: number, promise: Promise<unknown>): Promise<void> {
  const late = Promise.withResolvers<void>()
  const timer = setTimeout(late.resolve, ms)
  await Promise.race([promise, late.promise]).finally(() => clearTimeout(timer))
}
