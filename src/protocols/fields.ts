import { type Reader, reader } from 'protons-runtime'

/** The fields of protobuf messages that strangers sent, held against the types that they should have. */

export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2

export type Wire = typeof VARINT | typeof FIXED64 | typeof BYTES

export function tag(field: number, wire: Wire): number {
  return (field << 3) | wire
}

/** Calls `visit` for each known field; unknown ones are skipped, as protobuf asks, but for groups. */
export function eachField(
  bytes: Uint8Array,
  wires: Record<number, Wire>,
  visit: (field: number, r: Reader) => void
): void {
  const r = reader(bytes)
  while (r.pos < r.len) {
    const head = r.uint32()
    const field = head >>> 3
    const wire = head & 7
    if (field === 0 || wire === 3 || wire === 4) throw new Error(`field ${field} of wire type ${wire}`)
    const expected = wires[field]
    if (expected === undefined) r.skipType(wire)
    else if (expected === wire) visit(field, r)
    else throw new Error(`field ${field} of wire type ${wire}, not ${expected}`)
    // the reader lets some varints run over the end of the message, and takes what is missing for 0 (protons-runtime 7.1)
    if (r.pos > r.len || (wire === VARINT && bytes[r.pos - 1]! >= 0x80)) throw new Error('it ends within a field')
  }
}
