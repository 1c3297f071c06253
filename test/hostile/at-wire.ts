/** Connections on which an attacker says what it likes, byte by byte, before anybody has asked who it is. */
import { randomBytes } from 'node:crypto'
import { type EventEmitter, once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { peerIdFromString } from '@libp2p/peer-id'
import { HOP_PROTOCOL } from '../../src/protocols/circuit.ts'
import { plainNode } from '../helpers/plain-node.ts'
import { connectTo, hop } from '../helpers/relay.ts'
import type { Target } from './at.ts'

export interface Wire {
  /** Resolves once it is on its way, or nobody is there any more to take it. */
  write(bytes: Uint8Array): Promise<void>
  /** What has come so far. */
  readonly received: Buffer
  /** Resolves when the other side has ended it, in whatever way. */
  closed: Promise<void>
  readonly isClosed: boolean
  end(): void
  reset(): void
}

/** A socket from an address of its own, so that what it does is held against nobody else. */
export async function openSocket(target: Target, source = target.newSource()): Promise<Socket> {
  const { port, host } = target
  const socket = connect({ port, host, localAddress: source, noDelay: true })
  socket.on('error', () => {})
  target.owns(() => socket.destroy())
  // one that is refused has its end too
  await first(socket, 'connect', 'close')
  return socket
}

/** As `openSocket`, behind a WebSocket or a circuit where the row is about one. */
export async function openWire(target: Target, source?: string): Promise<Wire> {
  if (target.over === 'circuit') return await circuitWire(target)
  const socket = await openSocket(target, source)
  if (target.over === 'tcp') return wireOf(socket, bytes => bytes)
  socket.write(upgradeRequest(target))
  await first(socket, 'readable', 'close')
  return wireOf(socket, webSocketFrame)
}

export function wireOf(socket: Socket, wrap: (bytes: Uint8Array) => Uint8Array): Wire {
  const parts: Buffer[] = []
  const closed = Promise.withResolvers<void>()
  socket.on('data', (bytes: Buffer) => parts.push(bytes))
  socket.once('close', () => closed.resolve())
  if (socket.destroyed) closed.resolve()
  return {
    write: bytes =>
      socket.writable ? new Promise(resolve => socket.write(wrap(bytes), () => resolve())) : Promise.resolve(),
    get received() {
      return Buffer.concat(parts)
    },
    closed: closed.promise,
    get isClosed() {
      return socket.destroyed
    },
    end: () => socket.end(),
    reset: () => socket.resetAndDestroy()
  }
}

export function upgradeRequest({ host, port }: Target): string {
  const key = randomBytes(16).toString('base64')
  const asks = ['Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${key}`]
  return `GET / HTTP/1.1\r\nHost: ${host}:${port}\r\n${asks.join('\r\n')}\r\n\r\n`
}

/** A binary frame of a client; with the mask 0 its bytes stay what they are. `claims` is what it says its length is. */
export function webSocketFrame(bytes: Uint8Array, claims = bytes.byteLength): Uint8Array {
  const head = Buffer.alloc(claims < 126 ? 6 : claims < 65_536 ? 8 : 14)
  head[0] = 0x82
  head[1] = 0x80 | (claims < 126 ? claims : claims < 65_536 ? 126 : 127)
  if (head.length === 8) head.writeUInt16BE(claims, 2)
  if (head.length === 14) head.writeBigUInt64BE(BigInt(claims), 2)
  return Buffer.concat([head, bytes])
}

async function circuitWire(target: Target): Promise<Wire> {
  const node = await plainNode({ listen: [], circuit: false })
  target.owns(() => node.stop())
  const stream = await node.dialProtocol(multiaddr(target.relay!), HOP_PROTOCOL)
  await hop(stream, connectTo(peerIdFromString(target.peerId)))
  const parts: Uint8Array[] = []
  const closed = Promise.withResolvers<void>()
  stream.addEventListener('message', ({ data }) => parts.push(data.subarray()))
  stream.addEventListener('close', () => closed.resolve())
  stream.addEventListener('remoteCloseWrite', () => closed.resolve())
  stream.resume()
  return {
    async write(bytes) {
      if (stream.status !== 'open') return
      if (!stream.send(bytes)) await Promise.race([once(stream as unknown as EventTarget, 'drain'), closed.promise])
    },
    get received() {
      return Buffer.concat(parts)
    },
    closed: closed.promise,
    get isClosed() {
      return stream.status !== 'open'
    },
    end: () => void stream.close().catch(() => {}),
    reset: () => stream.abort(new Error('as an attacker does'))
  }
}

/** 'closed' once that is so, within the time of the row; else 'served'. */
export async function fateOf(target: Target, ...ends: Promise<unknown>[]): Promise<string> {
  return await Promise.race([Promise.all(ends).then(() => 'closed'), target.patience().then(() => 'served')])
}

/** Resolves at the first of these events; unlike once() also where an error comes before. */
export async function first(emitter: EventEmitter, ...names: string[]): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const heard = (): void => resolve()
  for (const name of names) emitter.on(name, heard)
  await promise
  for (const name of names) emitter.off(name, heard)
}

export const HEADER = '/multistream/1.0.0'
