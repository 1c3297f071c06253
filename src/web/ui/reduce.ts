import type { Event } from '../../events.ts'
import { safe } from '../../safe.ts'
import { duration, plural, shortId } from '../../views/format.ts'
import {
  contentWords,
  DROPPED,
  fileWords,
  lostWords,
  madeOf,
  rejections,
  retryWords,
  sentWords,
  upgradeWords
} from '../../views/words.ts'
import {
  ATTEMPTS,
  type Entry,
  type Happened,
  type Link,
  LOG,
  MEMBERS,
  type PageState,
  type Peer,
  type Relay,
  TEXT,
  TIMES
} from './state.ts'

/** js-libp2p's own, which answers with what it was sent. */
const ECHO = '/echo/1.0.0'

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

/** What is said, sent and received. */
function spoken(state: PageState, event: Happened, at: Date): PageState {
  switch (event.type) {
    case 'page.join':
      if (state.topics.some(({ name }) => name === event.topic)) return state
      return { ...state, topics: [...state.topics, { name: event.topic, peerIds: [] }] }
    case 'page.leave':
      return { ...state, topics: state.topics.filter(({ name }) => name !== event.topic) }
    case 'page.send':
      return add(state, at, {
        kind: 'sent',
        peerId: event.peerId,
        text: safe(event.text, TEXT),
        state: 'sending',
        as: event.kind,
        bytes: event.bytes
      })
    case 'page.publish':
      return add(state, at, { kind: 'sent', topic: event.topic, text: safe(event.text, TEXT), state: 'sending' })
    case 'page.settled':
      return change(state, ({ id, state }) => id === event.id && state === 'sending', { state: 'done' })
    case 'send.progress':
      return progressed(state, event)
    case 'send.done':
      return confirmed(state, event, at)
    case 'pubsub.sent': {
      const detail = event.peers === 0 ? 'to nobody: no peer here has joined it' : `to ${plural(event.peers, 'peer')}`
      return change(state, sending({ topic: event.topic }), { state: 'done', detail })
    }
    case 'message.received':
      return add(state, at, {
        kind: event.topic != null ? 'topic' : event.protocol === ECHO ? 'echo' : 'received',
        peerId: event.peer_id,
        topic: event.topic ?? null,
        text: contentWords(event)
      })
    case 'file.received':
      return add(state, at, {
        kind: 'file',
        peerId: event.peer_id,
        text: safe(event.name, 1024),
        detail: fileWords(event),
        // whatever else it may be, a link leads to nothing but what this page has received
        href: event.path.startsWith('blob:') ? event.path : null
      })
    case 'file.refused':
      return note(state, at, event.peer_id, `refused ${safe(event.name)}: ${safe(event.reason)}`)
    case 'pubsub.reject':
      return note(
        state,
        at,
        event.peer_id ?? null,
        `not taken: ${plural(event.messages, 'message')} ${rejections[event.reason]}`
      )
    case 'pubsub.drop':
      return note(state, at, null, `lost ${plural(event.messages, 'message')}: ${DROPPED}`)
    default:
      return state
  }
}

/** Adds a line to the log, and forgets the oldest. */
function add(state: PageState, at: Date, entry: Partial<Entry> & Pick<Entry, 'kind' | 'text'>): PageState {
  const id = state.lastId + 1
  const nothing = {
    peerId: null,
    topic: null,
    as: null,
    state: null,
    detail: null,
    error: null,
    href: null,
    bytes: null
  }
  return { ...state, lastId: id, log: [...state.log, { ...nothing, id, at, ...entry }].slice(-LOG) }
}

function note(state: PageState, at: Date, peerId: string | null, text: string): PageState {
  return add(state, at, { kind: 'note', peerId, text })
}

/** Changes the first line of the log that fits. */
function change(state: PageState, fits: (entry: Entry) => boolean, into: Partial<Entry>): PageState {
  const index = state.log.findIndex(fits)
  return index < 0 ? state : { ...state, log: state.log.with(index, { ...state.log[index]!, ...into }) }
}

/** What is on its way to a peer or a topic; of several the oldest. */
function sending(to: { peerId?: string | undefined; topic?: string | undefined; bytes?: number | null }) {
  return ({ state, peerId, topic, bytes }: Entry): boolean =>
    state === 'sending' &&
    (to.peerId == null || to.peerId === peerId) &&
    (to.topic == null || to.topic === topic) &&
    (to.bytes == null || to.bytes === bytes)
}

/** The events of a transfer name the peer as their target, or else are known by their size. */
function progressed(state: PageState, event: Event<'send.progress'>): PageState {
  const { target, bytes, total_bytes: total } = event
  if (total == null || total === 0) return state
  const share = `${Math.floor((bytes / total) * 100)}%`
  return change(state, sending({ peerId: target, bytes: total }), { detail: share })
}

function confirmed(state: PageState, event: Event<'send.done'>, at: Date): PageState {
  const fits = sending({ peerId: event.target, bytes: event.total_bytes })
  const entry = state.log.find(fits)
  if (entry == null) return state
  const words = sentWords(event, at.getTime() - entry.at.getTime())
  return change(state, fits, { state: 'confirmed', detail: words })
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
