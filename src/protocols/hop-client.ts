import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { Failure } from '../errors.ts'
import {
  decodeHop,
  decodeVoucher,
  encodeHop,
  HOP_PROTOCOL,
  HOP_TYPE,
  type HopMessage,
  MAX_MESSAGE_BYTES,
  statusName,
  VOUCHER_DOMAIN
} from './circuit.ts'
import { startLimit } from '../limit.ts'
import { frame, readFrame } from './framing.ts'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What a relay grants; its limits are null where it has none. */
export interface Grant {
  /** Unix time in seconds, by the relay's clock. */
  expire: number
  /** Where the relay says that it is, each with its peer ID. What is no address is left out. */
  addrs: Multiaddr[]
  limitSeconds: number | null
  /** Each way. */
  limitBytes: number | null
  voucher: Uint8Array | null
}

/** The answer to a request: OK, or why not. */
export type HopReply<T> = { status: 'OK'; granted: T } | { status: string; granted: null }

/**
 * A relay that listens on everything has 21 on two interfaces, with the webrtc-direct ones at the end; with many more
 * identify, which names each once or twice again and under a signature too, would be longer than its 8 KiB.
 */
const MAX_ADDRS = 24

/**
 * Asks the peer at the other end for a reservation: https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md
 * Asked again, it makes the reservation longer. Throws Failure protocol_not_supported, or the reason of the signal.
 */
export async function requestReservation(connection: Connection, signal: AbortSignal): Promise<HopReply<Grant>> {
  const { stream, reply } = await request(connection, { type: HOP_TYPE.RESERVE }, signal)
  stream.close().catch(() => {})
  const status = statusName(reply.status!)
  if (status !== 'OK') return { status, granted: null }
  if (reply.reservation == null) throw malformed('a grant without a reservation')
  const { expire, addrs, voucher = null } = reply.reservation
  const { duration, data } = reply.limit ?? {}
  return {
    status,
    granted: {
      expire,
      addrs: addrs.slice(0, MAX_ADDRS).flatMap(bytes => relayAddr(bytes, connection.remotePeer) ?? []),
      limitSeconds: duration || null,
      limitBytes: data || null,
      voucher
    }
  }
}

/**
 * Asks for a circuit to a peer: the raw stream, with nothing of libp2p on top; it is paused. Throws as
 * `requestReservation` does.
 */
export async function requestCircuit(
  connection: Connection,
  peer: PeerId,
  signal: AbortSignal
): Promise<HopReply<Stream>> {
  const target = { id: peer.toMultihash().bytes, addrs: [] }
  const { stream, reply } = await request(connection, { type: HOP_TYPE.CONNECT, peer: target }, signal)
  const status = statusName(reply.status!)
  if (status === 'OK') return { status, granted: stream }
  stream.close().catch(() => {})
  return { status, granted: null }
}

async function request(connection: Connection, message: HopMessage, signal: AbortSignal) {
  const stream = await openHop(connection, signal)
  try {
    stream.send(frame(encodeHop(message)))
    const reply = decodeHop(await readFrame(stream, { maxBytes: MAX_MESSAGE_BYTES, signal }))
    if (reply.type !== HOP_TYPE.STATUS || reply.status == null) throw new Error('an answer that is no status')
    return { stream, reply }
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    signal.throwIfAborted()
    throw await noAnswer(connection, error, signal)
  }
}

async function openHop(connection: Connection, signal: AbortSignal): Promise<Stream> {
  try {
    return await connection.newStream(HOP_PROTOCOL, { signal })
  } catch (cause) {
    signal.throwIfAborted()
    if (cause instanceof Error && cause.name === 'UnsupportedProtocolError') {
      throw new Failure('protocol_not_supported', 'it does not speak circuit relay v2', { phase: 'relay', cause })
    }
    throw await noAnswer(connection, cause, signal)
  }
}

/** How long the end of a connection may take to be told, behind that of its streams. */
const TOLD_MS = 200

/** Why there is none. A relay that refuses says so: what breaks off or makes no sense has not refused. */
async function noAnswer(connection: Connection, cause: unknown, signal: AbortSignal): Promise<Failure> {
  const text = cause instanceof Error ? cause.message : String(cause)
  if (!/ended|closed|reset|EOF/i.test(text)) return malformed(text, cause)
  await toldOfItsEnd(connection, signal)
  return connection.status === 'open'
    ? new Failure('stream_reset', `the relay gave no answer: ${text}`, { phase: 'relay', cause })
    : new Failure('connection_reset', 'the relay closed the connection when it was asked', { phase: 'relay', cause })
}

/** Resolves once the connection has ended, or after a moment. */
async function toldOfItsEnd(connection: Connection, runSignal: AbortSignal): Promise<void> {
  using limit = startLimit(TOLD_MS, runSignal)
  await new Promise<void>(resolve => {
    limit.signal.addEventListener('abort', () => resolve())
    connection.addEventListener('close', () => resolve())
    if (limit.signal.aborted || connection.status !== 'open') resolve()
  })
}

function malformed(what: string, cause?: unknown): Failure {
  return new Failure('malformed_answer', `the relay gave no usable answer: ${what}`, { phase: 'relay', cause })
}

function relayAddr(bytes: Uint8Array, relay: PeerId): Multiaddr | undefined {
  try {
    const addr = multiaddr(bytes)
    const names = addr.getComponents().map(({ name }) => name)
    if (names.length === 0 || names.includes('p2p-circuit')) return undefined
    return names.includes('p2p') ? addr : addr.encapsulate(`/p2p/${relay}`)
  } catch {
    return undefined
  }
}

/** What can be wrong with a voucher. */
export type VoucherFault =
  | 'voucher_signature'
  | 'voucher_type'
  | 'voucher_signer'
  | 'voucher_relay'
  | 'voucher_peer'
  | 'voucher_expiration'

/** Opens a voucher and compares all that it says with what it should; none is good. */
export async function voucherFaults(
  voucher: Uint8Array,
  expected: { relay: PeerId; peer: PeerId; expire: number }
): Promise<VoucherFault[]> {
  let envelope: RecordEnvelope
  try {
    envelope = await RecordEnvelope.openAndCertify(voucher, VOUCHER_DOMAIN)
  } catch {
    return ['voucher_signature']
  }
  const faults: VoucherFault[] = []
  const { payloadType } = envelope
  if (payloadType.length !== 2 || payloadType[0] !== 0x03 || payloadType[1] !== 0x02) faults.push('voucher_type')
  if (!peerIdFromPublicKey(envelope.publicKey).equals(expected.relay)) faults.push('voucher_signer')
  try {
    const { relay, peer, expiration } = decodeVoucher(envelope.payload)
    if (!relay.equals(expected.relay)) faults.push('voucher_relay')
    if (!peer.equals(expected.peer)) faults.push('voucher_peer')
    if (expiration !== expected.expire) faults.push('voucher_expiration')
  } catch {
    faults.push('voucher_type')
  }
  return [...new Set(faults)]
}
