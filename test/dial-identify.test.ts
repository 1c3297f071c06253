import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import dial from '../src/commands/dial.ts'
import { collect, one, only } from './helpers/collect.ts'
import { identifiedBy, identifyMessage, says, signedRecord } from './helpers/identify.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import type { Stream } from '@libp2p/interface'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const SHORT = 1500
const run = (target: string, timeout = 10_000): Promise<Said[]> => collect(dial, { target: [target], timeout })
const ADDR = '/ip4/203.0.113.7/tcp/4001'

describe('dial, what identify says', patient, () => {
  test('what the peer says is told as it was said, whatever is in it', async () => {
    const message = identifyMessage([
      [6, 'evil/1.0\x1b[2J\n\u202e'],
      [5, 'p/1'],
      [3, '/one'],
      [3, '/two\r'],
      [2, multiaddr(ADDR).bytes],
      [2, 'no address'],
      // /dns4 with the name "a/b", which as a text would be no address
      [2, Uint8Array.of(0x36, 3, 0x61, 0x2f, 0x62, 6, 0, 1)],
      [4, 'none either'],
      [99, 'from the future']
    ])
    await using peer = await identifiedBy(undefined, says(message))
    const said = await run(addrOf(peer))
    assert.deepEqual(one(said, 'peer.identify'), {
      type: 'peer.identify',
      target: addrOf(peer),
      peer_id: peer.peerId.toString(),
      agent_version: 'evil/1.0\x1b[2J\n\u202e',
      protocol_version: 'p/1',
      observed_addr: null,
      listen_addrs: [ADDR],
      protocols: ['/one', '/two\r'],
      signed_record: null
    })
    assert.ok(one(said, 'run.summary').ok)
  })

  test('an answer in several messages is one', async () => {
    const parts = [identifyMessage([[6, 'agent']]), identifyMessage([[3, '/one']]), identifyMessage([[3, '/two']])]
    await using peer = await identifiedBy(undefined, says(...parts))
    const { agent_version, protocols } = one(await run(addrOf(peer)), 'peer.identify')
    assert.deepEqual([agent_version, protocols], ['agent', ['/one', '/two']])
  })

  test('an empty answer is an answer', async () => {
    await using peer = await identifiedBy(undefined, says(identifyMessage([])))
    const said = await run(addrOf(peer))
    assert.equal(one(said, 'peer.identify').agent_version, null)
    assert.ok(one(said, 'run.summary').ok)
  })

  test('a peer that does not speak identify is dialed all the same', async () => {
    await using peer = await plainNode({ identify: false })
    const said = await run(addrOf(peer))
    const { protocol, ok } = one(said, 'dial.protocol')
    assert.deepEqual([protocol, ok], ['/ipfs/id/1.0.0', false])
    assert.equal(one(said, 'dial.attempt').phases.identify_ms, null)
    assert.equal(only(said, 'peer.identify').length, 0)
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('a signed record is valid if the peer itself signed it, of itself, and nobody has changed it', async () => {
    const own = await generateKeyPair('Ed25519')
    const other = await generateKeyPair('Ed25519')
    const good = await signedRecord(own, [ADDR])
    const tampered = good.slice()
    tampered[tampered.length - 1]! ^= 1
    const cases: [string, Uint8Array, object][] = [
      ['its own', good, { valid: true, seq: 7, addrs: [ADDR] }],
      ['tampered with', tampered, { valid: false, seq: 7, addrs: [ADDR] }],
      ['of another peer', await signedRecord(other, [ADDR]), { valid: false, seq: 7, addrs: [ADDR] }],
      ['signed by another', await signedRecord(other, [ADDR], own), { valid: false, seq: 7, addrs: [ADDR] }],
      ['naming another', await signedRecord(own, [ADDR], other), { valid: false, seq: 7, addrs: [ADDR] }],
      ['garbage', Uint8Array.of(0xff, 0xff), { valid: false, seq: null, addrs: [] }]
    ]
    for (const [name, record, expected] of cases) {
      await using peer = await identifiedBy(own, says(identifyMessage([[8, record]])))
      const said = await run(addrOf(peer))
      assert.deepEqual(one(said, 'peer.identify').signed_record, expected, name)
      assert.equal(one(said, 'run.summary').exit_code, 0, name)
    }
  })
})

const sendsAndEnds = (bytes: Uint8Array) => (stream: Stream) => {
  stream.send(bytes)
  void stream.close()
}

describe('dial, identify that fails', patient, () => {
  const garbage = Uint8Array.of(0x0a, 0xff, 0xff, 0xff)
  const large = identifyMessage([[6, 'x'.repeat(9000)]])
  const cases: [string, string, (stream: Stream) => void][] = [
    ['garbage', 'identify_failed', says(garbage)],
    ['a message that is too large', 'identify_failed', says(large)],
    ['too many messages', 'identify_failed', says(...Array.from({ length: 11 }, () => identifyMessage([[3, '/a']])))],
    ['half a message', 'identify_failed', sendsAndEnds(Uint8Array.of(50, 1, 2))],
    ['a length without an end', 'identify_failed', stream => void stream.send(new Uint8Array(20).fill(0x80))],
    ['a reset', 'identify_failed', stream => stream.abort(new Error('no'))],
    ['silence', 'io_timeout', () => {}]
  ]
  for (const [name, code, answer] of cases) {
    test(`${name}: ${code}`, async () => {
      await using peer = await identifiedBy(undefined, answer)
      const said = await run(addrOf(peer), code === 'io_timeout' ? SHORT : 10_000)
      const { error, phases, ok } = one(said, 'dial.attempt')
      assert.deepEqual([ok, error?.code, error?.phase], [false, code, 'identify'], error?.message)
      assert.ok(phases.connect_ms != null && phases.security_ms != null && phases.identify_ms == null)
      assert.equal(one(said, 'error').code, code)
      assert.equal(one(said, 'run.summary').exit_code, 1)
      assert.equal(only(said, 'connection.open').length, 0)
    })
  }

  test('a peer that closes the connection: connection_reset', async () => {
    await using peer = await plainNode({ identify: false })
    await peer.handle('/ipfs/id/1.0.0', (_, connection) => connection.abort(new Error('go away')))
    const said = await run(addrOf(peer))
    assert.deepEqual([one(said, 'error').code, one(said, 'error').phase], ['connection_reset', 'identify'])
  })
})
