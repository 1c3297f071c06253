import type { Transport } from '@libp2p/interface'
import type { Components } from './node.ts'

/** The transports that this build can load, by the name that events use. */
export type TransportName = 'tcp' | 'ws' | 'circuit' | 'webrtc'

/** What some transports take; each reads its own. */
export interface TransportOptions {
  /** STUN servers for WebRTC; none is asked unasked. */
  stun?: string[] | undefined
}

type Factory = (components: Components) => Transport

/** Each is imported only when an address asks for it. */
const loaders: Record<TransportName, (options: TransportOptions) => Promise<Factory>> = {
  tcp: async () => (await import('@libp2p/tcp')).tcp(),
  ws: async () => (await import('@libp2p/websockets')).webSockets(),
  circuit: async () => {
    const [{ circuitRelayTransport }, { circuitTransport }] = await Promise.all([
      import('@libp2p/circuit-relay-v2'),
      import('./protocols/circuit-transport.ts')
    ])
    return circuitTransport(circuitRelayTransport())
  },
  webrtc: async ({ stun }) => {
    const [{ webRTC }, { RTCPeerConnection }, ours] = await Promise.all([
      import('@libp2p/webrtc'),
      import('node-datachannel/polyfill'),
      import('./protocols/webrtc-transport.ts')
    ])
    ours.orderCandidates(RTCPeerConnection)
    return ours.webrtcTransport(webRTC({ rtcConfiguration: () => ours.rtcConfiguration(stun) }))
  }
}

/** The transport that serves an address of this kind, if this build has one. */
export function transportFor(kind: string | null): TransportName | null {
  if (kind === 'wss') return 'ws'
  return kind != null && kind in loaders ? (kind as TransportName) : null
}

export async function loadTransport(name: TransportName, options: TransportOptions): Promise<Factory> {
  return await loaders[name](options)
}
