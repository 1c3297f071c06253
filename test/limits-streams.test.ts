// Each limit of the groups streams and ping, and those of identify: kept at the limit, and over it by one.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { quic } from '@chainsafe/libp2p-quic'
import { mplex } from '@libp2p/mplex'
import { multiaddr } from '@multiformats/multiaddr'
import { createBucket } from '../src/bucket.ts'
import type { Limits } from '../src/limits.ts'
import { listenOn, type Node, openNode } from '../src/node.ts'
import { identify } from '../src/protocols/identify.ts'
import { PING } from '../src/protocols/ping.ts'
import { pong } from '../src/protocols/pong.ts'
import { streamReader, write } from '../src/protocols/stream.ts'
import { guardOf } from '../src/stream-limits.ts'
import dial from '../src/views/dial.ts'
import { type Running, start } from './helpers/cli.ts'
import {
  ACK,
  DATA,
  dialedFramePeer,
  FIN,
  type FramePeer,
  framePeer,
  GO_AWAY,
  PING as PING_FRAME,
  RST,
  SYN,
  WINDOW,
  yamuxFrame
} from './helpers/frames.ts'
import { identifiedBy, identifyMessage, says, signedRecord } from './helpers/identify.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { attempt, identified, start as runStart, summary } from './helpers/sample-events.ts'
import { draw } from './helpers/screen.ts'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, Stream, StreamCloseEvent } from '@libp2p/interface'

