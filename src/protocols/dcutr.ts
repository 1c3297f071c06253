/**
 * Direct connection upgrade through relay: https://github.com/libp2p/specs/blob/master/relay/DCUtR.md
 * Whoever was called through a relay opens the stream; both tell their addresses and dial at the same moment.
 */
import type { Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { writer } from 'protons-runtime'
import { addrIn } from '../addr.ts'
import { BYTES, eachField, tag, VARINT } from './fields.ts'
import { frame } from './framing.ts'
import { StreamError, type StreamReader, streamReader, write } from './stream.ts'

export const DCUTR = '/libp2p/dcutr'

/** In all, whether on one stream, as the specification asks, or on a new one each, as go and js do. */
export const MAX_ATTEMPTS = 3

/** The specification's figure, without the length in front. */
const MAX_MESSAGE_BYTES = 4096
/** Of one message, theirs and ours; what comes behind them is not looked at. */
const MAX_ADDRS = 16
/** Between two messages; a dial of 5 s may lie between two exchanges on one stream. */
const IDLE_MS = 10_000

const types = { CONNECT: 100, SYNC: 300 } as const

export interface PunchMessage {
  type: keyof typeof types
  /** Those that are addresses. */
  addrs: Multiaddr[]
}

/** What both know when it is time to dial. */
export interface Agreed {
  /** Where the other side says that it may be reached: unchecked. */
  addrs: Multiaddr[]
  /** Through the relay, as this side measured it. */
  rttMs: number
}

/** Is told of each message as it goes or comes. */
export type OnMessage = (
  step: 'connect_sent' | 'connect_received' | 'sync_sent' | 'sync_received',
  fields: { addrs?: Multiaddr[]; rttMs?: number }
) => void

export function punchReader(stream: Stream): StreamReader {
  return streamReader(stream, {
    maxFrameBytes: MAX_MESSAGE_BYTES,
    maxBufferedBytes: 4 * MAX_MESSAGE_BYTES,
    idleMs: IDLE_MS
  })
}

/**
 * One exchange as the side that was called: CONNECT, CONNECT, SYNC. To dial after half of the round trip.
 * Throws StreamError, or the reason of the signal.
 */
export async function callToPunch(
  stream: Stream,
  frames: StreamReader,
  own: Multiaddr[],
  onMessage: OnMessage,
  signal: AbortSignal
): Promise<Agreed> {
  const sentAt = performance.now()
  await write(stream, frame(encodePunch({ type: 'CONNECT', addrs: own })), signal)
  onMessage('connect_sent', { addrs: own })
  const { addrs } = expect('CONNECT', await frames.read(signal))
  const rttMs = performance.now() - sentAt
  onMessage('connect_received', { addrs, rttMs })
  await write(stream, frame(encodePunch({ type: 'SYNC', addrs: [] })), signal)
  onMessage('sync_sent', {})
  return { addrs, rttMs }
}

/**
 * One exchange as the side that called. To dial at once. Null where the other side has ended the stream in order
 * instead of beginning one. Throws StreamError, or the reason of the signal.
 */
export async function answerPunch(
  stream: Stream,
  frames: StreamReader,
  own: Promise<Multiaddr[]>,
  onMessage: OnMessage,
  signal: AbortSignal
): Promise<Agreed | null> {
  const first = await frames.read(signal)
  if (first == null) return null
  const { addrs } = expect('CONNECT', first)
  onMessage('connect_received', { addrs })
  const named = await own
  const sentAt = performance.now()
  await write(stream, frame(encodePunch({ type: 'CONNECT', addrs: named })), signal)
  onMessage('connect_sent', { addrs: named })
  expect('SYNC', await frames.read(signal))
  const rttMs = performance.now() - sentAt
  onMessage('sync_received', { rttMs })
  return { addrs, rttMs }
}

export function encodePunch({ type, addrs }: PunchMessage): Uint8Array {
  const w = writer().uint32(tag(1, VARINT)).uint32(types[type])
  for (const addr of addrs.slice(0, MAX_ADDRS)) w.uint32(tag(2, BYTES)).bytes(addr.bytes)
  return w.finish()
}

/** Throws when the bytes are no message; addresses in it that are none are left out. */
export function decodePunch(bytes: Uint8Array): PunchMessage {
  let number: number | undefined
  const addrs: Uint8Array[] = []
  eachField(bytes, { 1: VARINT, 2: BYTES }, (field, r) => {
    if (field === 1) number = r.uint32()
    else addrs.push(r.bytes())
  })
  const type = (Object.keys(types) as (keyof typeof types)[]).find(name => types[name] === number)
  if (type == null) throw new Error(`a message of type ${number ?? 'none'}`)
  return { type, addrs: addrs.slice(0, MAX_ADDRS).flatMap(addrIn) }
}

function expect(type: PunchMessage['type'], bytes: Uint8Array | null): PunchMessage {
  if (bytes == null) throw new StreamError('closed', `the peer ended the stream instead of sending ${type}`)
  let message: PunchMessage
  try {
    message = decodePunch(bytes)
  } catch (error) {
    throw new StreamError('malformed', `no ${type}: ${error instanceof Error ? error.message : error}`, error)
  }
  if (message.type !== type) throw new StreamError('malformed', `${message.type} instead of ${type}`)
  return message
}
