/** Of what waits on a stream or a connection, as libp2p keeps it (@libp2p/utils 7.4). */
export interface Pieces {
  bufs: Uint8Array[]
  byteLength: number
  subarray(): Uint8Array
  consume(bytes: number): void
  append(bytes: Uint8Array): void
}

/** As many pieces may wait before they are put together, and one for so many bytes that wait. */
const MOST_PIECES = 64
const PIECE_BYTES = 256

/**
 * What waits is kept as it came, and a byte in a frame of its own takes more than 100: what nobody reads would take a
 * hundred times what its limit says.
 */
export function joinPieces(buffer: Pieces): void {
  const most = Math.max(MOST_PIECES, buffer.byteLength / PIECE_BYTES)
  if (buffer.bufs.length <= most) return
  const whole = buffer.subarray()
  buffer.consume(whole.byteLength)
  buffer.append(whole)
}
