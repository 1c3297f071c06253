import type { Event } from '../../events.ts'
import { shortIds } from '../../views/format.ts'
import { errorFacts } from '../../views/words.ts'
import { el } from './dom.ts'

/** An error as the command line tells it: what happened, then the facts, what to try, and the code. */
export function problemOf(error: Event<'error'>, tried: Event<'dial.attempt'>[]): HTMLElement[] {
  const facts = el('dl', { class: 'why' })
  for (const [name, texts] of errorFacts(error, tried, true)) {
    const label = name === 'code' && error.phase != null ? [name, [[`${error.code} (${error.phase})`]]] : [name, texts]
    facts.append(el('dt', {}, label[0] as string))
    for (const parts of label[1] as string[][]) {
      facts.append(el('dd', { class: `why-${name}` }, ...parts.map(part => el('span', {}, part))))
    }
  }
  return [el('p', { class: 'wrong' }, shortIds(error.message, true)), facts]
}
