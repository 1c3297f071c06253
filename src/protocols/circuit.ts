import { RecordEnvelope } from '@libp2p/peer-record'
import { writer } from 'protons-runtime'
import { BYTES, eachField, peerIdOf, tag, VARINT } from './fields.ts'
import type { PeerId, PrivateKey } from '@libp2p/interface'

/**
 * The messages of circuit relay v2: https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md
 * What is decoded here comes from strangers: anything that is not a message ends in an error that says so.
 */

export const HOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/hop'
export const STOP_PROTOCOL = '/libp2p/circuit/relay/0.2.0/stop'

/** The longest message that we read or write, as in go-libp2p. */
export const MAX_MESSAGE_BYTES = 4096

export const STATUS = {
  OK: 100,
  RESERVATION_REFUSED: 200,
  RESOURCE_LIMIT_EXCEEDED: 201,
  PERMISSION_DENIED: 202,
  CONNECTION_FAILED: 203,
  NO_RESERVATION: 204,
  MALFORMED_MESSAGE: 400,
  UNEXPECTED_MESSAGE: 401
} as const

export type StatusName = keyof typeof STATUS

/** The name of a status code; the number itself where the specification has no name for it. */
export function statusName(code: number): string {
  return Object.entries(STATUS).find(([, value]) => value === code)?.[0] ?? String(code)
}

export const HOP_TYPE = { RESERVE: 0, CONNECT: 1, STATUS: 2 } as const
export const STOP_TYPE = { CONNECT: 0, STATUS: 1 } as const

/** The bytes of a peer ID and of its multiaddrs, as they came: not checked yet. */
export interface WirePeer {
  id: Uint8Array
  addrs: Uint8Array[]
}

export interface Reservation {
  /** Unix time in seconds. */
  expire: number
  addrs: Uint8Array[]
  /** A signed envelope, marshalled. */
  voucher?: Uint8Array | undefined
}

/** What may pass a circuit; absent or 0 is no limit. */
export interface Limit {
  /** Seconds. */
  duration?: number | undefined
  /** Bytes, each way. */
  data?: number | undefined
}

export interface HopMessage {
  type?: number | undefined
  peer?: WirePeer | undefined
  reservation?: Reservation | undefined
  limit?: Limit | undefined
  status?: number | undefined
}

export interface StopMessage {
  type?: number | undefined
  peer?: WirePeer | undefined
  limit?: Limit | undefined
  status?: number | undefined
}

export interface Voucher {
  relay: PeerId
  peer: PeerId
  /** Unix time in seconds. */
  expiration: number
}

export function encodeHop(message: HopMessage): Uint8Array {
  const w = writer()
  if (message.type != null) w.uint32(tag(1, VARINT)).uint32(message.type)
  if (message.peer != null) w.uint32(tag(2, BYTES)).bytes(encodePeer(message.peer))
  if (message.reservation != null) w.uint32(tag(3, BYTES)).bytes(encodeReservation(message.reservation))
  if (message.limit != null) w.uint32(tag(4, BYTES)).bytes(encodeLimit(message.limit))
  if (message.status != null) w.uint32(tag(5, VARINT)).uint32(message.status)
  return w.finish()
}

export function encodeStop(message: StopMessage): Uint8Array {
  const w = writer()
  if (message.type != null) w.uint32(tag(1, VARINT)).uint32(message.type)
  if (message.peer != null) w.uint32(tag(2, BYTES)).bytes(encodePeer(message.peer))
  if (message.limit != null) w.uint32(tag(3, BYTES)).bytes(encodeLimit(message.limit))
  if (message.status != null) w.uint32(tag(4, VARINT)).uint32(message.status)
  return w.finish()
}

function encodePeer(peer: WirePeer): Uint8Array {
  const w = writer().uint32(tag(1, BYTES)).bytes(peer.id)
  for (const addr of peer.addrs) w.uint32(tag(2, BYTES)).bytes(addr)
  return w.finish()
}

function encodeReservation(reservation: Reservation): Uint8Array {
  const w = writer().uint32(tag(1, VARINT)).uint64Number(reservation.expire)
  for (const addr of reservation.addrs) w.uint32(tag(2, BYTES)).bytes(addr)
  if (reservation.voucher != null) w.uint32(tag(3, BYTES)).bytes(reservation.voucher)
  return w.finish()
}

function encodeLimit(limit: Limit): Uint8Array {
  const w = writer()
  if (limit.duration != null) w.uint32(tag(1, VARINT)).uint32(limit.duration)
  if (limit.data != null) w.uint32(tag(2, VARINT)).uint64Number(limit.data)
  return w.finish()
}

