/** What takes a message, or measures with us. */
import { randomBytes } from 'node:crypto'
import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import { PERF_PROTOCOL } from '../../src/protocols/perf.ts'
import { decodeSenderFrame, encodeReceiverFrame, SEND_PROTOCOL, STATUS } from '../../src/protocols/send-frames.ts'
import type { StreamReader } from '../../src/protocols/stream.ts'
import { accept, receiver } from '../helpers/send-peers.ts'
import { flood, hostileNode } from './peers.ts'
import { dialerRow, type Row } from './rows.ts'

const sent = { over: ['tcp', 'ws', 'circuit'], commands: ['send'] } as const
const measured = { over: ['tcp', 'ws', 'circuit'], commands: ['perf'] } as const
const failed = (code: string) => ({ code, exit: 1, phase: 'transfer' })
/** It speaks the protocol by name, and so it was reached; exit 6 is for those that have none in common. */
const foreign = failed('malformed_answer')
const late = failed('io_timeout')
/** Of an attempt: a transfer in which nothing moves lasts three times as long. */
const TIMEOUT_MS = 1000

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
    timeoutMs: TIMEOUT_MS,
    withinMs: 4 * TIMEOUT_MS + 1000,
    start: over => hostileNode(over, { handlers: { [protocol]: quietly(handler) } })
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
  row(
    { over: ['tcp', 'ws', 'circuit'], commands: ['send -f'] },
    SEND_PROTOCOL,
    'send-stops-reading',
    'takes a MiB of a file, and reads no more',
    late,
    receiver(async (stream, reader) => {
      stream.send(accept)
      for (let received = 0; received < 1 << 20; ) {
        const { data } = decodeSenderFrame((await reader.read())!)
        received += data?.byteLength ?? 0
        stream.send(encodeReceiverFrame({ ack: { received } }))
      }
      stream.pause()
    })
  ),
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
