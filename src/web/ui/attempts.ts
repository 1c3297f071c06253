import type { Event } from '../../events.ts'
import { safe } from '../../safe.ts'
import { bareAddr, duration, shortId, shortIds } from '../../views/format.ts'
import { phaseTimes, resultOf, totalNotes } from '../../views/words.ts'
import { byId, el, listIn, set, tell } from './dom.ts'
import { problemOf } from './problem.ts'
import type { Attempt, PageState } from './state.ts'

/** Every dial: its phases as a waterfall, or what went wrong. */
export function drawAttempts(): (state: PageState) => void {
  // what scrolls is to be scrolled by the keyboard too
  byId('connect-log').tabIndex = 0
  const list = listIn<Attempt>(
    byId('connect-log'),
    ({ id }) => id,
    () => {
      const node = el('li', { 'data-testid': 'attempt' })
      return {
        node,
        draw(attempt) {
          const { addr, state, error } = attempt
          set(node, {
            'data-addr': addr,
            'data-ok': state === 'dialing' ? '' : String(state === 'connected'),
            'data-code': error?.code ?? '',
            'data-state': state
          })
          const lines = linesOf(attempt)
          node.replaceChildren(...lines)
          if (state !== 'dialing') tell(lines[0]?.textContent ?? '')
        }
      }
    }
  )
  return ({ attempts }) => list(attempts)
}

function linesOf({ addr, state, tried, error }: Attempt): HTMLElement[] {
  const where = el('code', { class: 'long' }, shortIds(safe(addr, 1024), true))
  const made = tried.find(({ ok }) => ok)
  if (made != null) return [connectedLine(made), where, waterfall(made)]
  const [last] = tried
  // the one address that was tried stands there already
  const isPlain = tried.length === 1 && last?.addr === addr
  const time = isPlain ? ` after ${duration(last.total_ms)}` : ''
  const head = {
    dialing: 'dialing',
    connected: 'connected already',
    failed: `failed${time}: ${failedWords(error, tried)}`
  }
  const lines = [el('p', { class: 'verdict' }, head[state]), where]
  return error == null ? lines : [...lines, ...problemOf(error, isPlain ? [] : tried)]
}

function failedWords(error: Event<'error'> | null, tried: Event<'dial.attempt'>[]): string {
  const last = tried.at(-1)
  return last == null ? (error?.code ?? '') : resultOf(last)
}

function connectedLine(made: Event<'dial.attempt'>): HTMLElement {
  const unverified = made.addr.includes('/p2p/') ? '' : ', unverified'
  const line = `connected to ${shortId(made.peer_id ?? '?', true)} via ${made.transport ?? '?'}${unverified}`
  return el('p', { class: 'verdict', title: bareAddr(made.addr) }, line)
}

/** The phases below each other, each where it began. */
function waterfall(made: Event<'dial.attempt'>): HTMLElement {
  const list = el('dl', { class: 'waterfall' })
  const share = (ms: number): string => `${((ms / Math.max(made.total_ms, 0.001)) * 100).toFixed(2)}%`
  for (const { name, ms, fromMs, note } of phaseTimes(made)) {
    const bar = el('span', { class: 'bar', 'aria-hidden': 'true' })
    bar.style.setProperty('--from', share(fromMs))
    bar.style.setProperty('--width', share(ms))
    list.append(
      el('dt', {}, name),
      el('dd', { class: 'ms' }, duration(ms)),
      el('dd', { class: 'track' }, bar),
      el('dd', { class: 'note' }, note ?? '')
    )
  }
  list.append(
    el('dt', { class: 'total' }, 'total'),
    el('dd', { class: 'ms total' }, duration(made.total_ms)),
    el('dd', { class: 'rest' }, totalNotes(made).join(', '))
  )
  return list
}
