import { parseAddr } from '../addr.ts'
import { factsOf } from '../addr-facts.ts'
import { errorEvent, Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { readList } from '../targets.ts'

export interface Options {
  addr: string[]
}

export default async function* addrParse({ addr: given }: Options): AsyncGenerator<Said> {
  const failures: Failure[] = []
  for (const text of await readList(given, 'address')) {
    const facts = factsOf(text)
    yield { type: 'addr.parse', target: text, ...facts }
    if (facts.valid) continue
    const failure = failureOf(text)
    failures.push(failure)
    yield { ...errorEvent(failure), target: text }
  }
  const ok = failures.length === 0
  yield { type: 'run.summary', ok, ...(!ok && { exit_code: failures[0]!.exitCode, reason: 'error' }) }
}

function failureOf(text: string): Failure {
  try {
    parseAddr(text)
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('an address was called invalid that is none')
}
