import type { Event } from '../events.ts'
import { writeOut } from '../write-out.ts'
import { type View, viewOf } from './screen.ts'

/** Instead of what `dial` shows: the format, filled in for each address that was dialed, at the end. */
export function writeOutView(format: string): View {
  return viewOf(({ out }) => {
    const attempts: Event<'dial.attempt'>[] = []
    const targets: (string | undefined)[] = []
    const identities = new Map<Event<'dial.attempt'>, Event<'peer.identify'>>()
    return {
      'dial.attempt': event => {
        attempts.push(event)
      },
      'peer.identify': event => {
        const asked = attempts.findLast(
          ({ ok, target, peer_id }) => ok && target === event.target && peer_id === event.peer_id
        )
        if (asked != null) identities.set(asked, event)
      },
      'dial.target': ({ target }) => {
        targets.push(target)
      },
      'run.summary': summary => {
        // nothing was dialed, and nothing will be
        if (summary.exit_code === 2 && attempts.length === 0) return
        const place = ({ target, number = 0 }: Event<'dial.attempt'>): number => targets.indexOf(target) * 1e6 + number
        const ordered = targets.length === 0 ? attempts : attempts.toSorted((a, b) => place(a) - place(b))
        const filled = (attempts.length === 0 ? [null] : ordered).map(attempt =>
          writeOut(format, { attempt, identity: attempt == null ? null : (identities.get(attempt) ?? null), summary })
        )
        const text = filled.join('')
        for (const line of text.replace(/\n$/, '').split('\n')) out.line(line)
      }
    }
  })
}
