import { type Reader, writer } from 'protons-runtime'
import { BYTES, eachField, FIXED64, tag, VARINT } from './fields.ts'

/** The messages of AutoNAT v2: https://github.com/libp2p/specs/blob/master/autonat/autonat-v2.md */

export const DIAL_REQUEST = '/libp2p/autonat/2/dial-request'
export const DIAL_BACK = '/libp2p/autonat/2/dial-back'

/** The longest message that we read, as in go-libp2p and js-libp2p: data comes in parts of 4096 bytes. */
export const MAX_MESSAGE_BYTES = 8192
export const DATA_PART_BYTES = 4096

/** What a server may ask to be paid before it dials another host than the one that asks. */
export const LEAST_DATA_BYTES = 30_000
export const MOST_DATA_BYTES = 100_000

export const RESPONSE = { E_INTERNAL_ERROR: 0, E_REQUEST_REJECTED: 100, E_DIAL_REFUSED: 101, OK: 200 } as const
export const DIAL = { UNUSED: 0, E_DIAL_ERROR: 100, E_DIAL_BACK_ERROR: 101, OK: 200 } as const

export type ResponseName = keyof typeof RESPONSE
export type DialName = keyof typeof DIAL

export type Message =
  | { type: 'request'; addrs: Uint8Array[]; nonce: bigint }
  | { type: 'response'; status: number; index: number; dialStatus: number }
  | { type: 'data-request'; index: number; bytes: number }
  | { type: 'data'; data: Uint8Array }

export function encodeMessage(message: Message): Uint8Array {
  const inner = writer()
  switch (message.type) {
    case 'request':
      for (const addr of message.addrs) inner.uint32(tag(1, BYTES)).bytes(addr)
      inner.uint32(tag(2, FIXED64)).fixed64(message.nonce)
      return wrapped(1, inner.finish())
    case 'response':
      inner.uint32(tag(1, VARINT)).uint32(message.status).uint32(tag(2, VARINT)).uint32(message.index)
      inner.uint32(tag(3, VARINT)).uint32(message.dialStatus)
      return wrapped(2, inner.finish())
    case 'data-request':
      inner.uint32(tag(1, VARINT)).uint32(message.index).uint32(tag(2, VARINT)).uint64Number(message.bytes)
      return wrapped(3, inner.finish())
    case 'data':
      inner.uint32(tag(1, BYTES)).bytes(message.data)
      return wrapped(4, inner.finish())
  }
}

function wrapped(field: number, inner: Uint8Array): Uint8Array {
  return writer().uint32(tag(field, BYTES)).bytes(inner).finish()
}

/** Throws when the bytes are none of the four messages; of several, the last one counts, as in any oneof. */
export function decodeMessage(bytes: Uint8Array): Message {
  let message: Message | undefined
  eachField(bytes, { 1: BYTES, 2: BYTES, 3: BYTES, 4: BYTES }, (field, r) => {
    message = decoders[field as 1 | 2 | 3 | 4](r.bytes())
  })
  if (message == null) throw new Error('a message without anything in it')
  return message
}

const decoders = {
  1: (bytes: Uint8Array): Message => {
    const addrs: Uint8Array[] = []
    let nonce = 0n
    eachField(bytes, { 1: BYTES, 2: FIXED64 }, (field, r) => {
      if (field === 1) addrs.push(r.bytes())
      else nonce = unsigned(r)
    })
    return { type: 'request', addrs, nonce }
  },
  2: (bytes: Uint8Array): Message => {
    const fields = [0, 0, 0]
    eachField(bytes, { 1: VARINT, 2: VARINT, 3: VARINT }, (field, r) => {
      fields[field - 1] = r.uint32()
    })
    return { type: 'response', status: fields[0]!, index: fields[1]!, dialStatus: fields[2]! }
  },
  3: (bytes: Uint8Array): Message => {
    const fields = [0, 0]
    eachField(bytes, { 1: VARINT, 2: VARINT }, (field, r) => {
      fields[field - 1] = field === 1 ? r.uint32() : Number(r.uint64())
    })
    return { type: 'data-request', index: fields[0]!, bytes: fields[1]! }
  },
  4: (bytes: Uint8Array): Message => {
    let data = new Uint8Array(0)
    eachField(bytes, { 1: BYTES }, (_, r) => {
      data = r.bytes()
    })
    return { type: 'data', data }
  }
}

/** The reader takes fixed64 for signed (protons-runtime 7.1), so that half of all nonces would come back as others. */
function unsigned(r: Reader): bigint {
  return BigInt.asUintN(64, r.fixed64())
}

export function encodeDialBack(nonce: bigint): Uint8Array {
  return writer().uint32(tag(1, FIXED64)).fixed64(nonce).finish()
}

export function decodeDialBack(bytes: Uint8Array): bigint {
  let nonce = 0n
  eachField(bytes, { 1: FIXED64 }, (_, r) => {
    nonce = unsigned(r)
  })
  return nonce
}

/** The answer to a dial-back: its only status, OK, is 0, and so is written as nothing. */
export const DIAL_BACK_OK = new Uint8Array(0)

export function isDialBackOk(bytes: Uint8Array): boolean {
  let status = 0
  eachField(bytes, { 1: VARINT }, (_, r) => {
    status = r.uint32()
  })
  return status === 0
}
