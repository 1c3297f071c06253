import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { identifyMessage, signedRecord } from '../helpers/identify.ts'
import { ipnsRecord } from '../helpers/ipns.ts'
import { mutated } from '../helpers/mutated.ts'
import { asRefusal, forbidden, property } from '../helpers/property.ts'
import { scriptedConnection } from '../helpers/scripted-stream.ts'
import { addrIn } from '../../src/addr.ts'
import { parseRecordKey } from '../../src/dht-keys.ts'
import { openBallot, validate } from '../../src/dht-records.ts'
import { jsonLine } from '../../src/safe.ts'
import * as autonat from '../../src/protocols/autonat-messages.ts'
import {
  decodeHop,
  decodeStop,
  decodeVoucher,
  encodeHop,
  encodeStop,
  sealVoucher
} from '../../src/protocols/circuit.ts'
import { decodePunch, encodePunch } from '../../src/protocols/dcutr.ts'
import { peerIdOf } from '../../src/protocols/fields.ts'
import { frame } from '../../src/protocols/framing.ts'
import { identify } from '../../src/protocols/identify.ts'
import { decodeAnswer, encodeRequest } from '../../src/protocols/kad.ts'
import * as send from '../../src/protocols/send-frames.ts'
import { StreamError } from '../../src/protocols/stream.ts'

const never = new AbortController().signal
const key = await generateKeyPair('Ed25519')
const peer = peerIdFromPrivateKey(key)
const id = peer.toMultihash().bytes
const addr = multiaddr(`/ip4/203.0.113.7/tcp/4001/p2p/${peer}`)
const addrs = [addr.bytes, multiaddr('/dns4/a.example/tcp/443/wss').bytes]
const voucher = await sealVoucher({ relay: peer, peer, expiration: 2_000_000_000 }, key)
const record = { key: Buffer.from('/x'), value: Buffer.from('value'), timeReceived: undefined }
const name = parseRecordKey(`/ipns/${peer}`)
const published = parseRecordKey(`/pk/${peer}`)
const ipns = await ipnsRecord(key, { withKey: true })
const hash = new Uint8Array(32)

/** What a peer may send instead: near to what is right, or nothing like it. */
const near = (...right: Uint8Array[]): Arbitrary<Uint8Array> =>
  fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...right).chain(mutated) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 64 }) }
  )

/** Whether an error is one that the decoder has on purpose, and not one that it fell into. */
function isDeclared(error: unknown): boolean {
  const fell = error instanceof TypeError || error instanceof ReferenceError || !(error instanceof Error)
  return !fell && !/call stack|array length|allocation|undefined|out of memory/i.test(error.message)
}

function declared<T>(decode: () => T, isOwn: (error: unknown) => boolean = isDeclared): T | null {
  try {
    return decode()
  } catch (error) {
    assert.ok(isOwn(error), String((error as Error)?.stack ?? error))
    return null
  }
}

/** A message that is read can be said as an event. */
const isSayable = (value: unknown): void => {
  const text = jsonLine(
    JSON.parse(JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one)) ?? '0')
  )
  assert.doesNotMatch(text, forbidden)
}

const named = (prefix: string) => (error: unknown) => error instanceof Error && error.message.startsWith(prefix)
const hop = encodeHop({
  type: 1,
  peer: { id, addrs },
  reservation: { expire: 2e9, addrs, voucher },
  limit: { duration: 120, data: 131_072 },
  status: 100
})
property('a relay: hop messages', [near(hop)], bytes => {
  isSayable(declared(() => decodeHop(bytes), named('malformed hop message')))
})
property(
  'a relay: stop messages',
  [near(encodeStop({ type: 0, peer: { id, addrs }, limit: { duration: 120 }, status: 100 }))],
  bytes => {
    isSayable(declared(() => decodeStop(bytes), named('malformed stop message')))
  }
)
property(
  'a relay: vouchers',
  [
    near(
      voucher,
      Buffer.concat([Uint8Array.of(0x0a, id.length), id, Uint8Array.of(0x12, id.length), id, Uint8Array.of(0x18, 1)])
    )
  ],
  bytes => {
    const found = declared(() => decodeVoucher(bytes), named('malformed voucher message'))
    if (found != null) assert.ok(found.expiration >= 0)
  }
)

const request = encodeRequest({ rpc: 'put_value', key: record.key, record, provider: { id, addrs: [addr] } })
const answer = Buffer.concat([request, Uint8Array.of(0x42, id.length + 2, 0x0a, id.length), id])
property('the DHT: answers', [near(answer)], bytes => {
  const found = declared(() => decodeAnswer(bytes))
  for (const { peerId } of [...(found?.closer ?? []), ...(found?.providers ?? [])])
    assert.doesNotMatch(peerId, forbidden)
})
property(
  'the DHT: records of IPNS, and public keys, are judged with a word',
  [near(ipns, publicKeyToProtobuf(key.publicKey))],
  async bytes => {
    for (const one of [name, published]) {
      const { valid, problem } = await validate(one, bytes)
      assert.equal(valid, problem == null)
    }
  },
  { share: 0.3 }
)
property(
  'the DHT: a ballot counts whatever nodes keep',
  [fc.array(near(ipns), { maxLength: 4 }), fc.string()],
  async (values, timeReceived) => {
    const ballot = openBallot(name)
    for (const value of values) await ballot.count({ key: name.key, value, timeReceived })
    isSayable(ballot.values())
    assert.equal(ballot.values().filter(({ chosen }) => chosen).length <= 1, true)
  },
  { share: 0.1 }
)

