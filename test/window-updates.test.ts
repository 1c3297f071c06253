import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { Uint8ArrayList } from 'uint8arraylist'
import { listenOn, openNode } from '../src/node.ts'
import { streamReader, write } from '../src/protocols/stream.ts'
import { framePeer, WINDOW } from './helpers/frames.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'

const patient = { timeout: 30_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const ECHO = '/echo/1.0.0'
const MESSAGES = 300
const BYTES = 2 ** 21

/** How many window updates a peer gets for small messages, of which each is answered, and for many bytes behind them. */
async function updatesFor(addr: string, come: Promise<Stream>): Promise<number> {
  await using peer = await framePeer(addr)
  const near = await peer.connection.newStream(ECHO)
  const far = await come
  const [here, there] = [streamReader(near), streamReader(far)]
  for (let sent = 0; sent < MESSAGES; sent++) {
    await write(near, Buffer.of(1))
    assert.notEqual(await there.readExactly(1), null)
    await write(far, Buffer.of(1))
    assert.notEqual(await here.readExactly(1), null)
  }
  const id = Number(near.id)
  const updates = peer.seen(frame => frame.type === WINDOW && frame.id === id)
  // however few there are: there is room again for whatever comes
  const taken = (async () => {
    for (let left = BYTES; left > 0; ) left -= (await there.readSome())!.byteLength
  })()
  await write(near, Buffer.alloc(BYTES))
  await taken
  return updates
}

test('small messages are answered by themselves, and large ones find room', patient, async () => {
  await using node = await openNode({})
  await listenOn(node, LOCAL)
  const come = new Promise<Stream>(resolve => void node.libp2p.handle(ECHO, stream => resolve(stream)))
  const [addr] = node.components.transportManager.getAddrs()
  const updates = await updatesFor(`${addr}/p2p/${node.peerId}`, come)
  // the first says that the stream is taken, and a window that grows says so
  assert.ok(updates < 10, `${updates} window updates`)
})

test('yamux 8.0 answers each message with a window update (src/window-updates.ts)', patient, async () => {
  await using node = await plainNode({ identify: false })
  const come = new Promise<Stream>(resolve => void node.handle(ECHO, stream => resolve(stream)))
  const updates = await updatesFor(addrOf(node), come)
  assert.ok(updates >= MESSAGES, `${updates} window updates`)
})

/** What a connection has inside: its muxer, and below that what noise decrypts with. */
interface Inside {
  muxer: { maConn: { decoder: { lengthDecoder(bytes: Uint8ArrayList): number } } }
}

const lengthIn = (connection: Connection, ...bytes: number[]): number =>
  (connection as unknown as Inside).muxer.maConn.decoder.lengthDecoder(new Uint8ArrayList(Uint8Array.from(bytes)))

test(
  'noise 17.0 asks for a length where there is none, and is told in an error (src/noise-frames.ts)',
  patient,
  async () => {
    await using far = await plainNode({ identify: false })
    await using near = await plainNode({ identify: false, listen: [] })
    const connection = await near.dial(multiaddr(addrOf(far)))
    assert.throws(() => lengthIn(connection), RangeError)
    assert.equal(lengthIn(connection, 1, 2), 258)
  }
)

test('on a connection of ours it is told in a length that is longer than what there is', patient, async () => {
  await using far = await plainNode({ identify: false })
  await using node = await openNode({})
  await node.use('tcp')
  const connection = await node.libp2p.dial(multiaddr(addrOf(far)))
  assert.ok(lengthIn(connection) > 0)
  assert.ok(lengthIn(connection, 1) > 0)
  assert.equal(lengthIn(connection, 1, 2), 258)
  assert.equal(lengthIn(connection, 255, 255, 0), 65_535)
})
