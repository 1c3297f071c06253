/** What the page knows, as plain data. src/web/ui/reduce.ts makes it of events, and the rest of src/web/ui draws it. */
import type { Event, Said } from '../../events.ts'

/** How much of everything is kept, however much comes. */
export const LOG = 500
export const ATTEMPTS = 20
export const TIMES = 40
export const MEMBERS = 1000
export const TEXT = 4096

/**
 * - starting: there is no peer yet
 * - connecting: the relay is asked, or asked again
 * - online: others can reach it through the relay
 * - offline: there is no relay; it can dial, and nobody can dial it
 * - failed: the page or the relay did not do what was asked
 */
export type Status = 'starting' | 'connecting' | 'online' | 'offline' | 'failed'

export interface Relay {
  /** As it was given. */
  addr: string
  peerId: string | null
  state: 'asking' | 'open' | 'lost' | 'refused' | 'failed'
  /** RFC 3339, by the relay's clock. */
  expires: string | null
  /** What the relay said, or when it is asked next. */
  note: string | null
  error: Event<'error'> | null
  tried: Event<'dial.attempt'>[]
}

/** One address that was asked for in the connect box, the hash or by a script. */
export interface Attempt {
  id: number
  addr: string
  state: 'dialing' | 'connected' | 'failed'
  tried: Event<'dial.attempt'>[]
  error: Event<'error'> | null
}

export interface Link {
  addr: string
  direction: 'inbound' | 'outbound'
  transport: string
  limited: boolean
  made: string
}

export interface Peer {
  peerId: string
  links: Link[]
  agent: string | null
  /** The newest round trips in ms; null is one that was lost. */
  times: (number | null)[]
}

export interface Topic {
  name: string
  peerIds: string[]
}

export type EntryKind = 'received' | 'sent' | 'echo' | 'topic' | 'file' | 'note' | 'error'

/** A line of the log. */
export interface Entry {
  id: number
  kind: EntryKind
  at: Date
  peerId: string | null
  topic: string | null
  text: string
  /** How it was sent. */
  as: 'message' | 'echo' | 'file' | null
  /** Of what was sent. */
  state: 'sending' | 'confirmed' | 'done' | 'failed' | null
  /** More about it, in small letters. */
  detail: string | null
  error: Event<'error'> | null
  /** Of a received file, where it can be had from. */
  href: string | null
  /** How many bytes were sent, to know it again in `send.done`. */
  bytes: number | null
}

export interface PageState {
  status: Status
  peerId: string | null
  relay: Relay | null
  addrs: string[]
  attempts: Attempt[]
  peers: Peer[]
  topics: Topic[]
  log: Entry[]
  /** The newest entry's or attempt's. */
  lastId: number
  /** Why there is no peer. */
  error: Event<'error'> | null
}

/** What happened: to the peer, or on the page. */
export type Happened =
  | Said
  | { type: 'page.relay'; addr: string | null }
  | { type: 'page.connect'; addr: string }
  | { type: 'page.connected'; addr: string }
  | { type: 'page.send'; peerId: string; text: string; kind: 'message' | 'echo' | 'file'; bytes: number }
  | { type: 'page.publish'; topic: string; text: string }
  | { type: 'page.settled'; id: number }
  | { type: 'page.join'; topic: string }
  | { type: 'page.leave'; topic: string }
  | { type: 'page.broken'; error: Event<'error'> }

export const START: PageState = {
  status: 'starting',
  peerId: null,
  relay: null,
  addrs: [],
  attempts: [],
  peers: [],
  topics: [],
  log: [],
  lastId: 0,
  error: null
}

/** The connection that a stream would be opened on: a direct one, if there is any. */
export function bestLink({ links }: Peer): Link | undefined {
  return links.find(({ limited }) => !limited) ?? links[0]
}
