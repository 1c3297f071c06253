/** What a peer says of itself. The connection is there all the while. */
import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { writer } from 'protons-runtime'
import { limitTable } from '../../src/limits.ts'
import { frame } from '../../src/protocols/framing.ts'
import type { Line } from '../helpers/cli.ts'
import { identifyMessage, says as answers } from '../helpers/identify.ts'
import { flood, hostileNode, IDENTIFY } from './peers.ts'
import { dialerRow, type Row } from './rows.ts'

const usual = { over: ['tcp', 'ws', 'circuit'], commands: ['dial', 'peers --dial'] } as const
const fine = { code: null, exit: 0 }
const failed = { code: 'identify_failed', exit: 1, phase: 'identify' }
const timedOut = { code: 'io_timeout', exit: 1, phase: 'identify' }

type Holds = (said: ReturnType<typeof identityOf>) => void

function row(id: string, says: string, expect: Row['expect'], answer: (stream: Stream) => void, holds?: Holds): Row {
  return dialerRow('identify', usual, {
    id,
    says,
    expect,
    ...(holds && { holds: events => holds(identityOf(events)) }),
    start: over => hostileNode(over, { handlers: { [IDENTIFY]: answer } })
  })
}

function identityOf(events: Line[]) {
  const said = events.find(({ type }) => type === 'peer.identify')
  assert.ok(said?.type === 'peer.identify', 'it says who the peer is')
  return said
}

const MAX_MESSAGE = 8192
/** What a terminal would obey, and what hides. */
const ATTACK = 'evil\x1b]0;owned\x07\x1b[2J\r\nFAKE: all is well\x08\x00\x7f\x9b2J\u202edlrow\u2028\u200b'
const INVALID_UTF8 = Buffer.from('61c0af62eda080ff63', 'hex')
const other = publicKeyToProtobuf((await generateKeyPair('Ed25519')).publicKey)

/** Messages of 8 KiB at most, with all of these fields. */
function spread(field: number, values: (Uint8Array | string)[]): Uint8Array[] {
  const messages: Uint8Array[] = []
  for (let at = 0; at < values.length; ) {
    const from = at
    let bytes = 0
    for (; at < values.length && bytes + values[at]!.length + 2 < MAX_MESSAGE; at++) bytes += values[at]!.length + 2
    messages.push(identifyMessage(values.slice(from, at).map(value => [field, value])))
  }
  return messages
}

/** An envelope with such an RSA key, by nobody: https://github.com/libp2p/specs/blob/master/RFC/0002-signed-envelopes.md */
function envelopeOf(rsa: Uint8Array): Uint8Array {
  const key = writer().uint32(8).uint32(0).uint32(18).bytes(rsa).finish()
  return writer()
    .uint32(10)
    .bytes(key)
    .uint32(18)
    .bytes(Buffer.from([0x03, 0x01]))
    .uint32(26)
    .bytes(new Uint8Array(16))
    .uint32(42)
    .bytes(new Uint8Array(64))
    .finish()
}

/** A public key of RSA with so many bytes: OpenSSL verifies with up to 2,048 of them. */
function rsaOf(bytes: number): Uint8Array {
  const n = Buffer.alloc(bytes, 0xa5).toString('base64url')
  const key = createPublicKey({ key: { kty: 'RSA', n, e: 'AQAB' }, format: 'jwk' })
  return key.export({ type: 'spki', format: 'der' })
}

/** Sequences in sequences, as deep as the bytes last. */
function derBomb(bytes: number): Uint8Array {
  const bomb = Buffer.alloc(bytes)
  for (let at = 0; at + 4 <= bytes; at += 4) {
    bomb.writeUInt16BE(0x3082, at)
    bomb.writeUInt16BE(Math.max(0, bytes - at - 4), at + 2)
  }
  return bomb
}

const few = (listed: string[], most: number): void => assert.ok(listed.length <= most, `${listed.length} are kept`)

