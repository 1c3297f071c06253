/** The skeleton of the page: opens the peer, and hands it to whoever drives the page. */
import { CONTRACT, type Said } from '../events.ts'
import { version } from '../version.ts'
import { openPeer, type PeerOptions } from './peer.ts'

const MOST_EVENTS = 10_000
const events: object[] = []
const listeners = new Set<(event: object) => void>()

function say(said: Said): void {
  const { type, ...fields } = said
  const times = { time: new Date().toISOString(), t_ms: Math.round(performance.now() * 1000) / 1000 }
  const start = type === 'run.start' && { contract: CONTRACT, version }
  const event = { v: Number(CONTRACT.split('.')[0]), type, ...times, cmd: 'page', ...start, ...fields }
  events.push(event)
  if (events.length > MOST_EVENTS) events.shift()
  for (const listener of listeners) listener(event)
}

const config = (await (await fetch('config.json')).json()) as PeerOptions
const peer = await openPeer(config, say, new AbortController().signal)
const on = (listener: (event: object) => void): (() => void) => {
  listeners.add(listener)
  return () => listeners.delete(listener)
}
Object.assign(globalThis, { p2pctl: { ...peer, version, events, on, ready: peer.settled } })
