import assert from 'node:assert/strict'
import { test } from 'node:test'
import { yamuxFrames } from '../src/frames.ts'

/** A data frame of yamux. */
function dataFrame(bytes: number): Buffer {
  const frame = Buffer.alloc(12 + bytes, 0xff)
  frame.fill(0, 0, 12)
  frame.writeUInt32BE(1, 4)
  frame.writeUInt32BE(bytes, 8)
  return frame
}

test('frames are told apart wherever the chunks that they come in begin and end', () => {
  const frames = [dataFrame(0), dataFrame(1), dataFrame(70), Buffer.alloc(12), dataFrame(5), dataFrame(0)]
  const bytes = Buffer.concat(frames)
  for (let size = 1; size <= bytes.length; size++) {
    const chunks: Uint8Array[] = []
    for (let at = 0; at < bytes.length; at += size) chunks.push(bytes.subarray(at, at + size))
    for (const calls of [[chunks], chunks.map(one => [one])]) {
      const seen: (number | 'idle')[] = []
      const parser = yamuxFrames(3, {
        idle: () => seen.push('idle'),
        small: () => {},
        long: length => seen.push(length)
      })
      for (const call of calls) parser.received(call)
      assert.deepEqual(seen, ['idle', 70, 'idle', 5, 'idle'], `chunks of ${size} bytes`)
    }
  }
})
