import { plural } from '../../views/format.ts'
import type { Actions } from '../actions.ts'
import type { Store } from '../store.ts'
import { drawAttempts } from './attempts.ts'
import { bindForms } from './forms.ts'
import { drawMap } from './map.ts'
import { drawLog, drawTargets, drawTopics } from './messages.ts'
import { drawPeers } from './peers.ts'
import type { PageState } from './state.ts'
import { drawYou } from './you.ts'

/** A page that is not looked at is drawn all the same, less often: its title tells. */
const HIDDEN_MS = 250
/** The reservation's time left. */
const TICK_MS = 1000

/** Draws what the store holds, at most once a frame. */
export function openPage(store: Store, actions: Actions): void {
  const parts = [
    drawYou(),
    drawMap(),
    drawAttempts(),
    drawPeers(peerId => void actions.hangUp(peerId)),
    drawTargets(),
    drawLog(),
    drawTopics(topic => void actions.unsubscribe(topic))
  ]
  bindForms(actions)
  let waits = false
  const draw = (): void => {
    waits = false
    for (const part of parts) part(store.state, new Date())
    const title = titleOf(store.state)
    if (document.title !== title) document.title = title
  }
  store.watch(() => {
    if (waits) return
    waits = true
    if (document.hidden) setTimeout(draw, HIDDEN_MS)
    else requestAnimationFrame(draw)
  })
  // a frame that was asked for while the page was shown comes when it is shown again
  document.addEventListener('visibilitychange', draw)
  setInterval(draw, TICK_MS)
  draw()
}

function titleOf({ status, peers, relay }: PageState): string {
  const others = peers.filter(({ peerId }) => peerId !== relay?.peerId).length
  return others === 0 ? `${status}, p2pctl` : `${plural(others, 'peer')}, p2pctl`
}
