import { TypedEventEmitter } from '@libp2p/interface'
import { transportOf } from '../addr.ts'
import { noteLimits } from './circuit-limits.ts'
import type { Listener, ListenerEvents, MessageStream, Stream, Transport, Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Components } from '../node.ts'

/**
 * libp2p's transport for circuits, with listeners of our own. It dials circuits and takes those that a relay brings;
 * the reservations are asked for by `reserve.ts`, since those of libp2p (@libp2p/circuit-relay-v2 4.2) are not made
 * again after the relay has gone (libp2p/js-libp2p#3601), do not tell when they expire, are renewed 30 s after they
 * were made at the earliest, and fail with a sentence only.
 */
export function circuitTransport(
  library: (components: Components) => Transport
): (components: Components) => Transport {
  return components => {
    // it asks for a reservation of its own when a relay that it has none on brings a circuit (@libp2p/circuit-relay-v2 4.2)
    const transportManager = { listen: async () => {} }
    const parts = { transportManager: { value: transportManager }, upgrader: { value: noting(components.upgrader) } }
    const transport = library(Object.create(components, parts))
    transport.createListener = () => new CircuitListener()
    // its own know of no relay behind a unix socket (@multiformats/multiaddr-matcher 3.0)
    transport.dialFilter = transport.listenFilter = addrs => addrs.filter(addr => transportOf(addr) === 'circuit')
    return transport
  }
}

/**
 * A circuit whose far end has gone as soon as it was there is told of no end: that came before anybody listened for it,
 * and the handshake would wait for its time to be over (@libp2p/circuit-relay-v2 4.2).
 */
function endEarly(connection: MessageStream): void {
  const { stream } = connection as { stream?: Stream }
  if (stream?.remoteWriteStatus === 'closed') connection.abort(new Error('the circuit was closed at once'))
}

/** Sees the limits of a circuit before anything passes it. */
function noting(upgrader: Upgrader): Upgrader {
  const { upgradeInbound, upgradeOutbound } = upgrader
  return Object.assign(Object.create(upgrader) as Upgrader, {
    upgradeInbound: (...[stream, options]: Parameters<typeof upgradeInbound>) => {
      noteLimits(options?.limits)
      endEarly(stream)
      return upgradeInbound.call(upgrader, stream, options)
    },
    upgradeOutbound: (...[stream, options]: Parameters<typeof upgradeOutbound>) => {
      noteLimits(options?.limits)
      endEarly(stream)
      return upgradeOutbound.call(upgrader, stream, options)
    }
  })
}

/** Stands for the addresses that a reservation gives: what it announces, the node announces. */
export class CircuitListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  relay: Multiaddr | undefined
  private addrs: Multiaddr[] = []

  /** Takes note of whose addresses these are: RELAY/p2p-circuit. Nothing is announced yet. */
  async listen(addr: Multiaddr): Promise<void> {
    this.relay = addr
  }

  /** From now on these and no others, each with its /p2p-circuit; an empty list takes all of them back. */
  announce(addrs: Multiaddr[]): void {
    this.addrs = addrs
    // libp2p tells its peers of it within a second
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    return this.addrs
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    this.addrs = []
    queueMicrotask(() => this.safeDispatchEvent('close'))
  }
}
