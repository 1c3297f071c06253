import assert from 'node:assert/strict'
import fc, { type Arbitrary } from 'fast-check'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { identifyMessage, signedRecord } from '../helpers/identify.ts'
import { mutated } from '../helpers/mutated.ts'
import { property } from '../helpers/property.ts'
import { ScriptedStream, scriptedConnection } from '../helpers/scripted-stream.ts'
import { sha256 } from '../helpers/send-peers.ts'
import { multiaddr } from '@multiformats/multiaddr'
import { encodeHop } from '../../src/protocols/circuit.ts'
import { frame, readFrame } from '../../src/protocols/framing.ts'
import { readHop } from '../../src/protocols/hop-messages.ts'
import { identify } from '../../src/protocols/identify.ts'
import { openPinger } from '../../src/protocols/ping.ts'
import { receiveItems } from '../../src/protocols/receive.ts'
import { decodeReceiverFrame, encodeSenderFrame, KIND, SEND_PROTOCOL } from '../../src/protocols/send-frames.ts'
import { StreamError, streamReader } from '../../src/protocols/stream.ts'

const never = new AbortController().signal
const key = await generateKeyPair('Ed25519')
const peerId = peerIdFromPrivateKey(key)
const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Where a stream of bytes is cut, and how many of its pieces come before anybody reads. */
interface Cuts {
  at: number[]
  early: number
}
const anyCuts: Arbitrary<Cuts> = fc.record({
  at: fc.oneof(
    { weight: 7, arbitrary: fc.array(fc.nat(), { maxLength: 8 }) },
    { weight: 1, arbitrary: fc.constant<number[]>([...Array(200).keys()]) }
  ),
  early: fc.nat(6)
})

function piecesOf(bytes: Uint8Array, { at }: Cuts): Uint8Array[] {
  const places = [...new Set(at.map(one => one % (bytes.length + 1)))].sort((a, b) => a - b)
  return [0, ...places].map((from, index) => bytes.subarray(from, places[index] ?? bytes.length))
}

type End = 'ends' | 'resets'

/** The peer gives the bytes in these pieces and ends; `read` begins after the early ones. */
async function inPieces<T>(
  stream: ScriptedStream,
  bytes: Uint8Array,
  cuts: Cuts,
  end: End,
  read: () => Promise<T>
): Promise<T> {
  const pieces = piecesOf(bytes, cuts)
  const give = (some: Uint8Array[]): void => {
    for (const piece of some) stream.gives(piece)
  }
  give(pieces.slice(0, cuts.early))
  const reading = read()
  // a rejection before it is waited for is none that nobody handles
  reading.catch(() => {})
  for (const piece of pieces.slice(cuts.early)) {
    await null
    give([piece])
  }
  await null
  stream[end]()
  return await reading
}

const whole: Cuts = { at: [], early: 0 }
const anyEnd = fc.constantFrom<End>('ends', 'ends', 'resets')
const frames = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }).map(list => Buffer.concat(list.map(frame)))
const wire = fc.oneof(frames, frames.filter(bytes => bytes.length > 0).chain(mutated), fc.uint8Array({ maxLength: 60 }))

/** What became of it, so that two can be compared. */
async function told<T>(reading: () => Promise<T>): Promise<unknown> {
  try {
    return { value: await reading() }
  } catch (error) {
    assert.ok(error instanceof Error && !(error instanceof TypeError), String(error))
    return { error: error instanceof StreamError ? error.reason : error.message }
  }
}

/** A test that `read` gives the same for any pieces of the same bytes. */
function sameForAnySplit(
  says: string,
  bytes: Arbitrary<Uint8Array>,
  read: (bytes: Uint8Array, cuts: Cuts, end: End) => Promise<unknown>,
  share = 1
): void {
  property(
    `${says}: the same for any split of the bytes`,
    [bytes, anyCuts, anyEnd],
    async (all, cuts, end) => {
      assert.deepEqual(await read(all, cuts, end), await read(all, whole, end))
    },
    { share }
  )
}

sameForAnySplit('frames of a stream', wire, async (bytes, cuts, end) => {
  const stream = new ScriptedStream('/x')
  const found: unknown[] = []
  const read = async (): Promise<void> => {
    const reader = streamReader(stream, { maxFrameBytes: 64 })
    for (let one = await reader.read(); one != null; one = await reader.read())
      found.push(Buffer.from(one).toString('hex'))
  }
  return [await told(() => inPieces(stream, bytes, cuts, end, read)), found]
})

sameForAnySplit('so many bytes of a stream, and what is left', wire, async (bytes, cuts, end) => {
  const stream = new ScriptedStream('/x')
  const read = async (): Promise<string[]> => {
    const reader = streamReader(stream)
    const found: string[] = []
    for (const count of [1, 7, 3]) {
      const one = await reader.readExactly(count)
      if (one == null) break
      found.push(Buffer.from(one).toString('hex'))
      if (count === 7) reader.unread(one.subarray(4))
    }
    let rest = ''
    for (let some = await reader.readSome(); some != null; some = await reader.readSome())
      rest += Buffer.from(some).toString('hex')
    return [...found, rest]
  }
  return await told(() => inPieces(stream, bytes, cuts, end, read))
})

