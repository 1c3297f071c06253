/** The node that a page is: what it answers, and how many may come. */
import { echo } from '@libp2p/echo'
import type { Said } from '../events.ts'
import { gossipService } from '../gossip.ts'
import { type Node, openNode } from '../node.ts'
import { contentOf } from '../payload.ts'
import { pong } from '../protocols/pong.ts'
import { receiveItems, SEND_PROTOCOL, sendHandlerOptions } from '../protocols/send.ts'
import { discoveryService } from '../sources/pubsub.ts'
import type { Gate } from './flood.ts'
import type { Inbox } from './inbox.ts'

/** A browser gives a page no more than 500 WebRTC connections (Chromium 153), and each takes memory. */
const MOST_CONNECTIONS = 128
/** As long as the other side tries: it is the time that both take to find a way to each other. */
const UPGRADE_MS = 10_000
/** Two pages that connect over and over measure each way, all at once. */
const PING_STREAMS = 16
const MAX_MESSAGE_BYTES = 1 << 20

export async function openPageNode(discovery: string[], stun: string[]): Promise<Node> {
  return await openNode({
    security: ['noise'],
    muxer: ['yamux'],
    stun,
    limit: { connections: MOST_CONNECTIONS, 'upgrade-timeout': UPGRADE_MS },
    services: {
      // before discovery, which asks for it
      pubsub: gossipService({ maxMessageBytes: MAX_MESSAGE_BYTES }),
      ...(discovery.length > 0 && { discovery: await discoveryService(discovery, { announce: true }) }),
      ping: pong(PING_STREAMS),
      echo: echo({ runOnLimitedConnection: true })
    }
  })
}

/** Takes messages and files; a sender waits until there is room for what it sent. */
export async function takeItems(
  node: Node,
  inbox: Inbox,
  gate: Gate,
  say: (event: Said) => void,
  signal: AbortSignal
): Promise<void> {
  const onMessage = async ({ peerId, protocol, bytes }: { peerId: string; protocol: string; bytes: Uint8Array }) => {
    await gate.wait(bytes.byteLength, signal)
    say({ type: 'message.received', peer_id: peerId, protocol, ...contentOf(bytes) })
  }
  const handler = receiveItems({ maxMessageBytes: MAX_MESSAGE_BYTES, onMessage, onFile: inbox.onFile })
  await node.libp2p.handle(SEND_PROTOCOL, handler, sendHandlerOptions)
}
