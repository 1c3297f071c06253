import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { echo } from '@libp2p/echo'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webRTC } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { type PlainNode, plainNode } from './plain-node.ts'

/** A js-libp2p node of the usual parts that is dialable over WebRTC through a relay, and asks no STUN server. */
export async function webrtcPeer(relay: string | null): Promise<PlainNode> {
  return await plainNode({
    listen: relay == null ? [] : [`${relay}/p2p-circuit`, '/webrtc'],
    services: { ping: ping(), echo: echo() },
    libp2p: {
      transports: [...[tcp(), webSockets(), circuitRelayTransport()], webRTC({ rtcConfiguration: { iceServers: [] } })]
    }
  })
}
