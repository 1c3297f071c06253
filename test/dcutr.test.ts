import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { answerPunch, callToPunch, DCUTR, decodePunch, encodePunch, punchReader } from '../src/protocols/dcutr.ts'
import { frame } from '../src/protocols/framing.ts'
import { StreamError } from '../src/protocols/stream.ts'
import { plainNode } from './helpers/plain-node.ts'
import type { Stream } from '@libp2p/interface'

const patient = { timeout: 30_000 }
const never = new AbortController().signal
const A = [multiaddr('/ip4/44.1.0.30/tcp/4001'), multiaddr('/ip6/2600::1/udp/4001/quic-v1')]
const B = [multiaddr('/ip4/44.1.0.20/tcp/4002')]
const connect = frame(encodePunch({ type: 'CONNECT', addrs: B }))

/** A stream of the protocol, both of its ends. */
async function openStream() {
  const peer = await plainNode()
  const node = await plainNode({ listen: [] })
  const arriving = Promise.withResolvers<Stream>()
  await peer.handle(DCUTR, stream => arriving.resolve(stream))
  const opened = await (await node.dial(peer.getMultiaddrs())).newStream(DCUTR)
  return {
    opened,
    arrived: await arriving.promise,
    [Symbol.asyncDispose]: async () => {
      await node.stop()
      await peer.stop()
    }
  }
}

/** What the side that was called says of an answer. */
async function called(...answer: Uint8Array[]): Promise<unknown> {
  await using ends = await openStream()
  for (const bytes of answer) ends.arrived.send(bytes)
  return await callToPunch(ends.opened, punchReader(ends.opened), B, () => {}, never).catch(error => error)
}

/** What the side that called says of what comes. */
async function answered(...said: Uint8Array[]): Promise<unknown> {
  await using ends = await openStream()
  for (const bytes of said) ends.opened.send(bytes)
  await ends.opened.close()
  return await answerPunch(ends.arrived, punchReader(ends.arrived), Promise.resolve(A), () => {}, never).catch(e => e)
}

function isReason(error: unknown, reason: StreamError['reason'], says: RegExp): void {
  assert.ok(error instanceof StreamError, String(error))
  assert.deepEqual(error.reason, reason)
  assert.match(error.message, says)
}

describe('the messages of DCUtR', () => {
  test('are those of the specification, byte by byte', () => {
    // type 100 and 300 in field 1, the bytes of an address in field 2
    assert.equal(
      Buffer.from(encodePunch({ type: 'CONNECT', addrs: B })).toString('hex'),
      '0864' + '1208' + '042c010014' + '060fa2'
    )
    assert.equal(Buffer.from(encodePunch({ type: 'SYNC', addrs: [] })).toString('hex'), '08ac02')
    const { type, addrs } = decodePunch(encodePunch({ type: 'CONNECT', addrs: A }))
    assert.deepEqual([type, addrs.map(String)], ['CONNECT', A.map(String)])
  })

  test('leave out what is no address, and stop at 16', () => {
    const rubbish = Buffer.from('08641203ffffff1200', 'hex')
    assert.deepEqual(decodePunch(rubbish), { type: 'CONNECT', addrs: [] })
    const many = Array.from({ length: 40 }, (_, at) =>
      Buffer.from(`1208042c0100${(16 + at).toString(16)}060fa2`, 'hex')
    )
    assert.equal(decodePunch(Buffer.concat([Buffer.from('0864', 'hex'), ...many])).addrs.length, 16)
    assert.equal(decodePunch(encodePunch({ type: 'CONNECT', addrs: Array(40).fill(A[1]) })).addrs.length, 16)
  })

  test('that are none throw', () => {
    for (const hex of ['', '0801', '08', '1a', '0b', '0aff', '1264']) {
      assert.throws(() => decodePunch(Buffer.from(hex, 'hex')), hex)
    }
  })
})

describe('an exchange of DCUtR', patient, () => {
  test('tells both where the other is, and each message as it goes and comes', async () => {
    await using ends = await openStream()
    const said: string[] = []
    const [caller, peer] = await Promise.all([
      answerPunch(ends.arrived, punchReader(ends.arrived), Promise.resolve(A), step => said.push(`a ${step}`), never),
      callToPunch(ends.opened, punchReader(ends.opened), B, step => said.push(`b ${step}`), never)
    ])
    assert.deepEqual(caller!.addrs.map(String), B.map(String))
    assert.deepEqual(peer.addrs.map(String), A.map(String))
    assert.ok(caller!.rttMs > 0 && peer.rttMs > 0)
    const of = (side: string): string[] => said.filter(line => line.startsWith(side)).map(line => line.slice(2))
    assert.deepEqual(of('a'), ['connect_received', 'connect_sent', 'sync_received'])
    assert.deepEqual(of('b'), ['connect_sent', 'connect_received', 'sync_sent'])
  })

  test('goes on with the same stream, and an end in its place is none', async () => {
    await using ends = await openStream()
    const [theirs, ours] = [punchReader(ends.opened), punchReader(ends.arrived)]
    const answer = () => answerPunch(ends.arrived, ours, Promise.resolve(A), () => {}, never)
    for (const _ of [1, 2]) {
      const [agreed] = await Promise.all([answer(), callToPunch(ends.opened, theirs, B, () => {}, never)])
      assert.equal(agreed!.addrs.length, 1)
    }
    await ends.opened.close()
    assert.equal(await answer(), null)
  })

  test('is refused where something else comes', async () => {
    isReason(await answered(frame(encodePunch({ type: 'SYNC', addrs: [] }))), 'malformed', /SYNC instead of CONNECT/)
    isReason(await answered(connect, connect), 'malformed', /CONNECT instead of SYNC/)
    isReason(await answered(connect), 'closed', /instead of sending SYNC/)
    isReason(await answered(frame(Buffer.from('GET / HTTP/1.1'))), 'malformed', /^no CONNECT/)
    isReason(await called(frame(encodePunch({ type: 'SYNC', addrs: [] }))), 'malformed', /SYNC instead of CONNECT/)
  })

  test('takes 4 KiB a message and no more, without waiting for the rest', async () => {
    const endless = Buffer.alloc(64, 0x80)
    isReason(await answered(endless), 'malformed', /length prefix/)
    isReason(await called(endless), 'malformed', /length prefix/)
    // only the length: nothing behind it ever comes
    isReason(await called(Buffer.from([0x81, 0x20])), 'malformed', /4097 bytes/)
  })

  test('ends with the signal', async () => {
    await using ends = await openStream()
    const stopper = new AbortController()
    const calling = callToPunch(ends.opened, punchReader(ends.opened), B, () => stopper.abort(), stopper.signal)
    await assert.rejects(calling, { name: 'AbortError' })
  })
})
