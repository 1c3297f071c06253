/** What goes wrong in the page, as events. */
import { errorEvent, Failure } from '../errors.ts'
import type { Event } from '../events.ts'

/** Anything that is no failure of a dial, a peer or a person is a bug. */
export function failureOf(error: unknown, target?: string): Failure {
  if (error instanceof Failure) return error
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new Failure('internal', text, { target, cause: error })
}

export function errorOf(error: unknown, target?: string): Event<'error'> {
  const event = errorEvent(failureOf(error, target))
  return target == null ? event : { ...event, target }
}
