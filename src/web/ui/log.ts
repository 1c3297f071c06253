import type { Event } from '../../events.ts'
import { safe } from '../../safe.ts'
import { plural } from '../../views/format.ts'
import { contentWords, DROPPED, fileWords, rejections, sentWords } from '../../views/words.ts'
import { type Entry, type Happened, LOG, type PageState, TEXT } from './state.ts'

/** js-libp2p's own, which answers with what it was sent. */
const ECHO = '/echo/1.0.0'

/** What is said, sent and received. */
export function spoken(state: PageState, event: Happened, at: Date): PageState {
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
export function add(state: PageState, at: Date, entry: Partial<Entry> & Pick<Entry, 'kind' | 'text'>): PageState {
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

export function note(state: PageState, at: Date, peerId: string | null, text: string): PageState {
  return add(state, at, { kind: 'note', peerId, text })
}

/** Changes the first line of the log that fits. */
export function change(state: PageState, fits: (entry: Entry) => boolean, into: Partial<Entry>): PageState {
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
