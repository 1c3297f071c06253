import fc, { type Arbitrary } from 'fast-check'

/** Varints and lengths that a decoder has to be careful with. */
const tricky = [
  [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01],
  [0xff, 0xff, 0xff, 0xff, 0x0f],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
  ...[[0x0a], [0x12, 0x00], [0x0b], [0x0c], [0x80], [0x00], [0x7f], [0xff, 0xfe], [0x1b, 0x5b], [0xe2, 0x80, 0xae]]
]

type Edit = (bytes: number[]) => number[]

const edit: Arbitrary<Edit> = fc
  .record({ at: fc.nat(), byte: fc.nat(255), count: fc.nat(64), more: fc.constantFrom(...tricky), way: fc.nat(5) })
  .map(({ at: where, byte, count, more, way }) => bytes => {
    const at = where % bytes.length
    if (way === 0) return bytes.with(at, byte)
    if (way === 1) return bytes.with(at, bytes[at]! ^ (1 << (byte & 7)))
    if (way === 2) return bytes.toSpliced(at, 0, ...more)
    if (way === 3) return bytes.toSpliced(at, count)
    if (way === 4) return bytes.slice(0, at)
    return [...bytes, ...bytes.slice(at, at + count)]
  })

/** The bytes after a few edits, as a fuzzer makes them: changed, flipped, cut, repeated, with lengths that lie. */
export function mutated(bytes: Uint8Array): Arbitrary<Uint8Array> {
  return fc
    .array(edit, { maxLength: 4 })
    .map(edits => edits.reduce((left, one) => (left.length > 0 ? one(left) : left), [...bytes]))
    .map(left => Uint8Array.from(left))
}
