import type { Transport } from '@libp2p/interface'
import type { Components } from './node.ts'
import type { WebSocketOptions } from './transports/websockets.ts'

/** What --transport and --expect-transport can name: the kinds of address that this build serves, as events call them. */
export const transportNames = ['tcp', 'ws', 'wss', 'quic-v1', 'webrtc-direct', 'unix', 'circuit', 'webrtc'] as const

/** The transports that this build can load; some serve several kinds of address. */
export type TransportName = 'tcp' | 'ws' | 'quic-v1' | 'webrtc-direct' | 'circuit' | 'webrtc'

/** What some transports take; each reads its own. */
export interface TransportOptions extends WebSocketOptions {
  /** STUN servers for WebRTC; none is asked unasked. */
  stun?: string[] | undefined
}

type Factory = (components: Components) => Transport

/** Each is imported only when an address asks for it: the command table imports this file too, for the names. */
const loaders: Record<TransportName, (options: TransportOptions) => Promise<Factory>> = {
  tcp: async () => (await import('./transports/tcp.ts')).tcpTransport(),
  ws: async options => (await import('./transports/websockets.ts')).webSocketTransport(options),
  'quic-v1': async () => (await import('./transports/native.ts')).loadQuic(),
  'webrtc-direct': async () => (await import('./transports/native.ts')).loadWebRtcDirect(),
  circuit: async () => {
    const [{ circuitRelayTransport }, { circuitTransport }] = await Promise.all([
      import('@libp2p/circuit-relay-v2'),
      import('./protocols/circuit-transport.ts')
    ])
    return circuitTransport(circuitRelayTransport())
  },
  webrtc: async ({ stun }) => (await import('./transports/native.ts')).loadWebRtc(stun)
}

const servedBy: Record<string, TransportName> = { wss: 'ws', unix: 'tcp' }

/** The transport that serves an address of this kind, if this build has one. */
export function transportFor(kind: string | null): TransportName | null {
  if (kind == null) return null
  return servedBy[kind] ?? (kind in loaders ? (kind as TransportName) : null)
}

/** Why no transport serves an address of this kind, and what to use instead. */
export function whyNoTransport(kind: string | null): { says: string; hint?: string } {
  if (kind === 'webtransport') {
    return {
      says: 'Node has no WebTransport, neither to dial nor to listen: only browsers dial it',
      hint: 'use /quic-v1, /webrtc-direct, /ws or /tcp instead'
    }
  }
  if (kind === 'memory') {
    return {
      says: 'a /memory address is for one process alone',
      hint: 'between processes of a machine use /unix or /tcp'
    }
  }
  return { says: `no transport for ${kind ?? 'this kind of address'} in this build` }
}

/** Throws Failure no_transport where its native package is missing, and what is wrong with the files of its options. */
export async function loadTransport(name: TransportName, options: TransportOptions): Promise<Factory> {
  return await loaders[name](options)
}
