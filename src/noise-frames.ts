/** Reads the length of what noise has encrypted, without an error for each message. */
import type { MessageStream } from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'

/** What the stream of noise has inside (@chainsafe/libp2p-noise 17.0, @libp2p/utils 7.4). */
interface Encrypted extends MessageStream {
  decoder?: { lengthDecoder(bytes: Uint8ArrayList): number }
}

const PREFIX_BYTES = 2

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
