import { yamux } from '@chainsafe/libp2p-yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { once } from 'node:events'
import type { Connection, Libp2p } from '@libp2p/interface'
import { type PlainNode, plainNode } from './plain-node.ts'

export const DATA = 0
export const WINDOW = 1
export const PING = 2
export const GO_AWAY = 3
export const SYN = 1
export const ACK = 2
export const FIN = 4
export const RST = 8

/** One frame that has come; `id` is that of its stream. */
export interface Frame {
  type: number
  flag: number
  id: number
  length: number
}

/** What the muxer of @chainsafe/libp2p-yamux 8.0 has inside. */
interface Inside {
  handleFrame(frame: { header: { type: number; flag: number; streamID: number; length: number } }): void
  maConn: { send(bytes: Uint8Array): boolean; pause(): void }
}

/** A peer that does everything in order up to its muxer, and from then on writes frames by hand. */
export interface FramePeer extends AsyncDisposable {
  node: PlainNode
  connection: Connection
  /** All in one piece. */
  send(...frames: Uint8Array[]): void
  /** Reads nothing any more. */
  pause(): void
  /** The first `count` frames that fit, of those that have come or will. */
  frames(count: number, fits: (frame: Frame) => boolean): Promise<Frame[]>
  /** How many of those that have come fit. */
  seen(fits: (frame: Frame) => boolean): number
  closed: Promise<unknown>
}

/** Dials `addr`. */
export async function framePeer(addr: string): Promise<FramePeer> {
  const node = await quietNode({ listen: [] })
  return peerOver(node, await node.dial(multiaddr(addr)))
}

/** Is dialed. */
export async function dialedFramePeer(dial: (addr: string) => Promise<unknown>): Promise<FramePeer> {
  const node = await quietNode({})
  const connected = new Promise<Connection>(resolve => {
    node.addEventListener('connection:open', ({ detail }) => resolve(detail))
  })
  await dial(node.getMultiaddrs()[0]!.toString())
  return peerOver(node, await connected)
}

async function quietNode(options: { listen?: string[] }): Promise<PlainNode> {
  return await plainNode({
    ...options,
    identify: false,
    libp2p: { streamMuxers: [yamux({ enableKeepAlive: false })] }
  })
}

function peerOver(node: PlainNode & Libp2p, connection: Connection): FramePeer {
  const muxer = (connection as unknown as { muxer: Inside }).muxer
  const come: Frame[] = []
  const arrival = new EventTarget()
  const handleFrame = muxer.handleFrame.bind(muxer)
  muxer.handleFrame = frame => {
    const { type, flag, streamID: id, length } = frame.header
    come.push({ type, flag, id, length })
    arrival.dispatchEvent(new Event('frame'))
    // to pings that were written by hand it would hang up
    if (type !== PING || flag !== ACK) handleFrame(frame)
  }
  return {
    node,
    connection,
    send: (...frames) => void muxer.maConn.send(Buffer.concat(frames)),
    pause: () => muxer.maConn.pause(),
    async frames(count, fits) {
      for (;;) {
        const found = come.filter(fits)
        if (found.length >= count) return found.slice(0, count)
        await once(arrival, 'frame')
      }
    },
    seen: fits => come.filter(fits).length,
    closed: new Promise(resolve => connection.addEventListener('close', resolve)),
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]()
  }
}

/** A header, and the data behind it. */
export function yamuxFrame(type: number, flag: number, id: number, lengthOrData: number | Uint8Array): Buffer {
  const header = Buffer.alloc(12)
  header[1] = type
  header.writeUInt16BE(flag, 2)
  header.writeUInt32BE(id, 4)
  const data = typeof lengthOrData === 'number' ? null : lengthOrData
  header.writeUInt32BE(data?.byteLength ?? (lengthOrData as number), 8)
  return data == null ? header : Buffer.concat([header, data])
}
