import { duration, plural, shortId } from '../../views/format.ts'
import { byId, type Drawn, listIn, set, svg, write } from './dom.ts'
import { bestLink, type PageState, type Peer } from './state.ts'

/** So many peers have a place in the picture. */
const SHOWN = 7
const TAB = { x: 84, y: 196 }
const RELAY = { x: 236, y: 52 }
const PEERS = { x: 376, top: 52, bottom: 280 }

interface Placed {
  peer: Peer
  y: number
}

/** A picture of who is connected: straight lines are direct, and those by way of the relay are relayed. */
export function drawMap(): (state: PageState) => void {
  const picture = svg('svg', { viewBox: '0 8 480 322', role: 'img' })
  const reserved = svg('path', { class: 'map-held', d: `M${TAB.x} ${TAB.y}L${RELAY.x} ${RELAY.y}` })
  const lines = svg('g')
  const nobody = circle('map-nobody', { x: PEERS.x, y: TAB.y }, 18)
  const hint = label({ x: PEERS.x, y: TAB.y + 42 }, 'nobody yet', 'map-quiet')
  const relay = svg('g', { class: 'map-relay' })
  const relayName = label({ x: RELAY.x, y: RELAY.y - 26 }, 'relay', 'map-name')
  relay.append(circle('map-node', RELAY, 14), relayName)
  const tab = svg('g', { class: 'map-tab' })
  const own = label({ x: TAB.x, y: TAB.y + 68 }, '', 'map-quiet')
  tab.append(
    circle('map-halo', TAB, 36),
    circle('map-node', TAB, 24),
    label({ x: TAB.x, y: TAB.y + 50 }, 'this tab', 'map-name'),
    own
  )
  const more = label({ x: PEERS.x, y: PEERS.bottom + 42 }, '', 'map-quiet')
  picture.append(reserved, lines, nobody, hint, relay, tab, more)
  byId('map').append(picture)
  const links = listIn<Placed>(lines, ({ peer }) => peer.peerId, linkOf)
  let known: unknown[] = []
  return ({ peers, relay: held, peerId, status }) => {
    const next = [peers, held, peerId, status]
    if (next.every((one, index) => one === known[index])) return
    known = next
    const others = peers.filter(one => one.peerId !== held?.peerId)
    const shown = others.slice(-SHOWN)
    links(shown.map((peer, index) => ({ peer, y: placeOf(index, shown.length) })))
    set(nobody, { visibility: others.length === 0 ? null : 'hidden' })
    set(hint, { visibility: others.length === 0 ? null : 'hidden' })
    set(relay, { 'data-state': held?.state ?? 'none' })
    set(reserved, { 'data-state': held?.state ?? 'none' })
    write(relayName, held == null ? 'no relay' : 'relay')
    write(own, peerId == null ? '' : `…${peerId.slice(-4)}`)
    write(more, others.length > shown.length ? `and ${others.length - shown.length} more` : '')
    set(tab, { 'data-state': status })
    set(picture, { 'aria-label': wordsOf(others, held?.state === 'open') })
  }
}

function placeOf(index: number, count: number): number {
  if (count === 1) return TAB.y
  const step = Math.min(76, (PEERS.bottom - PEERS.top) / (count - 1))
  const half = ((count - 1) / 2) * step
  // level with the tab, while there is room below for what is written beside the last one
  return Math.min(TAB.y, PEERS.bottom - half) - half + index * step
}

function linkOf({ peer: { peerId } }: Placed): Drawn<Placed> {
  const node = svg('g', { class: 'map-peer' })
  const line = svg('path', { class: 'map-line' })
  const dot = circle('map-node', { x: PEERS.x, y: 0 }, 12)
  const name = label({ x: PEERS.x + 22, y: 0 }, `…${peerId.slice(-4)}`, 'map-name map-left')
  const time = label({ x: PEERS.x + 22, y: 0 }, '', 'map-time')
  const title = svg('title')
  title.textContent = shortId(peerId, true)
  node.append(line, dot, name, time, title)
  return {
    node,
    draw({ peer, y }) {
      const isLimited = bestLink(peer)?.limited ?? false
      const rtt = peer.times.at(-1)
      const over = isLimited ? `Q${RELAY.x} ${RELAY.y} ${RELAY.x} ${RELAY.y}Q${RELAY.x} ${RELAY.y} ` : 'L'
      set(node, { 'data-limited': String(isLimited) })
      set(line, { d: `M${TAB.x} ${TAB.y}${over}${PEERS.x} ${y}` })
      set(dot, { cy: y })
      set(name, { y: y - 3 })
      set(time, { y: y + 16 })
      write(time, rtt == null ? '' : duration(rtt))
    }
  }
}

function circle(name: string, { x, y }: { x: number; y: number }, r: number): SVGElement {
  return svg('circle', { class: name, cx: x, cy: y, r })
}

function label({ x, y }: { x: number; y: number }, text: string, name: string): SVGElement {
  const node = svg('text', { x, y, class: name })
  node.textContent = text
  return node
}

function wordsOf(others: Peer[], isHeld: boolean): string {
  const relayed = others.filter(peer => bestLink(peer)?.limited).length
  const who =
    others.length === 0
      ? 'nobody is connected'
      : `connected to ${plural(others.length, 'peer')}: ${others.length - relayed} direct, ${relayed} relayed`
  return `This tab: ${who}; ${isHeld ? 'the relay holds a place for it' : 'no relay holds a place for it'}`
}
