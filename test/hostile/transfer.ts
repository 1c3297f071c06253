/** What takes a message, or measures with us. */
import { randomBytes } from 'node:crypto'
import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import { PERF_PROTOCOL } from '../../src/protocols/perf.ts'
import { encodeReceiverFrame, SEND_PROTOCOL, STATUS } from '../../src/protocols/send-frames.ts'
import type { StreamReader } from '../../src/protocols/stream.ts'
import { accept, receiver } from '../helpers/send-peers.ts'
import { flood, hostileNode } from './peers.ts'
import { dialerRow, type Row } from './rows.ts'

const sent = { over: ['tcp', 'ws', 'circuit'], commands: ['send'] } as const
const measured = { over: ['tcp', 'ws', 'circuit'], commands: ['perf'] } as const
const failed = (code: string) => ({ code, exit: 1, phase: 'transfer' })
/** What breaks the protocol is taken for another one under its name. */
const foreign = { code: 'protocol_not_supported', exit: 6, phase: 'transfer' }
/** It waits longer for a receiver than -W says, which is for the dial. */
const late = { code: 'deadline', exit: 4 }

function row(
  usual: Pick<Row, 'over' | 'commands'>,
  protocol: string,
  id: string,
  says: string,
  expect: Row['expect'],
  handler: StreamHandler
): Row {
  return dialerRow('transfer', usual, {
    id,
    says,
    expect,
    // the run lasts as long, whatever the time of an attempt is
    withinMs: 4000,
    async start(over) {
      const peer = await hostileNode(over, { handlers: { [protocol]: quietly(handler) } })
      return Object.assign(peer, { args: expect === late ? ['-w', '2s'] : [] })
    }
  })
}

/** What it meets when p2pctl leaves is the end of its stream, and no fault of the test. */
const quietly = (handler: StreamHandler): StreamHandler => {
  return async (stream, connection) => {
    try {
      await handler(stream, connection)
    } catch (error) {
      stream.abort(error as Error)
    }
  }
}

const send = (
  id: string,
  says: string,
  expect: Row['expect'],
  then: (stream: Stream, reader: StreamReader, connection: Connection) => Promise<void> | void
) =>
  row(
    sent,
    SEND_PROTOCOL,
    `send-${id}`,
    says,
    expect,
    receiver(async (...all) => await then(...all))
  )
const perf = (id: string, says: string, expect: Row['expect'], handler: StreamHandler) =>
  row(measured, PERF_PROTOCOL, `perf-${id}`, says, expect, handler)

const receipt = (size: number, sha256: Uint8Array, status: number = STATUS.OK): Uint8Array =>
  encodeReceiverFrame({ receipt: { status, size, sha256 } })

export const transferRows: Row[] = [
  send('silent', 'never acknowledges', late, () => {}),
  send('accepts', 'accepts, and never acknowledges', late, stream => void stream.send(accept)),
  send('wrong-hash', 'confirms with another hash', failed('hash_mismatch'), stream => {
    stream.send(Buffer.concat([accept, receipt(5, randomBytes(32))]))
  }),
  send('wrong-size', 'confirms with another size', failed('hash_mismatch'), stream => {
    stream.send(Buffer.concat([accept, receipt(6, randomBytes(32))]))
  }),
  send('acks-more', 'acknowledges more than was sent', foreign, stream => {
    stream.send(Buffer.concat([accept, encodeReceiverFrame({ ack: { received: 1 << 20 } })]))
  }),
  send('resets', 'resets the stream in the middle', failed('stream_reset'), stream => stream.abort(new Error('no'))),
  send('closes', 'ends the stream without a receipt', failed('stream_reset'), stream => void stream.close()),
  // a WebSocket of libp2p cannot break off, and a circuit ends its stream alone
  row(
    { over: ['tcp'], commands: ['send'] },
    SEND_PROTOCOL,
    'send-hangs-up',
    'breaks off in the middle',
    failed('connection_reset'),
    receiver(async (_stream, _reader, connection) => connection.abort(new Error('no')))
  ),
  send('garbage', 'answers with what is no message', foreign, stream => void stream.send(Buffer.alloc(4000, 0xff))),
  send(
    'varint',
    'announces an answer with 64 bytes that each say that there is more',
    foreign,
    stream => void stream.send(Buffer.alloc(64, 0x80))
  ),
  send('endless', 'accepts again and again', foreign, stream =>
    flood(stream, Buffer.concat(Array<Uint8Array>(2000).fill(accept)), 2000)
  ),
  send('too-long', 'answers with 4 MiB', foreign, stream => {
    stream.send(Buffer.from('80808002', 'hex'))
    flood(stream, Buffer.alloc(65_536), 64)
  }),
  perf('silent', 'never reads and never sends', late, () => {}),
  perf('resets', 'resets the stream in the middle', failed('stream_reset'), stream => {
    stream.addEventListener('message', () => stream.abort(new Error('no')))
  }),
  perf('short', 'sends less than was asked for, and ends', foreign, stream => {
    stream.addEventListener('message', () => {})
    stream.addEventListener('remoteCloseWrite', () => {
      stream.send(Buffer.alloc(1000))
      void stream.close()
    })
  }),
  perf('endless', 'sends more than was asked for, without an end', foreign, stream => {
    stream.addEventListener('message', () => {})
    stream.addEventListener('remoteCloseWrite', () => flood(stream, Buffer.alloc(65_536), 4096))
  })
]
