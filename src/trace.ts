/**
 * What js-libp2p hides of a dial: when each phase began and ended, and which error the network gave.
 * libp2p 3.3 has no event for an address that failed, its upgrader drops the cause of an error, and Node's WebSocket
 * says "network error" to everything; so the encrypters are wrapped and the sockets watched.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { ConnectionEncrypter, SecureConnectionOptions } from '@libp2p/interface'
import { strangerIn } from './stranger.ts'

/** One dial as it goes on. Times are those of `performance.now()`, in ms. */
export interface Trace {
  startedAt: number
  /** Its transport is a circuit through a relay that is connected already. */
  relayed: boolean
  /** What was opened for it, if anything: Node's WebSocket refuses some ports without trying. */
  socket?: Socket
  /** What has come from the other side since the transport is connected. */
  receivedBytes: number
  /** What answered, where its first bytes show that it is not libp2p: `an SSH server answered (SSH-2.0-OpenSSH_9.2)`. */
  stranger?: string
  /** The transport is connected, and the security protocol is about to be negotiated. */
  connectedAt?: number
  /** Both sides have agreed on a security protocol. */
  agreedAt?: number
  /** The peer has shown its identity. */
  securedAt?: number
  /** The muxer came with the security handshake and cost no round trip of its own. */
  earlyMuxer: boolean
  /** The error of the socket, before libp2p or undici replaced it. */
  socketError?: NodeJS.ErrnoException
  /** The error of the security handshake, before the upgrader replaced it. */
  securityError?: Error
  /** What a server answered that is no WebSocket. */
  httpStatus?: number
}

interface ProgressEvent {
  type: string
}

const traces = new AsyncLocalStorage<Trace>()
let watching = false

/** Run a dial and keep what can be seen of it in `trace`. */
export async function traceDial<T>(trace: Trace, dial: (onProgress: (event: ProgressEvent) => void) => Promise<T>) {
  watchSockets()
  try {
    return await traces.run(trace, () =>
      dial(event => {
        // the last one counts: a dial through a relay may connect to the relay first
        if (event.type !== 'upgrader:encrypt-outbound-connection') return
        trace.connectedAt = performance.now()
        trace.receivedBytes = 0
      })
    )
  } catch (error) {
    // a WebSocket that is given up while it connects is left open (@libp2p/websockets 10.1)
    trace.socket?.destroy()
    throw error
  }
}

/** The dial that this is a part of, if any. */
export function currentTrace(): Trace | undefined {
  return traces.getStore()
}

export function newTrace(): Trace {
  return { startedAt: performance.now(), relayed: false, earlyMuxer: false, receivedBytes: 0 }
}

/** Wraps the factory of an encrypter, so that outbound handshakes are seen by the trace that they belong to. */
export function tracedEncrypter<C>(
  factory: (components: C) => ConnectionEncrypter
): (components: C) => ConnectionEncrypter {
  return components => {
    const encrypter = factory(components)
    const secureOutbound = encrypter.secureOutbound.bind(encrypter)
    encrypter.secureOutbound = async (stream, options?: SecureConnectionOptions) => {
      const trace = traces.getStore()
      if (trace != null) trace.agreedAt = performance.now()
      try {
        const secured = await secureOutbound(stream, options)
        if (trace != null) {
          trace.securedAt = performance.now()
          trace.earlyMuxer = secured.streamMuxer != null
        }
        return secured
      } catch (error) {
        if (trace != null && error instanceof Error) trace.securityError = error
        throw error
      }
    }
    return encrypter
  }
}

function watchSockets(): void {
  if (watching) return
  watching = true
  subscribe('net.client.socket', message => {
    const trace = traces.getStore()
    if (trace == null) return
    const { socket } = message as { socket: Socket }
    trace.socket = socket
    watchFirstBytes(socket, trace)
    socket.once('error', error => {
      trace.socketError ??= error
    })
  })
  subscribe('undici:request:headers', message => {
    const trace = traces.getStore()
    if (trace != null) trace.httpStatus = (message as { response: { statusCode: number } }).response.statusCode
  })
  subscribe('undici:request:error', message => {
    const trace = traces.getStore()
    if (trace != null) trace.socketError ??= (message as { error: NodeJS.ErrnoException }).error
  })
}

/**
 * Looks at what comes in before anybody else has it. Every way to listen for data would set the stream flowing and take
 * it from libp2p; `push` is where a socket hands over what it has read (Node 22 to 24).
 */
function watchFirstBytes(socket: Socket, trace: Trace): void {
  const push = socket.push
  socket.push = (chunk, encoding) => {
    if (chunk instanceof Uint8Array) {
      const first = trace.receivedBytes === 0
      trace.receivedBytes += chunk.length
      if (first) trace.stranger = strangerIn(chunk, trace.connectedAt == null)
    }
    const more = push.call(socket, chunk, encoding)
    // libp2p would read a banner as the length of a message, and wait for the rest until the time is over
    if (trace.stranger != null) setImmediate(() => socket.destroy())
    return more
  }
}