sameForAnySplit('one frame, with what stands behind it left in the stream', wire, async (bytes, cuts) => {
  const stream = new ScriptedStream('/x')
  const first = await told(() =>
    inPieces(stream, bytes, cuts, 'ends', () => readFrame(stream, { maxBytes: 64, signal: never }))
  )
  if (!('value' in (first as object))) return first
  let rest = ''
  stream.addEventListener('message', ({ data }) => {
    rest += Buffer.from(data.subarray()).toString('hex')
  })
  stream.resume()
  await new Promise(setImmediate)
  return [first, rest]
})

const hop = encodeHop({
  type: 1,
  peer: { id: peerId.toMultihash().bytes, addrs: [] },
  limit: { duration: 120, data: 131_072 }
})
sameForAnySplit('a message of a relay', fc.constant(hop).chain(mutated).map(frame), async (bytes, cuts, end) => {
  const stream = new ScriptedStream('/x')
  return await told(() => inPieces(stream, bytes, cuts, end, () => readHop(stream, never)))
})

const record = await signedRecord(key, ['/ip4/203.0.113.7/tcp/4001'])
const identity = identifyMessage([
  [5, 'ipfs/0.1.0'],
  [6, 'kubo/0.43.1\x1b[2J'],
  ...['/ipfs/ping/1.0.0', '/ipfs/id/1.0.0'].map((one): [number, string] => [3, one]),
  [2, multiaddr('/ip4/203.0.113.7/tcp/4001').bytes],
  [4, multiaddr('/ip4/198.51.100.2/tcp/61234').bytes],
  [8, record]
])
const identities = fc
  .tuple(fc.constant(identity).chain(mutated), fc.nat(300))
  .map(([bytes, at]) =>
    Buffer.concat(at < bytes.length ? [frame(bytes.subarray(0, at)), frame(bytes.subarray(at))] : [frame(bytes)])
  )
sameForAnySplit(
  'identify, in one message or two',
  identities,
  async (bytes, cuts, end) => {
    const stream = Promise.withResolvers<ScriptedStream>()
    const connection = scriptedConnection(peerId.toString(), stream.resolve)
    return await told(async () => {
      const reading = identify(connection, never)
      reading.catch(() => {})
      return await inPieces(await stream.promise, bytes, cuts, end, () => reading)
    })
  },
  0.3
)

const message = Buffer.concat([
  encodeSenderFrame({ offer: { kind: KIND.MESSAGE, size: 11 } }),
  encodeSenderFrame({ data: bytesOf('hello ') }),
  encodeSenderFrame({ data: bytesOf('world') }),
  encodeSenderFrame({ end: { size: 11, sha256: sha256(bytesOf('hello world')) } })
])
sameForAnySplit(
  'an item of send, and its receipt',
  fc.constant(message).chain(mutated),
  async (bytes, cuts) => {
    const stream = new ScriptedStream(SEND_PROTOCOL)
    const received: string[] = []
    const connection = scriptedConnection(peerId.toString(), () => {})
    const handler = receiveItems({
      maxMessageBytes: 1000,
      onMessage: async ({ bytes: said }) => void received.push(Buffer.from(said).toString())
    })
    await inPieces(stream, bytes, cuts, 'ends', async () => await handler(stream, connection))
    const answers = new ScriptedStream('/x')
    const reader = streamReader(answers)
    answers.gives(Buffer.concat(stream.sent))
    answers.ends()
    let receipt: unknown
    for (let one = await reader.read(); one != null; one = await reader.read())
      receipt = decodeReceiverFrame(one).receipt
    return [received, receipt, stream.status]
  },
  0.5
)

property(
  'pings: echoes in any pieces are replies, each to its own ping',
  [fc.integer({ min: 1, max: 6 }), anyCuts],
  async (count, cuts) => {
    const pieces: Uint8Array[] = []
    const all = Promise.withResolvers<ScriptedStream>()
    const connection = scriptedConnection(peerId.toString(), stream => {
      stream.heard = bytes => {
        pieces.push(bytes)
        if (Buffer.concat(pieces).length === 32 * count) all.resolve(stream)
      }
    })
    const pinger = openPinger(connection)
    const pings = Array.from({ length: count }, () => pinger.ping(60_000, never))
    const stream = await all.promise
    for (const piece of piecesOf(Buffer.concat(pieces), cuts)) {
      await null
      stream.gives(piece)
    }
    for (const outcome of await Promise.all(pings)) assert.equal(outcome.type, 'reply')
    await pinger.close()
  },
  { share: 0.5 }
)
