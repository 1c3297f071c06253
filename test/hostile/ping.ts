/** What answers to ping. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import type { Line } from '../helpers/cli.ts'
import { drip, flood, hostileNode, PING } from './peers.ts'
import { dialerRow, type Row } from './rows.ts'

const usual = { over: ['tcp', 'ws', 'circuit'], commands: ['ping'] } as const
const lost = { code: null, exit: 1 }
const held = { code: null, exit: 0 }

type Answer = (stream: Stream, ping: Uint8Array, number: number, connection: Connection) => void

/** What became of each ping: `timeout`, `reply`, or why it failed. */
function fateOf(events: Line[]): string[] {
  return events.flatMap(event =>
    event.type === 'ping.fail' ? [event.reason] : event.type.startsWith('ping.') ? [event.type.slice(5)] : []
  )
}

function row(
  id: string,
  says: string,
  fates: string[],
  answer: Answer,
  opened: (stream: Stream) => void = () => {}
): Row {
  const args = fates.length === 1 ? [] : ['-c', String(fates.length), '-i', '100ms']
  return dialerRow('ping', usual, {
    id,
    says,
    expect: fates.includes('reply') ? held : lost,
    holds: events => assert.deepEqual(fateOf(events), fates),
    async start(over) {
      const peer = await hostileNode(over, { handlers: { [PING]: responder(answer, opened) } })
      return Object.assign(peer, { args })
    }
  })
}

/** A responder by hand: it is told of each 32 bytes. */
function responder(answer: Answer, opened: (stream: Stream) => void) {
  return (stream: Stream, connection: Connection): void => {
    let rest = Buffer.alloc(0)
    let number = 0
    opened(stream)
    stream.addEventListener('message', ({ data }) => {
      rest = Buffer.concat([rest, data.subarray()])
      // one that it has ended takes no more replies
      for (; rest.length >= 32 && stream.writeStatus === 'writable'; rest = rest.subarray(32))
        answer(stream, Uint8Array.from(rest.subarray(0, 32)), ++number, connection)
    })
  }
}

const nothing: Answer = () => {}

const before = new WeakMap<Stream, Uint8Array>()

/** Answers each ping once the next one is there. */
const late: Answer = (stream, ping) => {
  const last = before.get(stream)
  if (last != null) stream.send(last)
  before.set(stream, ping)
}

export const pingRows: Row[] = [
  row('silent', 'never answers', ['timeout'], nothing),
  row('wrong', 'answers with other bytes', ['wrong'], stream => void stream.send(randomBytes(32))),
  row('short', 'answers with 16 bytes, and ends the stream', ['closed'], (stream, ping) => {
    stream.send(ping.subarray(0, 16))
    void stream.close()
  }),
  row(
    'short-silent',
    'answers with 31 bytes, and no more',
    ['timeout'],
    (stream, ping) => void stream.send(ping.subarray(0, 31))
  ),
  row(
    '33',
    'answers with a byte too many',
    ['wrong'],
    (stream, ping) => void stream.send(Buffer.concat([ping, Buffer.of(7)]))
  ),
  row(
    '64',
    'answers with 64 bytes, of which the first 32 are right',
    ['wrong'],
    (stream, ping) => void stream.send(Buffer.concat([ping, randomBytes(32)]))
  ),
  row('late', 'answers with the reply to the ping before', ['reply', 'reply', 'timeout'], late),
  row(
    'closes-after-2',
    'ends each stream after two replies',
    Array<string>(5).fill('reply'),
    (stream, ping, number) => {
      stream.send(ping)
      if (number === 2) void stream.close()
    }
  ),
  row('twice', 'answers twice at once', ['wrong'], (stream, ping) => void stream.send(Buffer.concat([ping, ping]))),
  row('drip', 'answers a byte a time', ['reply'], (stream, ping) => drip(stream, ping, 5)),
  row('early', 'answers before it is asked', ['wrong'], nothing, stream => void stream.send(randomBytes(32))),
  row('reset', 'resets the stream', ['reset'], stream => stream.abort(new Error('no'))),
  row('close', 'ends the stream', ['closed'], stream => void stream.close()),
  row('close-at-once', 'ends the stream before it is asked', ['closed'], nothing, stream => void stream.close()),
  row('hangs-up', 'breaks off the connection', ['reset'], (_stream, _ping, _number, connection) =>
    connection.abort(new Error('no'))
  ),
  row('flood', 'answers without an end', ['wrong'], (stream, ping) =>
    flood(stream, Buffer.concat(Array(2048).fill(ping)), 256)
  ),
  dialerRow('ping', usual, {
    id: 'unknown',
    says: 'does not speak ping',
    expect: { code: 'protocol_not_supported', exit: 6, phase: 'protocol' },
    async start(over) {
      const peer = await hostileNode(over)
      await peer.node.unhandle(PING)
      return peer
    }
  })
]
