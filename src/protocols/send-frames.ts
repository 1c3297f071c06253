/** The frames of /p2pctl/send/1.0.0, as docs/send-protocol.md defines them: an unsigned varint and a protobuf message. */
import { type Reader, reader, type Writer, writer } from 'protons-runtime'
import { StreamError } from './stream.ts'

export const SEND_PROTOCOL = '/p2pctl/send/1.0.0'
/** How long the other side may say nothing when it is its turn. */
export const SEND_IDLE_MS = 30_000
/** Bytes of the item in one frame, at most. */
export const MAX_DATA_BYTES = 262_144
/** A frame of the sender, at most; its length takes three bytes. */
export const MAX_SENDER_FRAME = 263_168
/** A frame of the receiver, at most. */
export const MAX_RECEIVER_FRAME = 4096
/** What may be sent before the receiver has accepted. */
export const EAGER_BYTES = 65_536
export const MAX_DETAIL_BYTES = 1024

export const KIND = { MESSAGE: 1, FILE: 2 } as const

export const STATUS = {
  OK: 1,
  REFUSED: 2,
  TOO_LARGE: 3,
  NO_SPACE: 4,
  EXISTS: 5,
  HASH_MISMATCH: 6,
  MALFORMED: 7,
  BUSY: 8,
  INTERNAL: 9
} as const

/** How a field stands on the wire. `absent` is what its absence means, and is not written. */
interface Field<T> {
  wireType: 0 | 2
  absent: T
  read(from: Reader): T
  write(to: Writer, value: T): void
}

type Shape = Record<string, readonly [number: number, field: Field<unknown>]>
type Message<S extends Shape> = { [K in keyof S]: S[K][1] extends Field<infer T> ? T : never }
type Written<T> = T extends object ? (T extends Uint8Array ? T : { [K in keyof T]?: Written<T[K]> }) : T

const uint: Field<number> = {
  wireType: 0,
  absent: 0,
  read: from => {
    const value = from.uint64()
    if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed('a number above 2^53')
    return Number(value)
  },
  write: (to, value) => to.uint64Number(value)
}

const flag: Field<boolean> = {
  wireType: 0,
  absent: false,
  read: from => from.uint64() !== 0n,
  write: (to, value) => to.bool(value)
}

const hash = optional(bytes(32, 32))

const senderFrame = {
  offer: [
    1,
    message({
      kind: [1, uint],
      name: [2, text(1024)],
      size: [3, optional(uint)],
      sha256: [4, hash],
      media: [5, text(256)],
      mode: [6, optional(uint)],
      modified: [7, optional(uint)],
      resumable: [8, flag]
    })
  ],
  data: [2, optional(bytes(1, MAX_DATA_BYTES))],
  end: [3, message({ size: [1, uint], sha256: [2, hash] })]
} as const

const receiverFrame = {
  accept: [1, message({ offset: [1, uint], window: [2, uint] })],
  ack: [2, message({ received: [1, uint] })],
  receipt: [
    3,
    message({
      status: [1, uint],
      size: [2, uint],
      sha256: [3, hash],
      detail: [4, text(MAX_DETAIL_BYTES)],
      max_size: [5, optional(uint)]
    })
  ]
} as const

/** One of offer, data and end. */
export type SenderFrame = Message<typeof senderFrame>
export type Offer = NonNullable<SenderFrame['offer']>
/** One of accept, ack and receipt. */
export type ReceiverFrame = Message<typeof receiverFrame>
/** What the receiver says at the end; what is left out stands for nothing said. */
export type Receipt = NonNullable<Written<ReceiverFrame>['receipt']>

/** A frame with its length in front. */
export function encodeSenderFrame(frame: Written<SenderFrame>): Uint8Array {
  return encode(senderFrame, frame)
}

/** A frame without its length. Throws a StreamError, malformed. */
export function decodeSenderFrame(frame: Uint8Array): SenderFrame {
  return known(decode(senderFrame, frame))
}

/** A frame with its length in front. */
export function encodeReceiverFrame(frame: Written<ReceiverFrame>): Uint8Array {
  return encode(receiverFrame, frame)
}

/** A frame without its length. Throws a StreamError, malformed. */
export function decodeReceiverFrame(frame: Uint8Array): ReceiverFrame {
  return known(decode(receiverFrame, frame))
}

function known<T extends object>(frame: T): T {
  if (Object.values(frame).filter(field => field !== undefined).length !== 1) {
    throw malformed('a frame that is not one of the known ones')
  }
  return frame
}

function text(maxBytes: number): Field<string> {
  const { read } = bytes(0, maxBytes)
  return {
    wireType: 2,
    absent: '',
    // reader.string() makes lone surrogates of what is not UTF-8
    read: from => new TextDecoder().decode(read(from)),
    write: (to, value) => to.string(value)
  }
}

function bytes(min: number, max: number): Field<Uint8Array> {
  return {
    wireType: 2,
    absent: new Uint8Array(0),
    read: from => {
      const value = from.bytes()
      if (value.byteLength < min || value.byteLength > max) throw malformed(`a field of ${value.byteLength} bytes`)
      return value
    },
    write: (to, value) => to.bytes(value)
  }
}

/** A field that says whether it is there. */
function optional<T>(field: Field<T>): Field<T | undefined> {
  return { ...field, absent: undefined, write: (to, value) => value !== undefined && field.write(to, value) }
}

function message<S extends Shape>(shape: S): Field<Message<S> | undefined> {
  return {
    wireType: 2,
    absent: undefined,
    read: from => decode(shape, from.bytes()),
    write: (to, value) => writeFields(to, shape, value ?? {})
  }
}

function encode(shape: Shape, value: Record<string, unknown>): Uint8Array {
  const to = writer()
  writeFields(to, shape, value)
  return to.finish()
}

function writeFields(to: Writer, shape: Shape, value: Record<string, unknown>): void {
  to.fork()
  for (const [name, [number, field]] of Object.entries(shape)) {
    const given = value[name]
    if (given === undefined || given === field.absent) continue
    to.uint32((number << 3) | field.wireType)
    field.write(to, given)
  }
  to.ldelim()
}

function decode<S extends Shape>(shape: S, bytes: Uint8Array): Message<S> {
  const entries = Object.entries(shape)
  const message: Record<string, unknown> = Object.fromEntries(entries.map(([name, [, field]]) => [name, field.absent]))
  try {
    const from = reader(bytes)
    while (from.pos < from.len) {
      const tag = from.uint32()
      const entry = entries.find(([, [number]]) => number === tag >>> 3)
      const wireType = tag & 7
      if (entry !== undefined) {
        const [name, [, field]] = entry
        if (wireType !== field.wireType) throw malformed(`${name} has another type`)
        message[name] = field.read(from)
      } else {
        // groups nest, and skipType follows them down the stack
        if (wireType === 3 || wireType === 4) throw malformed('a group')
        from.skipType(wireType)
      }
    }
    // its varints read a little past the end (protons-runtime 7.1.2)
    if (from.pos !== from.len) throw malformed('a field that does not end')
  } catch (error) {
    throw error instanceof StreamError ? error : malformed('not a message of this protocol', error)
  }
  return message as Message<S>
}

function malformed(message: string, cause?: unknown): StreamError {
  return new StreamError('malformed', message, cause)
}
