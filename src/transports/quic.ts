import type { Transport } from '@libp2p/interface'
import { quic } from '@chainsafe/libp2p-quic'
import { multiaddr } from '@multiformats/multiaddr'
import { Failure } from '../errors.ts'
import type { Components } from '../node.ts'
import { safe } from '../safe.ts'
import { currentTrace } from '../trace.ts'
import { pausable } from './quic-streams.ts'
import { dialOverUdp } from './udp.ts'

/** As go-libp2p: a network that is away for a while is loss, and not the end of the connection. */
const IDLE_MS = 30_000
const KEEP_ALIVE_MS = 5000

/** QUIC v1. TLS 1.3 is a part of it and not a phase of its own: a dial has one phase until it is connected. */
export function quicTransport(): (components: Components) => Transport {
  const library = quic({ maxIdleTimeout: IDLE_MS, keepAliveInterval: KEEP_ALIVE_MS })
  return components => {
    const transport = library(components)
    const dial = transport.dial.bind(transport)
    transport.dial = async (addr, options) => await dial(addr, { ...options, upgrader: pausable(options.upgrader) })
    dialOverUdp(transport, {
      onSecured: () => {
        const trace = currentTrace()
        if (trace != null) trace.connectedAt = performance.now()
      },
      failureOf
    })
    const createListener = transport.createListener.bind(transport)
    transport.createListener = options => {
      const listener = createListener({ ...options, upgrader: pausable(options.upgrader) })
      const getAddrs = listener.getAddrs.bind(listener)
      // of an address that was made from bytes, the bytes keep the port 0 (@chainsafe/libp2p-quic 2.1): its text is right;
      // and link-local addresses come without the interface that they are for, so that nobody can dial them
      const own = (): string[] => getAddrs().map(addr => addr.toString())
      listener.getAddrs = () => own().flatMap(addr => (addr.startsWith('/ip6/fe80:') ? [] : multiaddr(addr)))
      return listener
    }
    return transport
  }
}

/** The native code has sentences and no codes (@chainsafe/libp2p-quic 2.1). */
function failureOf(cause: unknown): Failure {
  const text = cause instanceof Error ? cause.message : String(cause)
  const wrongPeer = /Dialed peer (\S+) but connected to (\S+)/.exec(text)
  if (wrongPeer != null) {
    const [, expected = '', actual = ''] = wrongPeer
    return new Failure('peer_id_mismatch', `another peer answered: expected ${expected}, got ${actual}`, {
      phase: 'security',
      expected,
      actual,
      cause
    })
  }
  const options = { phase: 'connect', cause } as const
  if (text === 'timed out') return new Failure('io_timeout', 'timed out in the connect phase', options)
  if (/application protocol|error 120/i.test(text)) {
    const hint = 'something else speaks QUIC there, as an HTTP/3 server'
    return new Failure('security_failed', 'a QUIC server answered that is no libp2p peer', { ...options, hint })
  }
  if (/handshake|certificate|TLS/i.test(text)) {
    return new Failure('security_failed', `no libp2p security handshake: ${safe(text, 120)}`, options)
  }
  return new Failure('connection_reset', safe(text, 120), options)
}
