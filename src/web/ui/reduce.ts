import type { Event } from '../../events.ts'
import { safe } from '../../safe.ts'
import { duration, shortId } from '../../views/format.ts'
import { lostWords, madeOf, retryWords, upgradeWords } from '../../views/words.ts'
import { add, change, note, spoken } from './log.ts'
import { ATTEMPTS, type Happened, type Link, MEMBERS, type PageState, type Peer, type Relay, TIMES } from './state.ts'

/** What the page knows after this has happened. */
export function reduce(state: PageState, event: Happened, at: Date): PageState {
  switch (event.type) {
    case 'run.start':
      return { ...state, peerId: event.peer_id, status: state.relay == null ? 'offline' : 'connecting' }
    case 'run.summary':
      return { ...state, status: 'offline' }
    case 'listen.ready':
    case 'listen.addrs':
      return { ...state, addrs: event.addrs }
    case 'page.relay':
      return withRelay(state, event.addr)
    case 'reservation.open':
    case 'reservation.refresh':
    case 'reservation.close':
    case 'reservation.retry':
    case 'reservation.refused':
      return reserved(state, event)
    case 'page.connect':
      return asked(state, event.addr)
    case 'page.connected':
      return settle(state, event.addr)
    case 'dial.attempt':
      return dialed(state, event)
    case 'error':
      return failed(state, event, at)
    case 'page.broken':
      return { ...state, status: 'failed', error: event.error }
    case 'connection.open':
      return opened(state, event, at)
    case 'connection.close':
      return closed(state, event, at)
    case 'connection.upgrade':
      return note(state, at, event.peer_id, `${shortId(event.peer_id, true)} ${upgradeWords(event).join(', ')}`)
    case 'peer.identify':
      return withPeer(state, event.peer_id, peer => ({ ...peer, agent: event.agent_version ?? peer.agent }))
    case 'ping.reply':
      return timed(state, event.peer_id, event.rtt_ms)
    case 'ping.timeout':
    case 'ping.fail':
      return timed(state, event.peer_id ?? '', null)
    case 'pubsub.join':
    case 'pubsub.leave':
      return members(state, event, at)
    default:
      return spoken(state, event, at)
  }
}

function withRelay(state: PageState, addr: string | null): PageState {
  const relay: Relay | null =
    addr == null ? null : { addr, peerId: null, state: 'asking', expires: null, note: null, error: null, tried: [] }
  return { ...state, relay, status: statusOf(state, relay) }
}

function statusOf({ status }: PageState, relay: Relay | null): PageState['status'] {
  if (status === 'starting') return status
  if (relay == null) return 'offline'
  return relay.state === 'open' ? 'online' : ['refused', 'failed'].includes(relay.state) ? 'failed' : 'connecting'
}

type Reservation = Event<
  'reservation.open' | 'reservation.refresh' | 'reservation.close' | 'reservation.retry' | 'reservation.refused'
>

function reserved(state: PageState, event: Reservation): PageState {
  const isOver = event.type === 'reservation.close'
  // a relay that was connected to is taken as one, where there is none
  if (state.relay == null && !isOver && event.target != null) return reserved(withRelay(state, event.target), event)
  const { relay } = state
  // of one that was given up
  if (relay == null || (event.target != null && event.target !== relay.addr)) return state
  const { peer_id: peerId } = event
  const next = ((): Relay => {
    switch (event.type) {
      case 'reservation.open':
      case 'reservation.refresh':
        return { ...relay, peerId, state: 'open', expires: event.expires, note: null, error: null, tried: [] }
      case 'reservation.close':
        return { ...relay, state: 'lost', expires: null, note: lostWords(event) }
      case 'reservation.retry':
        return {
          ...relay,
          state: relay.state === 'open' ? 'lost' : relay.state,
          expires: null,
          note: retryWords(event)
        }
      case 'reservation.refused':
        return { ...relay, peerId, state: 'refused', expires: null, note: safe(event.status) }
    }
  })()
  return { ...state, relay: next, status: statusOf(state, next) }
}

function asked(state: PageState, addr: string): PageState {
  const id = state.lastId + 1
  const attempts = [{ id, addr, state: 'dialing' as const, tried: [], error: null }, ...state.attempts]
  return { ...state, lastId: id, attempts: attempts.slice(0, ATTEMPTS) }
}

const isOpen = (addr: string | undefined) => (attempt: PageState['attempts'][number]) =>
  attempt.state === 'dialing' && attempt.addr === addr

/** The dial is over, and nothing said that it failed. */
function settle(state: PageState, addr: string): PageState {
  const index = state.attempts.findLastIndex(isOpen(addr))
  if (index < 0) return state
  return { ...state, attempts: state.attempts.with(index, { ...state.attempts[index]!, state: 'connected' }) }
}

