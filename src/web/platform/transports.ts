/** In the place of src/transports.ts: the transports of a browser. */
// first: it patches what the next ones take
import './rtc.ts'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { webRTC, webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import type { Transport } from '@libp2p/interface'
import type { Components } from '../../node.ts'
import { circuitTransport } from '../../protocols/circuit-transport.ts'
import { withCerthash } from '../../transports/certhash.ts'
import { overCircuits } from '../../transports/over-circuits.ts'
import type { TransportOptions } from '../../transports.ts'

export const transportNames = ['ws', 'wss', 'webrtc-direct', 'circuit', 'webrtc'] as const
export type TransportName = 'ws' | 'webrtc-direct' | 'circuit' | 'webrtc'
export type { TransportOptions } from '../../transports.ts'

type Factory = (components: Components) => Transport

const makers: Record<TransportName, (options: TransportOptions) => Factory> = {
  ws: () => webSockets(),
  'webrtc-direct': () => components => {
    const transport = webRTCDirect({ rtcConfiguration: { iceServers: [] } })(components)
    const dial = transport.dial.bind(transport)
    transport.dial = (addr, options) => dial(withCerthash(addr), options)
    return transport
  },
  circuit: () => circuitTransport(circuitRelayTransport()),
  webrtc: ({ stun = [] }) => overCircuits(webRTC({ rtcConfiguration: { iceServers: stun.map(urls => ({ urls })) } }))
}

export function transportFor(kind: string | null): TransportName | null {
  if (kind === 'wss') return 'ws'
  return kind != null && kind in makers ? (kind as TransportName) : null
}

const reasons: Record<string, string> = {
  tcp: 'a page cannot open TCP connections',
  'quic-v1': 'a page cannot speak plain QUIC',
  unix: 'a page cannot open the sockets of its machine',
  memory: 'a /memory address is for one process alone',
  webtransport: 'this page does not speak WebTransport'
}

export function whyNoTransport(kind: string | null): { says: string; hint?: string } {
  return {
    says: `${reasons[kind ?? ''] ?? 'a page has no transport for it'}`,
    hint: 'from a page, dial an address with /ws, /tls/ws, /webrtc-direct, /p2p-circuit or /webrtc'
  }
}

export async function loadTransport(name: TransportName, options: TransportOptions): Promise<Factory> {
  return makers[name](options)
}
