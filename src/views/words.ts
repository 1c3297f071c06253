/** What is said of an event in a terminal and in the page alike: words and figures, without colour or columns. */
import { multiaddr } from '@multiformats/multiaddr'
import type { Event, Phases } from '../events.ts'
import { safe } from '../safe.ts'
import { bytes, clock, duration, roundDuration, shortIds } from './format.ts'

type Attempt = Event<'dial.attempt'>

const phaseNames = [
  ['resolve', 'resolve_ms'],
  ['relay', 'relay_ms'],
  ['signal', 'signal_ms'],
  ['connect', 'connect_ms'],
  ['security', 'security_ms'],
  ['muxer', 'muxer_ms'],
  ['identify', 'identify_ms']
] as const satisfies [string, keyof Phases][]

export interface PhaseTime {
  name: string
  ms: number
  /** How long after the start of the dial it began. */
  fromMs: number
  /** What was chosen in it. */
  note: string | null
}

/** The phases that a dial went through, one after another. */
export function phaseTimes(event: Attempt): PhaseTime[] {
  const notes: Partial<Record<string, string | null>> = { security: event.security, muxer: event.muxer }
  let fromMs = 0
  return phaseNames.flatMap(([name, key]) => {
    const ms = event.phases[key]
    if (ms == null) return []
    const time = { name, ms, fromMs, note: notes[name] == null ? null : safe(notes[name]) }
    fromMs += ms
    return [time]
  })
}

/** What stands beside the total of a dial: what is a part of another phase has no line of its own. */
export function totalNotes(event: Attempt): string[] {
  const within = (['security', 'muxer'] as const).flatMap(name =>
    event.phases[`${name}_ms`] == null && event[name] != null ? [`${name} ${safe(event[name])}`] : []
  )
  return event.limited ? [...within, limitsWords(event)] : within
}

/** `limited: 2 min, 128 KiB each way` */
function limitsWords({ limit_s, limit_bytes }: Attempt): string {
  // the relay of js-libp2p writes milliseconds where the specification says seconds (@libp2p/circuit-relay-v2 4.2)
  const inMs = limit_s != null && limit_s >= 60_000 && limit_s % 1000 === 0
  const time = limit_s == null ? null : roundDuration(limit_s * (inMs ? 1 : 1000))
  const size = limit_bytes == null ? null : `${bytes(limit_bytes)} each way`
  const limits = [time, size].filter(part => part != null).join(', ')
  if (limits === '') return 'limited by the relay'
  return `limited: ${limits}${inMs ? ` (it says ${limit_s} seconds, and seems to mean milliseconds)` : ''}`
}

const ways = { webrtc: 'WebRTC', dcutr: 'a hole punch' }

/** How a relayed connection became a direct one: both times, and where they were measured both round trips. */
export function upgradeWords(event: Event<'connection.upgrade'>): string[] {
  const { by, relayed_ms, direct_ms, relayed_rtt_ms, direct_rtt_ms } = event
  const relayed = relayed_ms == null ? '' : `relayed after ${duration(relayed_ms)}, `
  const words = [`direct by ${ways[by]}`, `${relayed}direct ${duration(direct_ms)} later`]
  if (relayed_rtt_ms == null || direct_rtt_ms == null) return words
  return [...words, `round trip ${duration(relayed_rtt_ms)} relayed, ${duration(direct_rtt_ms)} direct`]
}

/** `ok`, or the failing phase with its code. */
export function resultOf({ ok, skipped, stale, error }: Pick<Attempt, 'ok' | 'skipped' | 'stale' | 'error'>): string {
  if (ok) return 'ok'
  if (skipped != null) return 'skipped'
  const what = stale ? `stale: ${error?.code}` : (error?.code ?? 'failed')
  return error?.phase == null ? what : `${what} (${error.phase})`
}

/**
 * The facts below the first line of an error, each with its label; all that was tried has one.
 * `message` and `hint` are our own words: what they quote of others went through `safe()` where they were made.
 */