function dialed(state: PageState, event: Event<'dial.attempt'>): PageState {
  const index = state.attempts.findLastIndex(isOpen(event.target))
  if (index >= 0) {
    const attempt = state.attempts[index]!
    const next = {
      ...attempt,
      state: event.ok ? ('connected' as const) : attempt.state,
      tried: [...attempt.tried, event]
    }
    return { ...state, attempts: state.attempts.with(index, next) }
  }
  const { relay } = state
  if (relay == null || event.target !== relay.addr) return state
  return { ...state, relay: { ...relay, peerId: event.peer_id ?? relay.peerId, tried: event.ok ? [] : [event] } }
}

/** Shows what went wrong where it was asked for. */
function failed(state: PageState, event: Event<'error'>, at: Date): PageState {
  const index = state.attempts.findLastIndex(isOpen(event.target))
  if (index >= 0) {
    const next = { ...state.attempts[index]!, state: 'failed' as const, error: event }
    return { ...state, attempts: state.attempts.with(index, next) }
  }
  const { relay } = state
  if (relay != null && event.target === relay.addr) {
    const next: Relay = {
      ...relay,
      state: relay.state === 'refused' ? 'refused' : 'failed',
      expires: null,
      error: event
    }
    return { ...state, relay: next, status: statusOf(state, next) }
  }
  const to =
    event.target == null
      ? undefined
      : state.log.find(
          entry => entry.state === 'sending' && (entry.peerId === event.target || entry.topic === event.target)
        )
  if (to != null) return change(state, entry => entry === to, { state: 'failed', error: event })
  return add(state, at, { kind: 'error', text: event.message, error: event })
}

function opened(state: PageState, event: Event<'connection.open'>, at: Date): PageState {
  const { peer_id: peerId, remote_addr: addr, direction, transport, limited } = event
  const peer = state.peers.find(one => one.peerId === peerId) ?? { peerId, links: [], agent: null, times: [] }
  const link: Link = { addr, direction, transport, limited, made: madeOf(event) }
  const next = { ...peer, links: [...peer.links, link] }
  if (peer.links.length > 0) {
    const more = withPeer(state, peerId, () => next)
    // who dialed is told in connection.upgrade
    const isDirect = !limited && direction === 'inbound' && peer.links.every(one => one.limited)
    return isDirect ? note(more, at, peerId, `${shortId(peerId, true)} is connected directly now, ${transport}`) : more
  }
  const way = `${direction === 'inbound' ? 'dialed this peer' : 'connected'}, ${transport}, ${limited ? 'relayed' : 'direct'}`
  return note({ ...state, peers: [...state.peers, next] }, at, peerId, `${shortId(peerId, true)} ${way}`)
}

function closed(state: PageState, event: Event<'connection.close'>, at: Date): PageState {
  const peer = state.peers.find(one => one.peerId === event.peer_id)
  const index = peer?.links.findIndex(({ addr }) => addr === event.remote_addr) ?? -1
  if (peer == null || index < 0) return state
  const links = peer.links.toSpliced(index, 1)
  if (links.length > 0) return withPeer(state, peer.peerId, () => ({ ...peer, links }))
  const peers = state.peers.filter(one => one !== peer)
  const topics = state.topics.map(topic => ({ ...topic, peerIds: topic.peerIds.filter(id => id !== peer.peerId) }))
  const text = `${shortId(peer.peerId, true)} is gone, after ${duration(event.duration_ms)}`
  return note({ ...state, peers, topics }, at, peer.peerId, text)
}

function timed(state: PageState, peerId: string, ms: number | null): PageState {
  return withPeer(state, peerId, peer => ({ ...peer, times: [...peer.times, ms].slice(-TIMES) }))
}

function withPeer(state: PageState, peerId: string, into: (peer: Peer) => Peer): PageState {
  const index = state.peers.findIndex(one => one.peerId === peerId)
  return index < 0 ? state : { ...state, peers: state.peers.with(index, into(state.peers[index]!)) }
}

function members(state: PageState, event: Event<'pubsub.join' | 'pubsub.leave'>, at: Date): PageState {
  const index = state.topics.findIndex(({ name }) => name === event.topic)
  if (index < 0) return state
  const topic = state.topics[index]!
  const others = topic.peerIds.filter(peerId => peerId !== event.peer_id)
  const isJoin = event.type === 'pubsub.join'
  const peerIds = isJoin ? [...others, event.peer_id].slice(-MEMBERS) : others
  const next = { ...state, topics: state.topics.with(index, { ...topic, peerIds }) }
  if (peerIds.length === topic.peerIds.length) return next
  const text = `${shortId(event.peer_id, true)} ${isJoin ? 'joined' : 'left'} ${safe(topic.name, 64)}`
  return add(next, at, { kind: 'note', peerId: event.peer_id, topic: topic.name, text })
}