export const identifyRows: Row[] = [
  row('silent', 'never answers', timedOut, () => {}),
  row('closes', 'ends the stream without an answer', fine, answers(), said => {
    assert.deepEqual([said.agent_version, said.protocols], [null, []])
  }),
  row('resets', 'resets the stream', failed, stream => stream.abort(new Error('no'))),
  row('half', 'stops in the middle of its answer', timedOut, stream => {
    stream.send(frame(identifyMessage([[6, 'evil']])).subarray(0, 3))
  }),
  row('half-ends', 'ends the stream in the middle of its answer', failed, stream => {
    stream.send(frame(identifyMessage([[6, 'evil']])).subarray(0, 3))
    void stream.close()
  }),
  row('too-large', 'answers with more than 8 KiB in one message', failed, answers(Buffer.alloc(MAX_MESSAGE + 1))),
  row('varint', 'announces an answer with 64 bytes that each say that there is more', failed, stream => {
    stream.send(Buffer.alloc(64, 0x80))
  }),
  row('not-protobuf', 'answers with what is no message', failed, answers(Buffer.alloc(512, 0xff))),
  row(
    'ten-messages',
    'answers with ten messages of 8 KiB',
    fine,
    answers(...Array<Uint8Array>(10).fill(identifyMessage([[99, Buffer.alloc(8000)]])))
  ),
  row(
    'eleven-messages',
    'answers with eleven messages of 8 KiB',
    failed,
    answers(...Array<Uint8Array>(11).fill(identifyMessage([[99, Buffer.alloc(8000)]])))
  ),
  row('endless', 'answers without an end', failed, stream =>
    flood(stream, Buffer.concat(Array(64).fill(frame(Buffer.alloc(1000)))), 256)
  ),
  row('no-key', 'says nothing but its agent', fine, answers(identifyMessage([[6, 'keyless/1.0']])), said => {
    assert.equal(said.agent_version, 'keyless/1.0')
  }),
  row(
    'other-key',
    'shows the key of another peer',
    fine,
    answers(
      identifyMessage([
        [1, other],
        [6, 'thief/1.0']
      ])
    ),
    said => {
      assert.equal(said.signed_record, null)
    }
  ),
  row(
    'bad-observed',
    'observes us where no address is',
    fine,
    answers(
      identifyMessage([
        [4, Buffer.alloc(16, 0xff)],
        [6, 'evil/1.0']
      ])
    ),
    said => {
      assert.deepEqual([said.observed_addr, said.agent_version], [null, 'evil/1.0'])
    }
  ),
  row(
    'bad-addrs',
    'listens where no address is',
    fine,
    answers(
      identifyMessage([
        [2, Buffer.alloc(16, 0xff)],
        [2, ''],
        [6, 'evil/1.0']
      ])
    ),
    said => {
      assert.deepEqual([said.listen_addrs, said.agent_version], [[], 'evil/1.0'])
    }
  ),
  row(
    'protocols',
    'speaks 9,000 protocols',
    fine,
    answers(
      ...spread(
        3,
        Array.from({ length: 9000 }, (_, n) => `/${n}`)
      )
    ),
    said => {
      few(said.protocols, limitTable['identify-protocols'].default)
    }
  ),
  row(
    'addrs',
    'listens on 7,000 addresses',
    fine,
    answers(
      ...spread(
        2,
        Array.from({ length: 7000 }, (_, n) => multiaddr(`/ip4/10.${n >> 8}.${n & 255}.1/tcp/1`).bytes)
      )
    ),
    said => {
      few(said.listen_addrs, limitTable['identify-addrs'].default)
    }
  ),
  row(
    'escapes',
    'has escapes, bidi and what hides in each of its words',
    fine,
    answers(
      identifyMessage([
        [3, `/${ATTACK}`],
        [5, ATTACK],
        [6, ATTACK],
        [2, multiaddr(`/dns4/${ATTACK.replaceAll('/', '')}/tcp/1`).bytes]
      ])
    ),
    said => {
      assert.deepEqual([said.agent_version, said.protocol_version, said.protocols], [ATTACK, ATTACK, [`/${ATTACK}`]])
    }
  ),
  row(
    'invalid-utf8',
    'has words that are not UTF-8',
    fine,
    answers(
      identifyMessage([
        [3, INVALID_UTF8],
        [5, INVALID_UTF8],
        [6, INVALID_UTF8]
      ])
    ),
    said => {
      assert.match(said.agent_version!, /^a.*b.*c$/)
    }
  ),
  row(
    'proto',
    'speaks __proto__, constructor and nothing',
    fine,
    answers(
      identifyMessage([
        [3, '__proto__'],
        [3, 'constructor'],
        [3, ''],
        [6, '__proto__']
      ])
    ),
    said => {
      assert.deepEqual([said.protocols, said.agent_version], [['__proto__', 'constructor', ''], '__proto__'])
    }
  ),
  row(
    'rsa',
    'signs its addresses with an RSA key that is sequences in sequences, 6.7 KB of them',
    fine,
    answers(
      identifyMessage([
        [1, derBomb(1000)],
        [8, envelopeOf(derBomb(6700))]
      ])
    ),
    said => {
      assert.notEqual(said.signed_record?.valid, true)
    }
  ),
  row(
    'rsa-large',
    'signs its addresses with an RSA key of 56,000 bits',
    fine,
    answers(identifyMessage([[8, envelopeOf(rsaOf(7000))]])),
    said => {
      assert.notEqual(said.signed_record?.valid, true)
    }
  )
]