export function errorFacts(
  event: Event<'error'>,
  tried: Attempt[],
  live: boolean
): [label: string, texts: string[][]][] {
  const facts: [string, string[][]][] = []
  if (event.expected != null) facts.push(['wanted', [[safe(event.expected)]]])
  if (event.actual != null) facts.push(['got', [[safe(event.actual)]]])
  if (tried.some(({ error }) => error != null && error.code !== 'peer_id_mismatch') || tried.length > 1) {
    const outcome = ({ error, total_ms }: Attempt): string =>
      error == null ? 'connected' : `${shortIds(error.message, live)} after ${duration(total_ms)}`
    facts.push(['tried', tried.map(attempt => [safe(attempt.addr), outcome(attempt)])])
  }
  if (event.hint != null) facts.push(['try', [[event.hint]]])
  facts.push(['code', [[event.code]]])
  return facts
}

/** `noise yamux limited` */
export function madeOf({ security, muxer, limited }: Pick<Attempt, 'security' | 'muxer' | 'limited'>): string {
  return safe([security, muxer, limited ? 'limited' : null].filter(part => part != null).join(' '))
}

/** A message, as one line. */
export function contentWords({ text, base64 = '', bytes: count }: Event<'message.received'>): string {
  return text == null ? `${count} bytes, not text: ${safe(base64, 120)}` : safe(text.replace(/\n$/, ''), 4096)
}

/** `6.7 MiB, sha256 0123456789ab…` */
export function fileWords({ bytes: count, sha256 }: { bytes: number; sha256: string }): string {
  return `${bytes(count)}, ${hashWords({ sha256 })}`
}

function hashWords({ sha256 }: { sha256: string }): string {
  return `sha256 ${sha256.slice(0, 12)}…`
}

/** What a peer that was sent something has of it, after this long. */
export function sentWords(event: Event<'send.done'>, ms: number): string {
  const { name, bytes: count, resumed_bytes: resumed } = event
  const size = `${name == null ? '' : `${safe(name, 1024)}, `}${bytes(count)}`
  const hash = `${hashWords(event)}, confirmed by the receiver`
  const before = resumed == null ? '' : `, ${bytes(resumed)} of it before`
  return resumed === count
    ? `there already: ${size}, ${hash}`
    : `sent ${size} in ${roundDuration(ms)}${before}, ${hash}`
}

/** ` until 05:33:07` */
export function untilWords(expires: string | null): string {
  return expires == null ? '' : ` until ${clock(new Date(expires))}`
}

/** What became of a reservation that was lost. */
export function lostWords({ status }: { status: string }): string {
  return `${safe(status)}, asking again`
}

/** Why it is not back yet, and when it is asked for next. */
export function retryWords({ status, wait_ms }: { status: string; wait_ms: number }): string {
  return `${safe(status)}, again in ${roundDuration(wait_ms)}`
}

/** Why gossipsub did not take a message. */
export const rejections: Record<Event<'pubsub.reject'>['reason'], string> = {
  invalid_signature: 'without a valid signature',
  invalid_seqno: 'without a sequence number',
  invalid_peerid: 'without a sender',
  signature_present: 'signed, and this side takes unsigned ones only',
  seqno_present: 'with a sequence number, and this side takes unsigned ones only',
  from_present: 'with a sender, and this side takes unsigned ones only',
  malformed: 'malformed',
  bad_score: 'from peers that did wrong before',
  unreadable: 'too large to be read'
}

/** Why a message was lost on the way to who reads it. */
export const DROPPED = 'they came faster than they were read'

/** What did not come in time. */
export function noReplyWords({ after_ms }: { after_ms: number }): string {
  return `no reply within ${roundDuration(after_ms)}`
}

/** `p2pctl ping ADDR`: what the other side types. */
export function pingLine(addr: string): string {
  return `p2pctl ping ${safe(addr, 1024)}`
}

/** The address to give to others, if there is one. */
export function bestAddr(addrs: string[]): string | undefined {
  return addrs.find(addr => !isLoopback(addr)) ?? addrs[0]
}

export function isLoopback(addr: string): boolean {
  const [first] = multiaddr(addr).getComponents()
  const host = first?.value ?? ''
  return first?.name === 'unix' || host.startsWith('127.') || host === '::1' || host === 'localhost'
}

/** The relay in an address through it, shortened on a terminal. */
export function relayWords(addr: string | null, live: boolean): string {
  return shortIds(safe((addr ?? '').replace(/\/p2p-circuit\/p2p\/[^/]+$/, '')), live)
}
