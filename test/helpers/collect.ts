import assert from 'node:assert/strict'
import { Failure } from '../../src/errors.ts'
import type { Command, Said } from '../../src/events.ts'
import { holdToSchema } from './schema.ts'

/** A command that runs in this process. */
export interface Begun extends AsyncDisposable {
  /** Everything that it has said so far. */
  said: Said[]
  /** The first event of a type (that fits), from those that have come or will come; each is given once. */
  next<T extends Said['type']>(type: T, fits?: (event: SaidOf<T>) => boolean): Promise<SaidOf<T>>
  /** Everything that it said, once it has ended; rejects with what it threw. */
  done: Promise<Said[]>
  /** Aborts its signal and waits for the end. */
  stop(): Promise<Said[]>
}

export type SaidOf<T extends Said['type']> = Extract<Said, { type: T }>

/** Runs a command in this process, each of its events held against the schema. */
export function begin<O>(command: Command<O>, options: O, stopper = new AbortController()): Begun {
  const said: Said[] = []
  const taken = new Set<Said>()
  const waiting = new Set<() => void>()
  let ended = false
  const wake = (): void => {
    for (const resume of waiting) resume()
    waiting.clear()
  }
  const consume = async (): Promise<Said[]> => {
    try {
      for await (const event of command(options, stopper.signal)) {
        holdToSchema(event)
        said.push(event)
        wake()
      }
      return said
    } finally {
      ended = true
      wake()
    }
  }
  const done = consume()
  // next() tells of it too
  done.catch(() => {})
  return {
    said,
    done,
    async next(type, fits = () => true) {
      for (;;) {
        const found = said.find(
          (event): event is SaidOf<typeof type> =>
            event.type === type && !taken.has(event) && fits(event as SaidOf<typeof type>)
        )
        if (found != null) {
          taken.add(found)
          return found
        }
        if (ended) {
          await done
          assert.fail(`it ended without ${type}: ${JSON.stringify(said)}`)
        }
        await new Promise<void>(resume => waiting.add(resume))
      }
    },
    stop() {
      stopper.abort()
      return done
    },
    async [Symbol.asyncDispose]() {
      stopper.abort()
      await done.catch(() => {})
    }
  }
}

/** Runs a command in this process and gives everything that it said; what it throws is thrown. */
export async function collect<O>(
  command: Command<O>,
  options: O,
  signal = new AbortController().signal
): Promise<Said[]> {
  const stopper = new AbortController()
  if (signal.aborted) stopper.abort(signal.reason)
  else signal.addEventListener('abort', () => stopper.abort(signal.reason))
  return await begin(command, options, stopper).done
}

/** Those of one type. */
export function only<T extends Said['type']>(said: { type: string }[], type: T): SaidOf<T>[] {
  return said.filter(event => event.type === type) as SaidOf<T>[]
}

/** The one event of a type. */
export function one<T extends Said['type']>(said: { type: string }[], type: T): SaidOf<T> {
  const found = only(said, type)
  assert.equal(found.length, 1, `${found.length} of ${type}: ${JSON.stringify(said)}`)
  return found[0]!
}

/** The failure that a command throws; anything else fails the test. */
export async function failureOf(running: Promise<unknown>): Promise<Failure> {
  const error = await running.then(
    () => assert.fail('it did not fail'),
    error => error
  )
  assert.ok(error instanceof Failure, String(error?.stack ?? error))
  return error
}
