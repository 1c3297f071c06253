import type { Event } from '../../events.ts'
import { safe } from '../../safe.ts'
import { shortIds } from '../../views/format.ts'
import { errorFacts } from '../../views/words.ts'
import { el } from './dom.ts'

/** An error as the command line tells it: what happened, then the facts, what to try, and the code. */
export function problemOf(error: Event<'error'>, tried: Event<'dial.attempt'>[]): HTMLElement[] {
  // a bug may quote anybody
  const message = error.code === 'internal' ? safe(error.message, 1024) : error.message
  const facts = el('dl', { class: 'why' })
  for (const [name, texts] of errorFacts(error, tried, true)) {
    facts.append(el('dt', {}, name))
    for (const parts of texts)
      facts.append(el('dd', { class: `why-${name}` }, ...parts.map(part => el('span', {}, part))))
  }
  if (error.phase != null) facts.lastElementChild?.append(` (${error.phase})`)
  return [el('p', { class: 'wrong' }, shortIds(message, true)), facts]
}
