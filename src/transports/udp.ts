/**
 * What the transports over UDP do not do themselves: their native code is silent until its own time is over, takes no
 * signal (@chainsafe/libp2p-quic 2.1), and does not hear the network say that nobody has the port.
 */
import { createSocket } from 'node:dgram'
import { isIP } from 'node:net'
import type { Connection, MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { codeOfErrno } from '../socket-failures.ts'
import { codes, Failure } from '../errors.ts'
import { ipOf } from '../reach.ts'

/** Whoever is there has mostly answered by then, and is not asked. */
const ASK_AFTER_MS = 300

interface Hooks {
  /** The peer has shown who it is, and libp2p takes over. */
  onSecured(): void
  /** What an error of the library means. */
  failureOf(error: unknown, addr: Multiaddr): Failure
}

/** Makes the transport's dials end with their signal, as soon as there is nobody, and with a Failure. */
export function dialOverUdp(transport: Transport, { onSecured, failureOf }: Hooks): void {
  const dial = transport.dial.bind(transport)
  transport.dial = async (addr, options) => {
    options.signal.throwIfAborted()
    const over = new AbortController()
    const failed = new AbortController()
    const signal = AbortSignal.any([options.signal, failed.signal])
    const upgradeOutbound: Upgrader['upgradeOutbound'] = async (connection: MultiaddrConnection, init) => {
      signal.throwIfAborted()
      onSecured()
      return await options.upgrader.upgradeOutbound(connection, init)
    }
    const upgrader = Object.create(options.upgrader, { upgradeOutbound: { value: upgradeOutbound } })
    const dialing: Promise<Connection> = dial(addr, { ...options, signal, upgrader })
    try {
      return await Promise.race([dialing, aborted(options.signal, over.signal), refused(addr, over.signal)])
    } catch (error) {
      failed.abort(error)
      options.signal.throwIfAborted()
      throw error instanceof Failure ? error : failureOf(error, addr)
    } finally {
      over.abort()
    }
  }
}

function aborted(signal: AbortSignal, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { signal: over })
  })
}

/**
 * Rejects where nobody has the port (ICMP). Only a socket that is connected hears of it, so one of our own sends an
 * empty datagram, which neither QUIC nor STUN takes for anything.
 */
function refused(addr: Multiaddr, over: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const ip = ipOf(addr)
    const port = addr.getComponents().find(({ name }) => name === 'udp')?.value
    if (ip == null || port == null) return
    const ask = (): void => {
      const socket = createSocket(isIP(ip) === 6 ? 'udp6' : 'udp4')
      const tell = (error?: Error | null): void => {
        const code = codeOfErrno(error)
        if (code != null) reject(new Failure(code, codes[code].says, { phase: 'connect', cause: error }))
      }
      socket.on('error', tell)
      // libuv and Node give the error of a connect that fails at once to the callback alone
      socket.connect(Number(port), ip, ((error?: Error) =>
        error == null ? socket.send('') : tell(error)) as () => void)
      over.addEventListener('abort', () => socket.close(), { once: true })
    }
    const timer = setTimeout(ask, ASK_AFTER_MS)
    over.addEventListener('abort', () => clearTimeout(timer), { once: true })
  })
}
