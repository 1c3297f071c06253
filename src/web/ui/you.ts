import type { Event } from '../../events.ts'
import { safe } from '../../safe.ts'
import { clock, shortId } from '../../views/format.ts'
import { pingLine } from '../../views/words.ts'
import { type AddrGroup, bestOf, groupsOf } from './addresses.ts'
import { copyButton } from './copy.ts'
import { byId, el, listIn, set, write } from './dom.ts'
import { hashOf } from './hash.ts'
import { problemOf } from './problem.ts'
import type { PageState, Relay, Status } from './state.ts'

const statusWords: Record<Status, string> = {
  starting: 'Starting',
  connecting: 'Asking the relay for a place',
  online: 'Online: others can reach this tab',
  offline: 'No relay: this tab can dial, and cannot be dialed',
  failed: 'Not reachable'
}

/** Who this is, how it can be reached, and what to give to others. */
export function drawYou(): (state: PageState, now: Date) => void {
  const [peerId, relayAddr] = [byId('peer-id'), byId('relay-addr')]
  byId('peer-id-copy').append(copyButton('the peer ID', peerId))
  byId('relay-copy').append(copyButton('the address of the relay', relayAddr))
  const give = drawAddrs()
  const problem = drawProblem()
  return (state, now) => {
    set(byId('status'), { 'data-state': state.status })
    write(
      byId('status-text'),
      state.relay?.state === 'lost' ? 'The relay is gone: asking again' : statusWords[state.status]
    )
    write(peerId, state.peerId ?? 'not yet known')
    byId('peer-id-copy').hidden = state.peerId == null
    write(relayAddr, state.relay == null ? 'none' : safe(state.relay.addr, 1024))
    byId('relay-copy').hidden = state.relay == null
    set(byId('reservation'), { 'data-state': state.relay?.state ?? 'none', 'data-expires': state.relay?.expires })
    write(byId('reservation'), reservationWords(state.relay, now))
    problem(state.error ?? state.relay?.error ?? null, state.error == null ? (state.relay?.tried ?? []) : [])
    give(state)
  }
}

function reservationWords(relay: Relay | null, now: Date): string {
  if (relay == null) return 'none'
  const note = relay.note == null ? '' : `: ${relay.note}`
  if (relay.state === 'asking') return 'asked for'
  if (relay.state !== 'open') return { lost: 'lost', refused: 'refused', failed: 'not made' }[relay.state] + note
  if (relay.expires == null) return 'held'
  const until = new Date(relay.expires)
  return `held until ${clock(until)}, ${leftWords(until.getTime() - now.getTime())}, then renewed`
}

/** To the minute, to the second in the last one. */
function leftWords(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000))
  if (s < 60) return `${s} s left`
  const min = Math.floor(s / 60)
  const rest = min % 60 === 0 ? '' : ` ${min % 60} min`
  return min < 60 ? `${min} min left` : `${Math.floor(min / 60)} h${rest} left`
}

function drawProblem() {
  let shown: unknown
  return (error: Event<'error'> | null, tried: Event<'dial.attempt'>[]): void => {
    if (error === shown) return
    shown = error
    byId('relay-problem').replaceChildren(...(error == null ? [] : problemOf(error, tried)))
  }
}

const groupWords = {
  browsers: ['Browsers and p2pctl', 'direct in the end (WebRTC)'],
  all: ['Anything that speaks libp2p', 'through the relay'],
  nodes: ['Nodes, and no browsers', 'since browsers cannot dial this relay address']
} as const

/** So many of each kind stand open; the rest is a click away. */
const OPEN = 1

function drawAddrs(): (state: PageState) => void {
  const ping = byId('ping-line')
  const link = byId('link-line')
  byId('ping-copy').append(copyButton('the command', ping))
  byId('link-copy').append(copyButton('the link', link))
  const groups = listIn<AddrGroup>(
    byId('addrs'),
    ({ kind }) => kind,
    ({ kind }) => {
      const [who, how] = groupWords[kind]
      const first = el('ul', { class: 'addrs' })
      const rest = el('ul', { class: 'addrs' })
      const summary = el('summary')
      const more = el('details', { hidden: true }, summary, rest)
      const open = addrList(first, kind)
      const folded = addrList(rest, kind)
      return {
        node: el(
          'div',
          { class: `group ${kind}` },
          el('h3', {}, who, el('span', { class: 'quiet' }, ` ${how}`)),
          first,
          more
        ),
        draw({ addrs }) {
          open(addrs.slice(0, OPEN))
          folded(addrs.slice(OPEN))
          more.hidden = addrs.length <= OPEN
          write(summary, `${addrs.length - OPEN} more`)
        }
      }
    }
  )
  let known: unknown
  return state => {
    if (known === state.addrs) return
    known = state.addrs
    const found = groupsOf(state.addrs, state.relay?.addr ?? null)
    groups(found)
    const best = bestOf(found)
    byId('addrs-empty').hidden = best != null
    byId('type-this').hidden = best == null
    drawSecond(best, state.relay?.addr)
    if (best == null) return
    for (const [node, text] of [
      [ping, pingLine(best)],
      [link, linkTo(best, state.relay?.addr)]
    ] as const) {
      write(node, text)
      set(node, { title: text })
    }
  }
}

function addrList(parent: Element, kind: string) {
  return listIn<string>(
    parent,
    addr => addr,
    addr => {
      const text = el('code', { class: 'long' }, safe(addr, 1024))
      const button = copyButton(`address ${shortId(addr.split('/').at(-1) ?? '', true)} for ${kind}`, text)
      const node = el(
        'li',
        { 'data-testid': 'addr', 'data-kind': kind, 'data-addr': addr, class: 'with-copy' },
        text,
        button
      )
      return { node, draw: () => {} }
    }
  )
}

function linkTo(addr: string, relay: string | undefined): string {
  const { origin, pathname } = location
  const here = new URLSearchParams(location.hash.slice(1)).has('relay')
  return `${origin}${pathname}${hashOf({ connect: [addr], relay: here ? relay : undefined })}`
}

function drawSecond(best: string | null, relay: string | undefined): void {
  set(byId('second-peer'), {
    href: best == null ? null : linkTo(best, relay),
    'aria-disabled': best == null ? 'true' : null
  })
  write(
    byId('second-note'),
    best == null ? 'As soon as this tab is online.' : 'A new tab, which connects to this one by itself.'
  )
}
