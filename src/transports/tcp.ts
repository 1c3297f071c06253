import type { Transport } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { transportOf } from '../addr.ts'
import type { Components } from '../node.ts'

/** TCP, and unix sockets. */
export function tcpTransport(): (components: Components) => Transport {
  const library = tcp()
  return components => {
    const transport = library(components)
    // it takes all that begins with /unix, a circuit over a relay behind a socket among it (@libp2p/tcp 11.0)
    transport.dialFilter = transport.listenFilter = addrs =>
      addrs.filter(addr => ['tcp', 'unix'].includes(transportOf(addr) ?? ''))
    return transport
  }
}
