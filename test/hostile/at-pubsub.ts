/** Who floods a relay that forwards topics. */
import { multiaddr } from '@multiformats/multiaddr'
import { writer } from 'protons-runtime'
import { frame } from '../../src/protocols/framing.ts'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { attacker, pour } from './at-peer.ts'

const MESHSUB = '/meshsub/1.1.0'

/** https://github.com/libp2p/specs/blob/master/pubsub/README.md: RPC { subscriptions 1 { subscribe 1, topic 2 } publish 2 } */
function subscriptions(count: number, topic: (at: number) => string): Uint8Array {
  const w = writer()
  for (let at = 0; at < count; at++) {
    w.uint32(10).fork()
    w.uint32(8).bool(true).uint32(18).string(topic(at))
    w.ldelim()
  }
  return w.finish()
}

function published(topic: string, data: Uint8Array): Uint8Array {
  const w = writer()
  w.uint32(18).fork()
  w.uint32(18).bytes(data).uint32(34).string(topic)
  w.ldelim()
  return w.finish()
}

async function speaks(target: Target, messages: Iterable<Uint8Array>): Promise<string> {
  const node = await attacker(target)
  await node.handle(MESHSUB, stream => {
    stream.addEventListener('message', () => {})
  })
  const connection = await node.dial(multiaddr(target.addr))
  const stream = await connection.newStream(MESHSUB, { signal: AbortSignal.timeout(target.withinMs) })
  for (const message of messages) {
    if (stream.status !== 'open') break
    await pour(stream, message)
  }
  await target.served
  return 'gone'
}

const row = (id: string, says: string, messages: () => Iterable<Uint8Array>): AtRow =>
  listenerRow('pubsub', {
    id,
    says,
    fate: null,
    commands: ['relay'],
    withinMs: 5000,
    attack: target => speaks(target, messages())
  })

export const pubsubRows: AtRow[] = [
  row('oversized', 'a message of 8 MiB', () => [frame(published('hostile', Buffer.alloc(8 << 20)))]),
  row('endless-varint', 'a length of 1 MiB of 0x80', () => [Buffer.alloc(1 << 20, 0x80)]),
  row('garbage', '1,000 messages that are none', () =>
    Array.from({ length: 1000 }, () => Buffer.concat([Buffer.of(64), Buffer.alloc(64, 0xff)]))
  ),
  row('subscriptions', 'subscribes to 100,000 topics', function* () {
    for (let from = 0; from < 100_000; from += 1000) yield frame(subscriptions(1000, at => `topic-${from + at}`))
  }),
  row('unsigned', '2,000 messages that nobody has signed', () =>
    Array.from({ length: 2000 }, () => frame(published('hostile', Buffer.alloc(100))))
  )
]
