import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { listenOn, openNode } from '../src/node.ts'
import { giveAll, takeAll } from '../src/protocols/pipe.ts'

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
