/** What hostile peers are made of: a node that is one of js-libp2p up to the phase in which it misbehaves. */
import type { Socket } from 'node:net'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import type { Libp2p, MessageStream, StreamHandler, StreamMuxer, StreamMuxerFactory, Upgrader } from '@libp2p/interface'
import type { Libp2pOptions } from 'libp2p'
import { plainNode } from '../helpers/plain-node.ts'
import { rawServer } from '../helpers/raw-server.ts'
import { startRelay } from '../helpers/relay.ts'
import type { HostilePeer, Over } from './rows.ts'

export const IDENTIFY = '/ipfs/id/1.0.0'
export const PING = '/ipfs/ping/1.0.0'

export interface HostileNode {
  /** Instead of the upgrade of each connection that comes. */
  upgrade?: (wire: MessageStream) => void
  /** Instead of yamux on each connection that comes: what is below it, with the security that was agreed on. */
  muxer?: (wire: MessageStream) => void
  /** Instead of its own, or beside them. */
  handlers?: Record<string, StreamHandler>
  libp2p?: Partial<Libp2pOptions>
  /** The peer ID in the address, where it is another one. */
  named?: string
}

/** A node that p2pctl may dial over tcp, ws, or a circuit through a relay of the test. */
export async function hostileNode(over: Over, options: HostileNode = {}): Promise<HostilePeer & { node: Libp2p }> {
  const stack = new AsyncDisposableStack()
  try {
    const node = stack.use(await startNode(stack, over, options))
    const [addr] = node.getMultiaddrs()
    const ended = { [Symbol.asyncDispose]: () => stack.disposeAsync() }
    const text = addr!.toString().replace(node.peerId.toString(), options.named ?? node.peerId.toString())
    return { node, addr: text, ...ended }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}

async function startNode(stack: AsyncDisposableStack, over: Over, { upgrade, muxer, handlers, libp2p }: HostileNode) {
  const node = await plainNode({
    listen: [over === 'circuit' ? `${stack.use(await startRelay()).addr}/p2p-circuit` : listenAddr(over)],
    libp2p: {
      ...(muxer && { streamMuxers: [inboundMuxer(muxer)] }),
      services: {
        identify: identify({ runOnConnectionOpen: false }),
        ping: ping(),
        ...(upgrade && { upgrade: insteadOfUpgrade(upgrade) })
      },
      ...libp2p
    }
  })
  for (const [protocol, handler] of Object.entries(handlers ?? {})) {
    await node.handle(protocol, handler, { force: true, runOnLimitedConnection: true, maxInboundStreams: 64 })
  }
  return node
}

function listenAddr(over: Over): string {
  return `/ip4/127.0.0.1/tcp/0${over === 'ws' ? '/ws' : ''}`
}

/** A TCP server, for what comes before libp2p. */
export async function hostileSocket(over: Over, onSocket: (socket: Socket) => void): Promise<HostilePeer> {
  const server = await rawServer(onSocket)
  return Object.assign(server, { addr: `${server.addr}${over === 'ws' ? '/ws' : ''}` })
}

/** A service that takes the connections that come before the upgrader of libp2p does. */
function insteadOfUpgrade(take: (wire: MessageStream) => void) {
  return ({ upgrader }: { upgrader: Upgrader }) => {
    upgrader.upgradeInbound = async wire => {
      wire.addEventListener('message', () => {})
      take(wire)
      await new Promise<void>(resolve => wire.addEventListener('close', () => resolve()))
    }
    return {}
  }
}

/** yamux for the connections that the node makes, as that to its relay; what comes in is for `take`. */
function inboundMuxer(take: (wire: MessageStream) => void): () => StreamMuxerFactory {
  const honest = yamux()()
  return () => ({
    protocol: honest.protocol,
    createStreamMuxer(wire) {
      if (wire.direction === 'outbound') return honest.createStreamMuxer(wire)
      wire.addEventListener('message', () => {})
      // once the upgrade has told the other side that it is done
      setImmediate(take, wire)
      return new NoMuxer(wire) as unknown as StreamMuxer
    }
  })
}

/** Stands where libp2p wants a muxer. */
class NoMuxer extends EventTarget {
  protocol = '/yamux/1.0.0'
  streams = []
  status = 'open'
  #wire: MessageStream

  constructor(wire: MessageStream) {
    super()
    this.#wire = wire
  }

  async createStream(): Promise<never> {
    throw new Error('a hostile peer opens no stream')
  }

  abort(error: Error): void {
    this.status = 'closed'
    this.#wire.abort(error)
  }

  async close(): Promise<void> {
    this.abort(new Error('it is over'))
  }
}

/** Sends as long as the other side takes it and the bytes last, and gives the loop its turns. */
export function flood(wire: MessageStream, bytes: Uint8Array, times: number, from = 0): void {
  for (let sent = from; sent < times; sent++) {
    if (wire.status !== 'open') return
    let ready: boolean
    try {
      ready = wire.send(bytes)
    } catch {
      // it was closed below
      return
    }
    if (!ready) return void wire.addEventListener('drain', () => flood(wire, bytes, times, sent + 1), { once: true })
    if (sent % 64 === 63) return void setImmediate(flood, wire, bytes, times, sent + 1)
  }
}

/** Sends `bytes` one at a time, each after `ms`, until there are none or the other side is gone. */
export function drip(wire: MessageStream, bytes: Uint8Array, ms: number): void {
  let at = 0
  const timer = setInterval(() => {
    if (wire.status !== 'open' || at === bytes.length) return clearInterval(timer)
    wire.send(bytes.subarray(at, ++at))
  }, ms)
  wire.addEventListener('close', () => clearInterval(timer))
}

/** Breaks a connection off; a WebSocket of libp2p cannot (@libp2p/websockets 10.1 gives `close` a code that it refuses). */
export function cut(wire: MessageStream): void {
  let below = wire as Below
  while (below.stream != null) below = below.stream
  if (below.websocket == null) wire.abort(new Error('no'))
  else below.websocket.terminate()
}

/** A stream of noise or TLS has the one that it is in, and that of a WebSocket its socket. */
interface Below extends MessageStream {
  stream?: Below
  websocket?: { terminate(): void }
}
