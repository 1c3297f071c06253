import { safe } from '../../safe.ts'
import { duration, plural, shortId } from '../../views/format.ts'
import { copyIcon } from './copy.ts'
import { byId, el, listIn, set, write } from './dom.ts'
import { sparkline } from './spark.ts'
import { bestLink, type PageState, type Peer } from './state.ts'

/** So many are shown. */
const SHOWN = 200

/** Who is connected: how, what it says it is, and the round trip. */
export function drawPeers(hangUp: (peerId: string) => void): (state: PageState) => void {
  const list = listIn<{ peer: Peer; isRelay: boolean }>(
    byId('peers'),
    ({ peer }) => peer.peerId,
    ({ peer }) => rowOf(peer.peerId, hangUp)
  )
  // a table that is laid out as cards, where there is no room, is no table to some browsers unless it says so
  const roles = { table: 'table', 'thead, tbody': 'rowgroup', 'thead tr': 'row', 'thead th': 'columnheader' }
  for (const [which, role] of Object.entries(roles)) {
    for (const node of document.querySelectorAll(`#peers-table:is(${which}), #peers-table :is(${which})`))
      set(node, { role })
  }
  let known: [unknown, unknown] = [null, null]
  return ({ peers, relay }) => {
    if (known[0] === peers && known[1] === relay?.peerId) return
    known = [peers, relay?.peerId]
    list(peers.slice(0, SHOWN).map(peer => ({ peer, isRelay: peer.peerId === relay?.peerId })))
    write(byId('peer-count'), String(peers.length))
    byId('peers-table').hidden = peers.length === 0
    byId('peers-empty').hidden = peers.some(({ peerId }) => peerId !== relay?.peerId)
    byId('peers-more').hidden = peers.length <= SHOWN
    write(byId('peers-more'), `and ${plural(peers.length - SHOWN, 'more peer')}, not shown`)
  }
}

function rowOf(peerId: string, hangUp: (peerId: string) => void) {
  const short = shortId(peerId, true)
  const id = el('code', { title: peerId }, short)
  const tag = el('span', { class: 'tag' }, 'relay')
  const way = el('span', { class: 'way' })
  const how = el('span', { class: 'quiet how' })
  const agent = el('span')
  const time = el('span', { class: 'time' })
  const spark = sparkline()
  const button = el(
    'button',
    { type: 'button', 'data-testid': 'hang-up', class: 'minor', 'aria-label': `Hang up ${short}` },
    'Hang up'
  )
  button.addEventListener('click', () => hangUp(peerId))
  const node = el(
    'tr',
    { role: 'row', 'data-testid': 'peer-row', 'data-peer': peerId },
    el(
      'th',
      { scope: 'row', role: 'rowheader', class: 'who' },
      el(
        'span',
        { class: 'id' },
        id,
        copyIcon(`peer ID ${short}`, id, () => peerId)
      ),
      tag
    ),
    el('td', { role: 'cell', class: 'path' }, way, how),
    el('td', { role: 'cell', class: 'agent' }, agent),
    el('td', { role: 'cell', class: 'figure' }, time, spark.node),
    el('td', { role: 'cell', class: 'act' }, button)
  )
  return {
    node,
    draw({ peer, isRelay }: { peer: Peer; isRelay: boolean }) {
      const link = bestLink(peer)
      const rtt = peer.times.at(-1)
      set(node, {
        'data-transport': link?.transport ?? '',
        'data-limited': String(link?.limited ?? false),
        'data-direction': link?.direction ?? '',
        'data-rtt': rtt == null ? '' : rtt.toFixed(3)
      })
      tag.hidden = !isRelay
      write(way, link?.limited ? 'relayed' : 'direct')
      write(how, `${safe(link?.transport ?? '-', 32)}, ${link?.direction === 'inbound' ? 'in' : 'out'}`)
      set(how, { title: `${link?.direction ?? ''} ${link?.made ?? ''}`.trim() })
      write(agent, safe(peer.agent ?? '-', 64))
      set(agent, { title: safe(peer.agent ?? '') })
      write(time, peer.times.length === 0 ? '-' : rtt == null ? 'lost' : duration(rtt))
      spark.draw(peer.times)
    }
  }
}
