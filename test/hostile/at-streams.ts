/** What is said on the streams of a peer in order: identify and ping, wrongly or without an end. */
import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { multiaddr } from '@multiformats/multiaddr'
import type { Stream } from '@libp2p/interface'
import { PING } from '../../src/protocols/ping.ts'
import { frame } from '../../src/protocols/framing.ts'
import { identifyMessage } from '../helpers/identify.ts'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { arrive, attacker, endOf, goneOf, pour } from './at-peer.ts'

const IDENTIFY = '/ipfs/id/1.0.0'

/** Comes, and is asked who it is. */
async function saysOfItself(target: Target, answer: (stream: Stream) => unknown): Promise<string> {
  const node = await attacker(target, { identify: false })
  const asked = Promise.withResolvers<void>()
  const handler = async (stream: Stream): Promise<void> => {
    await answer(stream)
    asked.resolve()
  }
  // where a relay is before the server it speaks identify already
  await node.handle(IDENTIFY, handler, { force: true, runOnLimitedConnection: true })
  const connection = await node.dial(multiaddr(target.addr))
  await asked.promise
  await target.served
  return await Promise.race([goneOf(connection).then(() => 'closed'), 'served'])
}

const many = (
  count: number,
  field: number,
  value: (at: number) => Uint8Array | string
): [number, Uint8Array | string][] => Array.from({ length: count }, (_, at) => [field, value(at)])

/** As libp2p takes it: 8 KiB a message, whose fields add up. */
function inPieces(fields: [number, Uint8Array | string][]): Uint8Array[] {
  const each = 300
  const count = Math.ceil(fields.length / each)
  return Array.from({ length: count }, (_, at) => identifyMessage(fields.slice(at * each, (at + 1) * each)))
}

const identifies = (id: string, says: string, answer: (stream: Stream) => unknown): AtRow =>
  listenerRow('identify', {
    id,
    says,
    over: ['tcp', 'ws', 'circuit'],
    fate: 'served',
    attack: target => saysOfItself(target, answer)
  })

function tells(...messages: Uint8Array[]): (stream: Stream) => Promise<void> {
  return async stream => {
    for (const message of messages) await pour(stream, frame(message))
    await stream.close().catch(() => {})
  }
}

/** What a terminal would obey, and what hides. */
const CONTROLS = '\x1b]0;owned\x07\x1b[2J\r\nFAKE\x00\x7f\x9b2J\u202e\u200b'

const pings = (id: string, says: string, attack: AtRow['attack'], more: Partial<AtRow> = {}): AtRow =>
  listenerRow('ping', { id, says, attack, over: ['tcp', 'ws', 'circuit'], fate: null, ...more })

export const streamRows: AtRow[] = [
  identifies('9000-protocols', 'speaks 9,000 protocols', tells(...inPieces(many(9000, 3, at => `/x/${at}`)))),
  identifies(
    '7000-addresses',
    'listens at 7,000 addresses',
    tells(...inPieces(many(7000, 2, at => multiaddr(`/ip4/10.0.${at >> 8}.${at & 255}/tcp/4001`).bytes)))
  ),
  identifies(
    'control-characters',
    'has control and bidi characters in each field',
    tells(
      identifyMessage([
        [2, multiaddr(`/dns4/${CONTROLS.replaceAll('/', '')}.example/tcp/1`).bytes],
        [3, `/${CONTROLS}`],
        [5, CONTROLS],
        [6, CONTROLS]
      ])
    )
  ),
  identifies('silent', 'does not say who it is', () => {}),
  identifies('endless', 'says who it is in 32 MiB', async stream => {
    for (let sent = 0; sent < 512 && stream.status === 'open'; sent++) await pour(stream, Buffer.alloc(65_536, 0x22))
  }),
  identifies('endless-varint', 'a length of 1 MiB of 0x80', stream => pour(stream, Buffer.alloc(1 << 20, 0x80))),
  listenerRow('identify', {
    id: 'asks-500-times',
    says: 'asks who the server is on 500 streams',
    fate: null,
    async attack(target) {
      const connection = await arrive(target)
      const asks = async (): Promise<void> => {
        const stream = await connection.newStream(IDENTIFY, { signal: AbortSignal.timeout(target.withinMs) })
        stream.addEventListener('message', () => {})
        await Promise.race([endOf(stream), target.served])
      }
      for (let at = 0; at < 50 && connection.status === 'open'; at++) {
        await Promise.race([Promise.allSettled(Array.from({ length: 10 }, asks)), target.served])
      }
      return 'gone'
    }
  }),
  pings('short', 'sends half a ping, and no more', async target => {
    const connection = await arrive(target)
    const stream = await connection.newStream(PING)
    await pour(stream, randomBytes(16))
    await target.served
    return 'gone'
  }),
  pings('flood', '100,000 pings, and reads what comes back', async target => {
    const connection = await arrive(target)
    const stream = await connection.newStream(PING)
    stream.addEventListener('message', () => {})
    for (let sent = 0; sent < 100_000 && stream.status === 'open'; sent += 100) await pour(stream, randomBytes(3200))
    return 'gone'
  }),
  pings('byte-by-byte', '5,000 bytes of pings, each in a frame of its own', async target => {
    const connection = await arrive(target)
    const stream = await connection.newStream(PING)
    stream.addEventListener('message', () => {})
    for (let sent = 0; sent < 5000 && stream.status === 'open'; sent++) await pour(stream, Buffer.of(sent & 255))
    return 'gone'
  }),
  pings('endless', '64 MiB of pings, and takes no answer', async target => {
    const connection = await arrive(target)
    const stream = await connection.newStream(PING)
    stream.pause()
    const some = randomBytes(65_536)
    const until = AbortSignal.timeout(5000)
    for (let sent = 0; sent < 1024 && stream.status === 'open' && !until.aborted; sent++) {
      await Promise.race([pour(stream, some), sleep(500, undefined, { ref: false })])
    }
    return 'gone'
  }),
  pings(
    'many-streams',
    'pings on 20 streams at once, of which 2 are answered',
    async target => {
      const connection = await arrive(target)
      let answered = 0
      for (let at = 0; at < 20; at++) {
        const options = { signal: AbortSignal.timeout(target.withinMs), maxOutboundStreams: 100 }
        const stream = await connection.newStream(PING, options).catch(() => null)
        if (stream == null) continue
        stream.addEventListener('message', () => answered++, { once: true })
        await pour(stream, randomBytes(32))
      }
      await target.served
      return answered <= 2 ? '2 at most' : `${answered} of them answered`
    },
    { fate: '2 at most' }
  )
]
