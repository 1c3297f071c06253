import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import type { Libp2p, ServiceMap } from '@libp2p/interface'

export interface PlainNodeOptions<S extends ServiceMap> {
  /** One free TCP port of 127.0.0.1 unless told. */
  listen?: string[]
  /** Beside identify. */
  services?: Libp2pOptions<S>['services']
  /** Whether it speaks identify; yes unless told. */
  identify?: boolean
  /** Whether it speaks to relays; yes unless told. */
  circuit?: boolean
  /** The largest yamux window of a stream: 1 MiB unless told, since a paused stream overflows with more than 4. */
  window?: number
  /** Whatever else createLibp2p takes, instead of what stands here. */
  libp2p?: Partial<Libp2pOptions<ServiceMap>>
}

export type PlainNode<S extends ServiceMap = ServiceMap> = Libp2p<S> & AsyncDisposable

/** A js-libp2p node of the usual parts: nothing of ours in it but the services that are given. */
export async function plainNode<S extends ServiceMap = ServiceMap>(
  options: PlainNodeOptions<S> = {}
): Promise<PlainNode<S>> {
  const node = await createLibp2p<ServiceMap>({
    addresses: { listen: options.listen ?? ['/ip4/127.0.0.1/tcp/0'] },
    // the circuit transport wants identify
    transports: [
      ...[tcp(), webSockets()],
      ...(options.circuit === false || options.identify === false ? [] : [circuitRelayTransport()])
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: options.window ?? 1 << 20 } })],
    connectionMonitor: { enabled: false },
    // tests dial more often than the 5 times a second that libp2p takes from one host
    connectionManager: { inboundConnectionThreshold: 1000 },
    services: {
      ...options.services,
      ...(options.identify !== false && { identify: identify() })
    } as Libp2pOptions<ServiceMap>['services'] & object,
    ...options.libp2p
  })
  return Object.assign(node as Libp2p<S>, { [Symbol.asyncDispose]: () => node.stop() as Promise<void> })
}

/** The first address of a node, with its peer ID. */
export function addrOf(node: Libp2p): string {
  return node.getMultiaddrs()[0]!.toString()
}

/** A factory of libp2p under another protocol name, which nobody else has. */
export function renamed<F extends { protocol: string }>(
  factory: (components: never) => F,
  protocol: string
): (components: never) => F {
  return components => Object.assign(factory(components), { protocol })
}
