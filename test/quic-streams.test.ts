import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { listenOn, openNode } from '../src/node.ts'
import { giveAll, takeAll } from '../src/protocols/pipe.ts'
import { StreamError, write } from '../src/protocols/stream.ts'

const MIB = 2 ** 20
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

test('a reader over QUIC that is busy holds its sender back, and loses nothing', { timeout: 60_000 }, async () => {
  const signal = AbortSignal.timeout(50_000)
  await using reader = await openNode({})
  await using sender = await openNode({})
  await listenOn(reader, '/ip4/127.0.0.1/udp/0/quic-v1')
  await sender.use('quic-v1')
  const [addr] = reader.components.transportManager.getAddrs()
  const bytes = randomBytes(12 * MIB)
  const taken = Promise.withResolvers<string>()
  const enough = Promise.withResolvers<void>()
  let waiting = (): number => 0
  await reader.libp2p.handle('/slow/1.0.0', async stream => {
    const hash = createHash('sha256')
    waiting = () => stream.readBufferLength
    const take = (chunk: Uint8Array): Promise<void> => {
      hash.update(chunk)
      return enough.promise
    }
    await takeAll(stream, take, false, signal).then(() => taken.resolve(hash.digest('hex')), taken.reject)
    await stream.close()
  })
  const connection = await sender.libp2p.dial(multiaddr(`${addr}/p2p/${reader.peerId}`), { signal })
  const stream = await connection.newStream('/slow/1.0.0', { signal })
  let held: number | undefined
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += MIB) {
      if (at === 6 * MIB) {
        // more is under way than a stream holds: it has time to come while others are answered
        for (let asked = 0; asked < 100; asked++)
          await connection.newStream('/nobody/speaks/this', { signal }).catch(() => {})
        held = waiting()
        enough.resolve()
      }
      yield bytes.subarray(at, at + MIB)
    }
  }
  await giveAll(stream, source(), signal)
  assert.equal(await taken.promise, sha256(bytes))
  assert.ok(held! < MIB, `${held} bytes waited`)
})

test('over QUIC a reset is a reset, and a lost connection no end in good order', { timeout: 60_000 }, async () => {
  const signal = AbortSignal.timeout(50_000)
  await using listener = await openNode({})
  await using dialer = await openNode({})
  await listenOn(listener, '/ip4/127.0.0.1/udp/0/quic-v1')
  await dialer.use('quic-v1')
  const [addr] = listener.components.transportManager.getAddrs()
  const ends: Promise<string>[] = []
  const heard: (() => void)[] = []
  await listener.libp2p.handle('/half/1.0.0', stream => {
    const taking = takeAll(stream, () => void heard.shift()?.(), false, signal)
    ends.push(
      taking.then(
        () => 'end',
        error => (error instanceof StreamError ? error.reason : String(error))
      )
    )
  })
  const connection = await dialer.libp2p.dial(multiaddr(`${addr}/p2p/${listener.peerId}`), { signal })
  const half = async () => {
    const came = new Promise<void>(resolve => heard.push(resolve))
    const stream = await connection.newStream('/half/1.0.0', { signal })
    await write(stream, new Uint8Array(1000), signal)
    await came
    return stream
  }
  const ended = await half()
  await ended.close()
  assert.equal(await ends[0], 'end')
  const reset = await half()
  reset.abort(new Error('no'))
  assert.equal(await ends[1], 'reset')
  await half()
  connection.abort(new Error('unplugged'))
  assert.equal(await ends[2], 'closed')
})