const messages: autonat.Message[] = [
  { type: 'request', addrs, nonce: 2n ** 64n - 1n },
  { type: 'response', status: 200, index: 1, dialStatus: 200 },
  { type: 'data-request', index: 0, bytes: 50_000 },
  { type: 'data', data: new Uint8Array(100) }
]
property(
  'AutoNAT: messages of both sides',
  [near(...messages.map(autonat.encodeMessage), autonat.encodeDialBack(7n))],
  bytes => {
    isSayable(declared(() => autonat.decodeMessage(bytes)))
    const nonce = declared(() => autonat.decodeDialBack(bytes))
    if (nonce != null) assert.ok(nonce >= 0n && nonce < 2n ** 64n)
    declared(() => autonat.isDialBackOk(bytes))
  }
)

property('DCUtR: messages', [near(encodePunch({ type: 'CONNECT', addrs: [addr, addr] }))], bytes => {
  const found = declared(() => decodePunch(bytes))
  for (const one of found?.addrs ?? []) assert.ok(multiaddr(one.toString()).equals(one))
})

const offer = {
  kind: send.KIND.FILE,
  name: 'a/b.txt',
  size: 5,
  sha256: hash,
  media: 'text/plain',
  mode: 0o644,
  modified: 1,
  resumable: true
}
const senders = [{ offer }, { data: hash }, { end: { size: 5, sha256: hash } }].map(send.encodeSenderFrame)
const receipt = { status: send.STATUS.REFUSED, size: 5, sha256: hash, detail: 'no', max_size: 9 }
const receivers = [{ accept: { offset: 1, window: 2 } }, { ack: { received: 3 } }, { receipt }].map(
  send.encodeReceiverFrame
)
const bare = (framed: Uint8Array): Uint8Array => framed.subarray(framed[0]! < 0x80 ? 1 : 2)
const isMalformed = (error: unknown): boolean => error instanceof StreamError && error.reason === 'malformed'
property('send: frames of both sides', [near(...[...senders, ...receivers].map(bare))], bytes => {
  const sent = declared(() => send.decodeSenderFrame(bytes), isMalformed)
  const back = declared(() => send.decodeReceiverFrame(bytes), isMalformed)
  if (sent != null) assert.equal(Object.values(sent).filter(one => one !== undefined).length, 1)
  isSayable([sent?.offer, back])
})
property(
  'send: what is read of a frame is written as a frame that says the same',
  [near(...senders.map(bare))],
  bytes => {
    const sent = declared(() => send.decodeSenderFrame(bytes), isMalformed)
    if (sent == null) return
    const again = send.decodeSenderFrame(readLength(send.encodeSenderFrame(sent)))
    assert.deepEqual(again, sent)
  }
)

/** Without the varint in front. */
function readLength(framed: Uint8Array): Uint8Array {
  return framed.subarray(framed.findIndex(byte => byte < 0x80) + 1)
}

property(
  'peer IDs and multiaddrs as bytes',
  [near(id, addr.bytes, ...addrs)],
  bytes => {
    const found = declared(() => peerIdOf(bytes))
    if (found != null) assert.notEqual(found.type, 'url')
    for (const one of addrIn(bytes)) assert.ok(multiaddr(one.toString()).equals(one))
  },
  { examples: [[Uint8Array.of(0, 2, 0x41, 0x42) as Uint8Array]] }
)

const identity = identifyMessage([
  ...([
    [5, 'ipfs/0.1.0'],
    [6, 'kubo/0.43.1'],
    [3, '/ipfs/ping/1.0.0'],
    [1, publicKeyToProtobuf(key.publicKey)]
  ] as [number, string][]),
  ...([
    [2, addr.bytes],
    [4, addr.bytes],
    [8, await signedRecord(key, [String(addr)])]
  ] as [number, Uint8Array][])
])
property(
  'identify: whatever is in the message, an identity or the failure of its phase',
  [near(identity)],
  async bytes => {
    const connection = scriptedConnection(peer.toString(), stream => {
      stream.gives(frame(bytes))
      stream.ends()
    })
    try {
      isSayable(await identify(connection, never))
    } catch (error) {
      assert.equal(asRefusal(error).phase, 'identify')
    }
  },
  { share: 0.3 }
)

const worst = [
  [0x80],
  [0xff],
  [0x00],
  [0x0a, 0x00],
  [0x12, 0x00],
  [0x42, 0x00],
  [0x4a, 0x00],
  [0x0a, 0x02, 0x0a, 0x00],
  [0x1a, 0x00],
  [0x42, 0x02, 0x12, 0x00]
]
test('the longest answer of the worst bytes comes to an end', { timeout: 60_000 }, async () => {
  for (const bytes of worst) {
    const longest = Uint8Array.from({ length: 2 ** 20 }, (_, at) => bytes[at % bytes.length]!)
    declared(() => decodeAnswer(longest))
    const short = longest.subarray(0, 2 ** 16)
    for (const decode of [autonat.decodeMessage, decodePunch, decodeVoucher, send.decodeSenderFrame, decodeHop])
      declared(() => decode(short))
    await validate(name, short)
  }
})