const patient = { timeout: 60_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const ECHO = '/echo/1.0.0'
const KIB = 1024

interface Listening extends AsyncDisposable {
  running: Running
  addr: string
}

/** The built binary, listening. */
async function listening(...limits: string[]): Promise<Listening> {
  const running = start(['listen', '--json', '--listen', LOCAL, '--limit', limits.join()])
  const { addrs } = await running.next('listen.ready')
  return { running, addr: addrs[0]!, [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]() }
}

/** A node of ours, and a plain one that is connected to it. */
async function pair(limit: Partial<Limits>, services: Record<string, ReturnType<typeof pong>> = {}) {
  const stack = new AsyncDisposableStack()
  const node = stack.use(await openNode({ limit, services }))
  await listenOn(node, LOCAL)
  const peer = stack.use(await plainNode({ listen: [], identify: false }))
  const opened = once(node.libp2p as unknown as EventTarget, 'connection:open')
  const connection = await peer.dial(multiaddr(addrsOf(node)[0]!))
  const [{ detail: inbound }] = (await opened) as [CustomEvent<Connection>]
  const refused: [string, number][] = []
  guardOf(inbound)!.onRefused = (name, streams) => void refused.push([name, streams])
  return { node, peer, connection, inbound, refused, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

function addrsOf(node: Node): string[] {
  return node.components.transportManager.getAddrs().map(addr => `${addr}/p2p/${node.peerId}`)
}

/** The next stream of a protocol that comes to a node. */
function nextStream(node: Node, protocol: string): Promise<Stream> {
  return new Promise(resolve => void node.libp2p.handle(protocol, stream => resolve(stream)))
}

/** Why a stream ends, or null for in order. */
function endOf(stream: Stream): Promise<Error | null> {
  return new Promise(resolve => {
    if (!['open', 'closing'].includes(stream.status)) resolve(new Error(stream.status))
    stream.addEventListener('close', ({ error }: StreamCloseEvent) => resolve(error ?? null))
  })
}

describe('frames', patient, () => {
  const pings = (count: number): Buffer[] => Array.from({ length: count }, (_, i) => yamuxFrame(PING_FRAME, SYN, 0, i))

  test('limit idle-frames: as many as are allowed are answered, and with one more the connection is cut', async () => {
    await using at = await listening('idle-frames=20', 'new-streams=10')
    await using fine = await framePeer(at.addr)
    fine.send(...pings(20))
    await fine.frames(20, ({ type, flag }) => type === PING_FRAME && flag === ACK)
    assert.equal(fine.connection.status, 'open')
    await using over = await framePeer(at.addr)
    over.send(...pings(21))
    await over.closed
    const { limit, by, reason, peer_id } = await at.running.next('connection.close')
    assert.deepEqual([limit, by, reason], ['idle-frames', 'local', 'over the limit idle-frames'])
    assert.equal(peer_id, over.node.peerId.toString())
    assert.equal(fine.connection.status, 'open')
  })

  test('limit idle-frames: so is a peer that we have dialed', async () => {
    await using node = await openNode({ limit: { 'idle-frames': 20, 'new-streams': 10 } })
    await node.use('tcp')
    let dialed: Connection | undefined
    await using peer = await dialedFramePeer(async addr => {
      dialed = await node.libp2p.dial(multiaddr(addr))
    })
    peer.send(...pings(20))
    await peer.frames(20, ({ type, flag }) => type === PING_FRAME && flag === ACK)
    peer.send(...pings(21))
    await peer.closed
    assert.equal(guardOf(dialed!)!.closedFor, 'idle-frames')
  })

  test('a window update for each frame that we sent is none of them, and neither are frames with data', async () => {
    await using it = await pair({ 'idle-frames': 20, 'new-streams': 10 })
    const come = nextStream(it.node, ECHO)
    const near = await it.connection.newStream(ECHO)
    const far = await come
    const [here, there] = [streamReader(far), streamReader(near)]
    // js-libp2p answers each of them with a window update
    for (let i = 0; i < 200; i++) {
      await write(far, Buffer.of(1))
      await there.readExactly(1)
      await write(near, Buffer.of(1))
      await here.readExactly(1)
    }
    assert.equal(guardOf(it.inbound)!.closedFor, null)
  })

  test('streams that are allowed may be opened and ended, however many they are', async () => {
    await using at = await listening('idle-frames=20', 'new-streams=500', 'streams=1000')
    await using peer = await framePeer(at.addr)
    const streams = Array.from({ length: 400 }, (_, i) => 1001 + 2 * i)
    peer.send(
      ...streams.map(id => yamuxFrame(WINDOW, SYN, id, 0)),
      ...streams.map(id => yamuxFrame(WINDOW, FIN, id, 0))
    )
    peer.send(...pings(1))
    await peer.frames(1, ({ type, flag }) => type === PING_FRAME && flag === ACK)
    assert.equal(peer.connection.status, 'open')
  })

  test('50,000 streams that are opened and reset end with the connection', async () => {
    await using at = await listening('streams=64')
    await using peer = await framePeer(at.addr)
    const opened = Array.from({ length: 50_000 }, (_, i) => [
      yamuxFrame(WINDOW, SYN, 1001 + 2 * i, 0),
      yamuxFrame(WINDOW, RST, 1001 + 2 * i, 0)
    ])
    peer.send(...opened.flat())
    await peer.closed
    assert.equal((await at.running.next('connection.close')).limit, 'idle-frames')
  })

  test('limit read-buffer: a frame as long as the window is taken, one that claims to be longer is not waited for', async () => {
    const most = 256 * KIB
    await using at = await listening(`read-buffer=${most}`)
    await using fine = await framePeer(at.addr)
    const stream = await fine.connection.newStream(ECHO)
    const id = Number(stream.id)
    const echoed = streamReader(stream)
    fine.send(yamuxFrame(DATA, 0, id, Buffer.alloc(most)))
    await echoed.readExactly(most)
    await using over = await framePeer(at.addr)
    over.send(yamuxFrame(DATA, SYN, 1001, most + 1))
    await over.closed
    assert.equal((await at.running.next('connection.close')).limit, 'read-buffer')
  })

  test('limit small-frames: as many as are allowed are read at once, and one more only after a rest', async () => {
    const most = 20
    await using node = await openNode({ limit: { 'small-frames': most } })
    await listenOn(node, LOCAL)
    await node.libp2p.handle(ECHO, stream => void stream.addEventListener('message', ({ data }) => stream.send(data)))
    /** A peer, and how often it was not read from. */
    const visited = async () => {
      const opened = once(node.libp2p as unknown as EventTarget, 'connection:open')
      const peer = await framePeer(addrsOf(node)[0]!)
      const [{ detail }] = (await opened) as [CustomEvent<Connection>]
      const { maConn } = detail as unknown as { maConn: { pause(): void } }
      const pause = maConn.pause.bind(maConn)
      const seen = { peer, rests: 0, [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose]() }
      maConn.pause = () => {
        seen.rests++
        pause()
      }
      return seen
    }
    const echoed = async (peer: FramePeer, bytes: number): Promise<void> => {
      // what it begins with is no small frame
      const head = Buffer.concat([Buffer.from(`\x13/multistream/1.0.0\n\x0c${ECHO}\n`), Buffer.alloc(64)])
      const small = Array.from({ length: bytes }, () => yamuxFrame(DATA, 0, 1001, Buffer.of(1)))
      peer.send(yamuxFrame(WINDOW, SYN, 1001, 0), yamuxFrame(DATA, 0, 1001, head), ...small)
      for (let count = 1, came = 0; came < 33 + 64 + bytes; count++) {
        const data = await peer.frames(count, ({ type }) => type === DATA)
        came = data.reduce((sum, { length }) => sum + length, 0)
      }
    }
    await using fine = await visited()
    await echoed(fine.peer, most)
    assert.equal(fine.rests, 0)
    await using over = await visited()
    await echoed(over.peer, most + 1)
    assert.equal(over.rests, 1)
    assert.equal(over.peer.connection.status, 'open')
  })

  test('limit write-buffer: likewise what a muxer answers to a peer that never reads', async () => {
    const limits = { 'idle-frames': 1_000_000, 'write-buffer': 64 * KIB }
    await using node = await openNode({ limit: limits })
    await listenOn(node, LOCAL)
    const opened = once(node.libp2p as unknown as EventTarget, 'connection:open')
    await using peer = await framePeer(addrsOf(node)[0]!)
    const [{ detail: inbound }] = (await opened) as [CustomEvent<Connection>]
    peer.pause()
    let closed = false
    void once(inbound as unknown as EventTarget, 'close').then(() => {
      closed = true
    })
    // until the buffers of the system are full, and ours too
    for (let sent = 0; sent < 1_000_000 && !closed; sent += 1000) {
      peer.send(...pings(1000))
      await new Promise(resolve => setImmediate(resolve))
    }
    assert.equal(guardOf(inbound)!.closedFor, 'write-buffer')
  })

  for (const [title, code] of [
    ['in order', 0],
    ['with a code that there is not', 99]
  ] as const) {
    test(`a peer that goes away ${title} is not kept`, async () => {
      await using at = await listening('streams=64')
      await using peer = await framePeer(at.addr)
      peer.send(yamuxFrame(GO_AWAY, 0, 0, code))
      await peer.closed
      assert.equal((await at.running.next('connection.close')).peer_id, peer.node.peerId.toString())
    })
  }

  test('a connection that is cut before it was told of has an end too', async () => {
    await using at = await listening(`read-buffer=${256 * KIB}`)
    for (let count = 0; count < 10; count++) {
      const over = await framePeer(at.addr)
      over.send(yamuxFrame(DATA, SYN, 1001, 256 * KIB + 1))
      await at.running.next('connection.close', ({ peer_id }) => peer_id === over.node.peerId.toString())
      await over[Symbol.asyncDispose]()
    }
  })

  test('mplex: likewise, its frames without data', async () => {
    await using node = await openNode({ muxer: ['mplex'], limit: { 'idle-frames': 20, 'new-streams': 10 } })
    await listenOn(node, LOCAL)
    await using peer = await plainNode({ listen: [], identify: false, libp2p: { streamMuxers: [mplex()] } })
    const opened = once(node.libp2p as unknown as EventTarget, 'connection:open')
    const connection = await peer.dial(multiaddr(addrsOf(node)[0]!))
    const [{ detail: inbound }] = (await opened) as [CustomEvent<Connection>]
    const { maConn } = (connection as unknown as { muxer: { maConn: { send(bytes: Uint8Array): void } } }).muxer
    const closed = once(connection as unknown as EventTarget, 'close')
    // resets of a stream that there is not
    const resets = (count: number): Buffer => Buffer.alloc(2 * count, Buffer.of((7 << 3) | 6, 0))
    maConn.send(resets(20))
    const come = nextStream(node, ECHO)
    await connection.newStream(ECHO).catch(() => {})
    await Promise.race([come, closed])
    maConn.send(resets(21))
    await closed
    assert.equal(guardOf(inbound)!.closedFor, 'idle-frames')
  })
})

describe('streams', patient, () => {
  const opens = (count: number): Buffer[] =>
    Array.from({ length: count }, (_, i) => yamuxFrame(WINDOW, SYN, 1 + 2 * i, 0))
  /** The header of multistream is answered on each that was taken; the others are reset. */
  const hello = Buffer.from('\x13/multistream/1.0.0\n')
  const says = (count: number): Buffer[] =>
    Array.from({ length: count }, (_, i) => yamuxFrame(DATA, 0, 1 + 2 * i, hello))

  for (const [limit, title, limits, most] of [
    ['streams', 'limit streams: one too many is reset, and said; the others stay', ['streams=3', 'new-streams=100'], 3],
    [
      'new-streams',
      'limit new-streams: as many again wait, one too many is reset, and said; the others stay',
      ['streams=100', 'new-streams=3'],
      6
    ]
  ] as const) {
    const taken = ({ type, id }: { type: number; id: number }): boolean =>
      type === DATA && id < 2 * most && id % 2 === 1
    test(title, async () => {
      await using at = await listening(...limits)
      await using fine = await framePeer(at.addr)
      fine.send(...opens(most), ...says(most))
      await fine.frames(most, taken)
      assert.equal((await fine.frames(0, ({ flag }) => flag === RST)).length, 0)
      await using over = await framePeer(at.addr)
      over.send(...opens(most + 1), ...says(most + 1))
      const [reset] = await over.frames(1, ({ flag, id }) => (flag & RST) !== 0 && id % 2 === 1)
      assert.equal(reset!.id, 2 * most + 1)
      await over.frames(most, taken)
      const said = await at.running.next('stream.refused')
      assert.deepEqual([said.limit, said.streams, said.peer_id], [limit, 1, over.node.peerId.toString()])
    })
  }

  test('limit streams: one that has ended makes room for another, over QUIC too', async () => {
    await using node = await openNode({ limit: { streams: 3 } })
    await listenOn(node, '/ip4/127.0.0.1/udp/0/quic-v1')
    await node.libp2p.handle(ECHO, stream => void stream.addEventListener('end', () => void stream.close()))
    await using peer = await plainNode({ listen: [], identify: false, libp2p: { transports: [quic()] } })
    const connection = await peer.dial(multiaddr(addrsOf(node)[0]!))
    const three = await Promise.all([1, 2, 3].map(() => connection.newStream(ECHO)))
    await assert.rejects(connection.newStream(ECHO))
    const left = endOf(three[0]!)
    await three[0]!.close()
    await left
    const [inbound] = node.libp2p.getConnections()
    while (inbound!.streams.length >= 3) await new Promise(resolve => setImmediate(resolve))
    assert.equal((await connection.newStream(ECHO)).status, 'open')
  })

  test('limit read-buffer: what nobody reads is kept up to the limit, in few pieces however it came', async () => {
    const most = 256 * KIB
    await using it = await pair({ 'read-buffer': most })
    const come = nextStream(it.node, ECHO)
    const near = await it.connection.newStream(ECHO)
    const far = (await come) as Stream & { readBuffer: { bufs: unknown[] } }
    const end = endOf(near)
    near.send(Buffer.alloc(most - 4 * KIB))
    for (let i = 0; i < 4 * KIB; i++) near.send(Buffer.of(1))
    while (far.readBufferLength < most && far.status === 'open') await new Promise(resolve => setImmediate(resolve))
    assert.deepEqual([far.readBufferLength, far.status], [most, 'open'])
    assert.ok(far.readBuffer.bufs.length <= most / 256, `${far.readBuffer.bufs.length} pieces`)
    near.send(Buffer.of(1))
    assert.notEqual(await end, null)
    assert.deepEqual(it.refused, [['read-buffer', 1]])
  })

  test('limit write-buffer: what a peer does not take is kept up to the limit', async () => {
    const most = 64 * KIB
    await using it = await pair({ 'write-buffer': most })
    const come = nextStream(it.node, ECHO)
    const near = await it.connection.newStream(ECHO)
    const far = await come
    near.pause()
    const end = endOf(far)
    // its window: what is sent without its leave
    let sent = 0
    while (far.writeBufferLength === 0) {
      far.send(Buffer.alloc(16 * KIB))
      sent += 16 * KIB
      while (far.writableNeedsDrain && sent < 256 * KIB) await once(far as unknown as EventTarget, 'drain')
    }
    far.send(Buffer.alloc(most - far.writeBufferLength))
    assert.deepEqual([far.writeBufferLength, far.status], [most, 'open'])
    far.send(Buffer.of(1))
    assert.equal((await end)?.name, 'StreamBufferError')
    assert.deepEqual(it.refused, [['write-buffer', 1]])
  })

  test('multistream: 64 questions and no more, no length without an end, and no stream that says nothing', async () => {
    await using it = await pair({})
    await it.node.libp2p.handle(ECHO, () => {})
    const { muxer } = it.connection as unknown as { muxer: { createStream(): Promise<Stream> } }
    const line = (text: string): Buffer => Buffer.from(`${String.fromCharCode(text.length + 1)}${text}\n`)
    const asking = async (...said: Buffer[]): Promise<{ stream: Stream; reader: ReturnType<typeof streamReader> }> => {
      const stream = await muxer.createStream()
      const reader = streamReader(stream, { maxFrameBytes: 4 * KIB })
      stream.send(Buffer.concat(said))
      return { stream, reader }
    }
    const many = (count: number): Buffer[] => Array.from({ length: count }, () => line('/no'))
    const fine = await asking(...many(63), line(ECHO))
    for (let i = 0; i < 63; i++) assert.equal(String(await fine.reader.read().then(text => Buffer.from(text!))), 'na\n')
    assert.equal(String(Buffer.from((await fine.reader.read())!)), `${ECHO}\n`)
    const over = await asking(...many(64), line(ECHO))
    assert.notEqual(await endOf(over.stream), null)
    const endless = await asking(Buffer.alloc(3, 0x80))
    assert.notEqual(await endOf(endless.stream), null)
    const list = await asking(line('ls'))
    assert.match(String(Buffer.from((await list.reader.read())!)), /^\f\/echo\/1\.0\.0\n.*\n\n$/s)
  })
})

describe('identify', patient, () => {
  const protocols = (count: number): [number, string][] => Array.from({ length: count }, (_, i) => [3, `/p/${i}`])
  const addrs = (count: number): string[] => Array.from({ length: count }, (_, i) => `/ip4/192.0.2.1/tcp/${1000 + i}`)
  const limit = { 'identify-protocols': 3, 'identify-addrs': 2 }

  async function asked(count: number): Promise<Awaited<ReturnType<typeof identify>>> {
    const key = await generateKeyPair('Ed25519')
    const listens = addrs(count - 1).map((addr): [number, Uint8Array] => [2, multiaddr(addr).bytes])
    const record = await signedRecord(key, addrs(count - 1))
    const message = identifyMessage([...protocols(count), ...listens, [8, record]])
    await using peer = await identifiedBy(key, says(message))
    await using node = await openNode({ limit })
    await node.use('tcp')
    return await identify(await node.libp2p.dial(multiaddr(addrOf(peer))), AbortSignal.timeout(10_000))
  }

  test('limit identify-protocols: all of them at the limit, nothing is said of more; and limit identify-addrs: likewise', async () => {
    const { protocols, listen_addrs, signed_record, ...more } = (await asked(3))!
    assert.deepEqual([protocols.length, listen_addrs.length, signed_record!.addrs.length], [3, 2, 2])
    assert.ok(!('protocols_total' in more) && !('listen_addrs_total' in more) && !('addrs_total' in signed_record!))
  })

  test('and with one more, how many there were', async () => {
    const { protocols, protocols_total, listen_addrs, listen_addrs_total, signed_record } = (await asked(4))!
    assert.deepEqual(protocols, ['/p/0', '/p/1', '/p/2'])
    assert.deepEqual([protocols_total, listen_addrs.length, listen_addrs_total], [4, 2, 3])
    assert.deepEqual([signed_record!.valid, signed_record!.addrs.length, signed_record!.addrs_total], [true, 2, 3])
  })
})

test('what identify left out is shown as a number', () => {
  const event = { ...identified(), protocols: ['/p/1'], protocols_total: 9000, listen_addrs_total: 7002 }
  const shown = draw(dial, [runStart, attempt(), event, summary()], { verbose: true }).lines
  assert.ok(shown.includes('  speaks   (+8999 more)'), shown.join('\n'))
  assert.ok(shown.includes(`  listens  (+${7002 - event.listen_addrs.length} more)`), shown.join('\n'))
  assert.ok(
    shown.some(line => line.includes('9000 protocols')),
    shown.join('\n')
  )
})

describe('ping', patient, () => {
  test('limit ping-streams: the third of a connection is reset, and said', async () => {
    await using at = await listening('ping-streams=2')
    await using peer = await framePeer(at.addr)
    const two = await Promise.all([1, 2].map(() => peer.connection.newStream(PING)))
    const third = await peer.connection.newStream(PING).catch(error => error as Error)
    if (!(third instanceof Error)) assert.notEqual(await endOf(third), null)
    for (const stream of two) {
      const echo = streamReader(stream)
      stream.send(Buffer.alloc(32, 7))
      assert.deepEqual(Buffer.from((await echo.readExactly(32))!), Buffer.alloc(32, 7))
    }
    const said = await at.running.next('stream.refused')
    assert.deepEqual([said.limit, said.streams], ['ping-streams', 1])
  })

  test('limit ping-rate: those within it at once, and the next one waits for its turn while others are answered', async () => {
    await using at = await listening('ping-rate=1', 'exempt-loopback=0')
    await using peer = await framePeer(at.addr)
    await using other = await framePeer(at.addr)
    const [stream, others] = [await peer.connection.newStream(PING), await other.connection.newStream(PING)]
    const [echoes, otherEchoes] = [streamReader(stream), streamReader(others)]
    stream.send(Buffer.alloc(64, 1))
    await echoes.readExactly(32)
    others.send(Buffer.alloc(32, 2))
    await otherEchoes.readExactly(32)
    assert.equal(echoes.buffered, 0)
    assert.equal((await echoes.readExactly(32))!.byteLength, 32)
  })

  test('limit ping-rate: a bucket has as many as it holds, and then they come one after another', () => {
    const bucket = createBucket(100, 3)
    assert.deepEqual([bucket.reserve(), bucket.reserve(), bucket.reserve()], [0, 0, 0])
    assert.ok(bucket.reserve() > 0)
    assert.equal(bucket.take(), false)
  })

  test('this machine itself is answered as fast as it asks', async () => {
    await using at = await listening('ping-rate=1')
    await using peer = await framePeer(at.addr)
    const stream = await peer.connection.newStream(PING)
    const echoes = streamReader(stream)
    stream.send(Buffer.alloc(32 * 200, 1))
    await echoes.readExactly(32 * 200)
  })

  test('limit ping-idle: a stream that says nothing ends, half a ping is no ping', async () => {
    await using it = await pair({ 'ping-idle': 1000 }, { ping: pong() })
    const silent = await it.connection.newStream(PING)
    const end = endOf(silent)
    const far = it.inbound.streams.find(({ protocol }) => protocol === PING)!
    const came = once(far as unknown as EventTarget, 'message')
    silent.send(Buffer.alloc(31))
    await came
    // both timers are of one loop: however busy the machine is, the shorter one comes first
    await new Promise(resolve => setTimeout(resolve, 1500))
    assert.notEqual(far.status, 'open')
    assert.notEqual(await end, null)
  })

  test('one after another on a stream, and it ends in order when the peer ends it', async () => {
    await using it = await pair({}, { ping: pong() })
    const stream = await it.connection.newStream(PING)
    const echoes = streamReader(stream)
    for (let i = 0; i < 100; i++) {
      stream.send(Buffer.alloc(32, i))
      assert.deepEqual(Buffer.from((await echoes.readExactly(32))!), Buffer.alloc(32, i))
    }
    await stream.close()
    assert.equal(await echoes.readExactly(32), null)
  })
})
