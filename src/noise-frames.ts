/** The messages of noise, without what its stream spends on each beside the cipher. */
import type { MessageStream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

type Bytes = Uint8Array | Uint8ArrayList

/** What the stream of noise has inside (@chainsafe/libp2p-noise 17.0, @libp2p/utils 7.4). */
interface Encrypted extends MessageStream {
  decoder?: { lengthDecoder(bytes: Uint8ArrayList): number }
  encrypt(plain: Bytes): Bytes
  decrypt(cipher: Bytes): Bytes
  handshake: { decrypt(cipher: Bytes): Bytes }
  sendData(data: Uint8ArrayList): unknown
  /** The connection below: over tcp and unix it has its socket. */
  stream: { socket?: { cork(): void; uncork(): void } }
}

const PREFIX_BYTES = 2
/** Larger ones are for node:crypto, smaller ones for WebAssembly, which decrypts in place: 1,200 bytes, and a tag. */
const SMALL_BYTES = 1216

/**
 * After each message its decoder asks for the length of the next one, of which there is nothing yet: that was a RangeError,
 * caught right away, and its stack took longer than to decrypt the message. Where the length is missing, a length that is
 * more than there is ends its loop as well.
 */
export function readLengthsQuietly(encrypted: MessageStream): void {
  const { decoder } = encrypted as Encrypted
  if (decoder == null) return
  decoder.lengthDecoder = bytes => (bytes.byteLength < PREFIX_BYTES ? PREFIX_BYTES : bytes.get(0) * 256 + bytes.get(1))
}

/**
 * The length, the header of a frame, what is in it and the tag were each a write of their own to the socket, and as many
 * packets. Small ones are put together; for large ones, which cost more to copy, the socket waits until it has them all.
 */
export function writeAtOnce(encrypted: MessageStream): void {
  const inside = encrypted as Encrypted
  if (inside.encrypt == null) return
  const encrypt = inside.encrypt.bind(inside)
  inside.encrypt = plain => (plain.byteLength < SMALL_BYTES ? encrypt(plain).subarray() : encrypt(plain))
  const { socket } = inside.stream
  if (socket == null) return
  const sendData = inside.sendData.bind(inside)
  inside.sendData = data => {
    socket.cork()
    try {
      return sendData(data)
    } finally {
      socket.uncork()
    }
  }
}

/** It makes a copy of each message to decrypt into, of which node:crypto, which takes the larger ones, makes no use. */
export function decryptWithoutCopy(encrypted: MessageStream): void {
  const inside = encrypted as Encrypted
  if (inside.decrypt == null) return
  const decrypt = inside.decrypt.bind(inside)
  inside.decrypt = cipher => (cipher.byteLength < SMALL_BYTES ? decrypt(cipher) : inside.handshake.decrypt(cipher))
}
