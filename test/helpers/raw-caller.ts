import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { multistream } from './raw-server.ts'

export interface Caller extends Disposable {
  socket: Socket
  /** How the other side ended it. */
  ended: Promise<'reset' | 'end'>
  /** Resolves once so many bytes have come back. */
  heard(bytes: number): Promise<void>
}

/** A TCP connection to a port of 127.0.0.1 that says nothing by itself; `from` is the host that it seems to come from. */
export async function call(port: number, from = '127.0.0.1', tls = false): Promise<Caller> {
  const to = { port, host: '127.0.0.1', localAddress: from }
  const socket = tls ? connectTls({ ...to, rejectUnauthorized: false }) : connect(to)
  let received = 0
  const waiting: (() => void)[] = []
  socket.on('data', bytes => {
    received += bytes.length
    for (const look of waiting) look()
  })
  const ended = new Promise<'reset' | 'end'>(resolve => {
    socket.once('error', () => resolve('reset'))
    socket.once('end', () => resolve('end'))
  })
  // who is refused may be so before it has seen that it was connected
  await Promise.race([once(socket, 'connect').catch(() => {}), ended])
  return {
    socket,
    ended,
    heard: bytes =>
      new Promise<void>(resolve => {
        const look = (): void => void (received >= bytes && resolve())
        waiting.push(look)
        look()
      }),
    [Symbol.dispose]: () => void socket.destroy()
  }
}

/** The greeting of multistream-select and questions after it, in exactly so many bytes: 20 and 4 for each. */
export function questions(bytes: number): Buffer {
  const greeting = multistream('/multistream/1.0.0')
  return Buffer.concat([greeting, ...Array<Buffer>((bytes - greeting.length) / 4).fill(multistream('ls'))])
}

/** Asks for a WebSocket with 200 bytes, and waits until it is there. */
export async function upgrade({ socket }: Caller): Promise<void> {
  const lines = [
    ...['GET / HTTP/1.1', 'Host: localhost', 'Upgrade: websocket', 'Connection: Upgrade'],
    ...['Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==', 'Sec-WebSocket-Version: 13', 'X: ']
  ]
  socket.write(`${lines.join('\r\n').padEnd(UPGRADE - 4, 'x')}\r\n\r\n`)
  await once(socket, 'data')
}

const UPGRADE = 200

/** A message of a WebSocket client, under the mask 0. */
export function message(bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt8(0x82, 0)
  head.writeUInt8(0x80 | 126, 1)
  head.writeUInt16BE(bytes.length, 2)
  return Buffer.concat([head, bytes])
}
