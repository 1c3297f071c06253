/** Attackers that are libp2p nodes with one part replaced: they have said who they are, and misbehave behind that. */
import { once } from 'node:events'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { TypedEventEmitter } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import type { Connection, MessageStream, PrivateKey, Stream, StreamMuxer, StreamMuxerEvents } from '@libp2p/interface'
import { type PlainNodeOptions, plainNode } from '../helpers/plain-node.ts'
import type { Target } from './at.ts'

type Libp2pPart = NonNullable<PlainNodeOptions<Record<string, unknown>>['libp2p']>

export interface Parts {
  privateKey?: PrivateKey
  /** Instead of noise, yamux and identify. */
  replaced?: Libp2pPart
  identify?: boolean
}

/** A node that comes from an address of its own. */
export async function attacker(target: Target, { privateKey, replaced, identify = true }: Parts = {}) {
  const dialOpts = { localAddress: target.newSource() } as object
  const node = await plainNode({
    listen: [],
    identify: identify || target.over === 'circuit',
    libp2p: {
      transports: [tcp({ dialOpts }), webSockets(), ...(target.over === 'circuit' ? [circuitRelayTransport()] : [])],
      ...(privateKey && { privateKey }),
      ...replaced
    }
  })
  target.owns(() => node.stop())
  return node
}

export async function arrive(target: Target, parts: Parts = {}): Promise<Connection> {
  const node = await attacker(target, parts)
  return await node.dial(multiaddr(target.addr))
}

export function goneOf(connection: Connection): Promise<void> {
  if (connection.status !== 'open') return Promise.resolve()
  return new Promise(resolve => connection.addEventListener('close', () => resolve()))
}

export function endOf(stream: Stream): Promise<void> {
  if (stream.status !== 'open') return Promise.resolve()
  return new Promise(resolve => {
    stream.addEventListener('close', () => resolve())
    stream.addEventListener('remoteCloseWrite', () => resolve())
  })
}

/** Sends all of it as the stream takes it, until it is no longer there. */
export async function pour(stream: Stream, bytes: Uint8Array): Promise<void> {
  if (stream.status !== 'open' || stream.writeStatus !== 'writable') return
  const target = stream as unknown as EventTarget
  // once() and not stream.onDrain(), which works a single time (@libp2p/utils 7.3)
  if (!stream.send(bytes)) await Promise.race([once(target, 'drain'), once(target, 'close')])
}

/** A secured connection without a muxer on it. */
export interface Frames {
  send(frame: Uint8Array): Promise<void>
  /** Reads nothing any more. */
  pause(): void
  /** Resolves when the server has taken it away. */
  closed: Promise<void>
}

/** The muxer of somebody who writes frames by hand. */
class ByHand extends TypedEventEmitter<StreamMuxerEvents> implements StreamMuxer {
  readonly protocol = '/yamux/1.0.0'
  readonly streams: Stream[] = []
  status: StreamMuxer['status'] = 'open'
  readonly #under: MessageStream

  constructor(under: MessageStream) {
    super()
    this.#under = under
    // nobody reads what comes, and it is not to fill the memory of the attacker
    under.addEventListener('message', () => {})
  }

  createStream(): Promise<Stream> {
    return Promise.reject(new Error('by hand'))
  }

  abort(error: Error): void {
    this.status = 'closed'
    this.#under.abort(error)
  }

  async close(): Promise<void> {
    this.status = 'closed'
  }
}

/** After the real handshake of noise, what the attacker sends is its own. */
export async function framesTo(target: Target): Promise<Frames> {
  let under: MessageStream | undefined
  let connections = 0
  const replaced: Libp2pPart = {
    streamMuxers: [
      () => ({
        protocol: '/yamux/1.0.0',
        createStreamMuxer(stream) {
          // the way to the relay is in order
          if (target.over === 'circuit' && connections++ === 0) return yamux()().createStreamMuxer(stream)
          under = stream
          return new ByHand(stream)
        }
      })
    ]
  }
  await arrive(target, { replaced, identify: false })
  const wire = under!
  const closed = Promise.withResolvers<void>()
  wire.addEventListener('close', () => closed.resolve())
  // a WebSocket is half closed before it is gone
  wire.addEventListener('remoteCloseWrite', () => closed.resolve())
  if (wire.status !== 'open') closed.resolve()
  return {
    closed: closed.promise,
    pause: () => wire.pause(),
    async send(frame) {
      if (wire.status !== 'open') return
      if (!wire.send(frame)) await Promise.race([once(wire as unknown as EventTarget, 'drain'), closed.promise])
    }
  }
}

export const TYPE = { DATA: 0, WINDOW: 1, PING: 2, GO_AWAY: 3 } as const
export const FLAG = { SYN: 1, ACK: 2, FIN: 4, RST: 8 } as const

interface Frame {
  version?: number
  type: number
  flag?: number
  id?: number
  /** Of the data, or what it says instead. */
  length?: number
  data?: Uint8Array
}

/** https://github.com/hashicorp/yamux/blob/master/spec.md */
export function yamuxFrame({
  version = 0,
  type,
  flag = 0,
  id = 0,
  data,
  length = data?.byteLength ?? 0
}: Frame): Buffer {
  const head = Buffer.alloc(12)
  head[0] = version
  head[1] = type
  head.writeUInt16BE(flag, 2)
  head.writeUInt32BE(id >>> 0, 4)
  head.writeUInt32BE(length >>> 0, 8)
  return data == null ? head : Buffer.concat([head, data])
}

/** `count` frames as the pieces that a socket takes at once. */
export function* frames(count: number, frame: (at: number) => Buffer | Buffer[]): Generator<Buffer> {
  const AT_ONCE = 1000
  for (let from = 0; from < count; from += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, count - from) }, (_, at) => frame(from + at))
    yield Buffer.concat(some.flat())
  }
}
