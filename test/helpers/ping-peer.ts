import { plainNode } from './plain-node.ts'
import type { Connection, Stream } from '@libp2p/interface'

const PING = '/ipfs/ping/1.0.0'

/** A peer that answers ping by hand: it is told of each 32 bytes that come, with their number on their stream. */
export async function pingPeer(
  answer: (stream: Stream, bytes: Uint8Array, number: number, connection: Connection) => void,
  listen?: string[]
) {
  const streams: Stream[] = []
  const node = await plainNode(listen == null ? {} : { listen })
  await node.handle(
    PING,
    (stream, connection) => {
      streams.push(stream)
      let number = 0
      let rest = Buffer.alloc(0)
      stream.addEventListener('message', ({ data }) => {
        rest = Buffer.concat([rest, data.subarray()])
        for (; rest.length >= 32; rest = rest.subarray(32)) answer(stream, rest.subarray(0, 32), ++number, connection)
      })
      stream.addEventListener('remoteCloseWrite', () => void stream.close())
    },
    { maxInboundStreams: 8 }
  )
  return Object.assign(node, { streams })
}

export function echo(stream: Stream, bytes: Uint8Array): void {
  stream.send(Uint8Array.from(bytes))
}
