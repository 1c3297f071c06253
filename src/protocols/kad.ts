/**
 * One question to one node of a Kademlia DHT, and its answer:
 * https://github.com/libp2p/specs/blob/master/kad-dht/README.md
 *
 * Not @libp2p/kad-dht (16.4): it asks nobody alone, keeps a routing table that it fills unasked, reads any reply up to
 * 4 MiB without a bound on what is in it, and calls a peer that does not speak the protocol a failed query.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { writer } from 'protons-runtime'
import { addrIn } from '../addr.ts'
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'
import { BYTES, eachField, peerIdOf, tag, VARINT } from './fields.ts'
import { frame } from './framing.ts'
import { finish, StreamError, streamReader, write } from './stream.ts'

export const KAD = '/ipfs/kad/1.0.0'

export const RPC = {
  put_value: 0,
  get_value: 1,
  add_provider: 2,
  get_providers: 3,
  find_node: 4
} as const

export type Rpc = keyof typeof RPC

export interface KadPeer {
  peerId: string
  addrs: Multiaddr[]
}

export interface KadRecord {
  key: Uint8Array
  value: Uint8Array
  /** RFC 3339, by the clock of the node that keeps it. */
  timeReceived?: string | undefined
}

export interface KadRequest {
  rpc: Rpc
  key: Uint8Array
  record?: KadRecord | undefined
  /** Ourselves: nodes take no record about another peer than the one that sends it. */
  provider?: { id: Uint8Array; addrs: Multiaddr[] } | undefined
}

export interface KadAnswer {
  closer: KadPeer[]
  providers: KadPeer[]
  record: KadRecord | null
}

/** The longest answer that is read; twenty peers with thirty addresses each take 30 KiB. */
const MAX_ANSWER_BYTES = 1 << 20
const MAX_PEERS = 256
const MAX_ADDRS = 32
/** What a node may still send once it has answered, and how long it has to end the stream. */
const MAX_REST_BYTES = 1 << 12
const CLOSE_MS = 1000

/**
 * Sends the requests on one stream and reads one answer. Throws Failure protocol_not_supported, stream_reset,
 * connection_reset or malformed_answer, which say what the peer did, or the reason of the signal.
 */
export async function askKad(
  connection: Connection,
  protocol: string,
  requests: readonly KadRequest[],
  signal: AbortSignal
): Promise<KadAnswer> {
  let stream: Stream | undefined
  try {
    stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
    const frames = streamReader(stream, { maxFrameBytes: MAX_ANSWER_BYTES, maxBufferedBytes: 2 * MAX_ANSWER_BYTES })
    for (const request of requests) await write(stream, frame(encodeRequest(request)), signal)
    const answer = await frames.read(signal)
    if (answer == null) throw new StreamError('truncated', 'it ended the stream without an answer')
    const decoded = decodeAnswer(answer)
    frames.detach()
    void finish(stream, MAX_REST_BYTES, CLOSE_MS)
    return decoded
  } catch (cause) {
    stream?.abort(cause instanceof Error ? cause : new Error(String(cause)))
    signal.throwIfAborted()
    throw failureOf(cause, connection, protocol)
  }
}

function failureOf(cause: unknown, connection: Connection, protocol: string): Failure {
  const options = { phase: 'protocol', cause } as const
  if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
    return new Failure('protocol_not_supported', `does not speak ${safe(protocol)}`, options)
  }
  if (connection.status !== 'open') {
    return new Failure('connection_reset', 'closed the connection instead of an answer', options)
  }
  const reason = cause instanceof StreamError ? cause.reason : undefined
  if (reason === 'truncated' || reason === 'malformed' || reason === 'flooded' || cause instanceof MalformedError) {
    return new Failure('malformed_answer', `gave no DHT answer: ${safe((cause as Error).message)}`, options)
  }
  return new Failure('stream_reset', 'reset the stream instead of an answer', options)
}

class MalformedError extends Error {}

export function encodeRequest({ rpc, key, record, provider }: KadRequest): Uint8Array {
  const w = writer().uint32(tag(1, VARINT)).uint32(RPC[rpc]).uint32(tag(2, BYTES)).bytes(key)
  if (record != null) w.uint32(tag(3, BYTES)).bytes(encodeRecord(record))
  if (provider != null) {
    const inner = writer().uint32(tag(1, BYTES)).bytes(provider.id)
    for (const addr of provider.addrs) inner.uint32(tag(2, BYTES)).bytes(addr.bytes)
    w.uint32(tag(9, BYTES)).bytes(inner.finish())
  }
  return w.finish()
}

function encodeRecord({ key, value }: KadRecord): Uint8Array {
  return writer().uint32(tag(1, BYTES)).bytes(key).uint32(tag(2, BYTES)).bytes(value).finish()
}

/** Throws when the bytes are no message. A peer or an address in it that is none is left out. */
export function decodeAnswer(bytes: Uint8Array): KadAnswer {
  const answer: KadAnswer = { closer: [], providers: [], record: null }
  try {
    eachField(bytes, { 1: VARINT, 2: BYTES, 3: BYTES, 8: BYTES, 9: BYTES, 10: VARINT }, (field, r) => {
      if (field === 3) answer.record = decodeRecord(r.bytes())
      else if (field === 8) addPeer(answer.closer, r.bytes())
      else if (field === 9) addPeer(answer.providers, r.bytes())
      else if (field === 2) r.bytes()
      else r.uint32()
    })
  } catch (error) {
    throw new MalformedError(error instanceof Error ? error.message : String(error))
  }
  return answer
}

function addPeer(peers: KadPeer[], bytes: Uint8Array): void {
  if (peers.length >= MAX_PEERS) return
  let id: Uint8Array | undefined
  const addrs: Multiaddr[] = []
  eachField(bytes, { 1: BYTES, 2: BYTES, 3: VARINT }, (field, r) => {
    if (field === 1) id = r.bytes()
    else if (field === 3) r.uint32()
    else if (addrs.length < MAX_ADDRS) addrs.push(...addrIn(r.bytes()))
    else r.bytes()
  })
  try {
    if (id != null) peers.push({ peerId: peerIdOf(id).toString(), addrs })
  } catch {
    // no peer ID: there are nodes that tell of peers with keys that nobody knows
  }
}

function decodeRecord(bytes: Uint8Array): KadRecord {
  const record: KadRecord = { key: new Uint8Array(0), value: new Uint8Array(0) }
  eachField(bytes, { 1: BYTES, 2: BYTES, 5: BYTES }, (field, r) => {
    if (field === 1) record.key = r.bytes()
    else if (field === 2) record.value = r.bytes()
    else record.timeReceived = r.string()
  })
  return record
}