/** Throws when the bytes are not a hop message; an unknown type or status is left as its number. */
export function decodeHop(bytes: Uint8Array): HopMessage {
  return decoded('hop', bytes, () => {
    const message: HopMessage = {}
    eachField(bytes, { 1: VARINT, 2: BYTES, 3: BYTES, 4: BYTES, 5: VARINT }, (field, r) => {
      if (field === 1) message.type = r.uint32()
      else if (field === 2) message.peer = decodePeer(r.bytes())
      else if (field === 3) message.reservation = decodeReservation(r.bytes())
      else if (field === 4) message.limit = decodeLimit(r.bytes())
      else message.status = r.uint32()
    })
    return message
  })
}

/** Throws when the bytes are not a stop message; an unknown type or status is left as its number. */
export function decodeStop(bytes: Uint8Array): StopMessage {
  return decoded('stop', bytes, () => {
    const message: StopMessage = {}
    eachField(bytes, { 1: VARINT, 2: BYTES, 3: BYTES, 4: VARINT }, (field, r) => {
      if (field === 1) message.type = r.uint32()
      else if (field === 2) message.peer = decodePeer(r.bytes())
      else if (field === 3) message.limit = decodeLimit(r.bytes())
      else message.status = r.uint32()
    })
    return message
  })
}

function decodePeer(bytes: Uint8Array): WirePeer {
  const peer: WirePeer = { id: new Uint8Array(0), addrs: [] }
  eachField(bytes, { 1: BYTES, 2: BYTES }, (field, r) => {
    if (field === 1) peer.id = r.bytes()
    else peer.addrs.push(r.bytes())
  })
  return peer
}

function decodeReservation(bytes: Uint8Array): Reservation {
  const reservation: Reservation = { expire: 0, addrs: [] }
  eachField(bytes, { 1: VARINT, 2: BYTES, 3: BYTES }, (field, r) => {
    if (field === 1) reservation.expire = Number(r.uint64())
    else if (field === 2) reservation.addrs.push(r.bytes())
    else reservation.voucher = r.bytes()
  })
  return reservation
}

function decodeLimit(bytes: Uint8Array): Limit {
  const limit: Limit = {}
  eachField(bytes, { 1: VARINT, 2: VARINT }, (field, r) => {
    if (field === 1) limit.duration = r.uint32()
    else limit.data = Number(r.uint64())
  })
  return limit
}

function decoded<T>(kind: string, bytes: Uint8Array, decode: () => T): T {
  if (bytes.byteLength > MAX_MESSAGE_BYTES) {
    throw new Error(`malformed ${kind} message: ${bytes.byteLength} bytes, and ${MAX_MESSAGE_BYTES} are allowed`)
  }
  try {
    return decode()
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause)
    throw new Error(`malformed ${kind} message: ${reason}`, { cause })
  }
}

export const VOUCHER_DOMAIN = 'libp2p-relay-rsvp'
const VOUCHER_TYPE = Uint8Array.of(0x03, 0x02)

/** A reservation voucher in its signed envelope, marshalled, as the field of the reservation wants it. */
export async function sealVoucher(voucher: Voucher, key: PrivateKey): Promise<Uint8Array> {
  const marshal = () =>
    writer()
      .uint32(tag(1, BYTES))
      .bytes(voucher.relay.toMultihash().bytes)
      .uint32(tag(2, BYTES))
      .bytes(voucher.peer.toMultihash().bytes)
      .uint32(tag(3, VARINT))
      .uint64Number(voucher.expiration)
      .finish()
  const record = { domain: VOUCHER_DOMAIN, codec: VOUCHER_TYPE, marshal, equals: () => false }
  return (await RecordEnvelope.seal(record, key)).marshal()
}

/** The payload of a voucher's envelope. Whose signature it bears is for the caller to compare. */
export function decodeVoucher(payload: Uint8Array): Voucher {
  return decoded('voucher', payload, () => {
    let relay = new Uint8Array(0)
    let peer = new Uint8Array(0)
    let expiration = 0
    eachField(payload, { 1: BYTES, 2: BYTES, 3: VARINT }, (field, r) => {
      if (field === 1) relay = r.bytes()
      else if (field === 2) peer = r.bytes()
      else expiration = Number(r.uint64())
    })
    return { relay: peerIdOf(relay), peer: peerIdOf(peer), expiration }
  })
}
