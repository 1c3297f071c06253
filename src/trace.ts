/**
 * What js-libp2p hides of a dial: when each phase began and ended, and which error the network gave.
 * libp2p 3.3 has no event for an address that failed, its upgrader drops the cause of an error, and Node's WebSocket
 * says "network error" to everything; so the encrypters are wrapped and the sockets watched.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'
import type { ConnectionEncrypter } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { noteHandshakes } from './handshake.ts'
import { looksRandom, strangerIn } from './stranger.ts'

/** One dial as it goes on. Times are those of `performance.now()`, in ms. */
export interface Trace {
  startedAt: number
  /** What is dialed, once it is. */
  addr?: Multiaddr
  /** Its transport is a circuit through a relay that is connected already. */
  relayed: boolean
  /** Of the key that protects it in a private network (psk.ts); null in the open. */
  fingerprint: string | null
  /** The peer began with what a peer in a private network begins with, and nobody else is known to: random bytes. */
  nonce?: boolean
  /** It answered in the open where a private network was asked for, or, asked on purpose, it did not. */
  inTheOpen?: boolean
  /** Called once the peer is to show that it has the key. */
  onProtect?: () => void
  /** What was opened for it, if anything: Node's WebSocket refuses some ports without trying. */
  socket?: Socket
  /** What has come from the other side since the transport is connected. */
  receivedBytes: number
  /** What answered, where its first bytes show that it is not libp2p: `an SSH server answered (SSH-2.0-OpenSSH_9.2)`. */
  stranger?: string
  /** For WebRTC: there is a circuit to the peer, over which it is signalled. */
  relayedAt?: number
  /** For WebRTC: the peer has answered the offer, and both look for a way to each other. */
  signalledAt?: number
  /** A WebSocket server has answered with all of its headers. */
  answered?: boolean
  /** More came than may before the peer has shown who it is. */
  tooEarly?: boolean
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
        if (event.type === 'webrtc:read-ice-candidates') trace.signalledAt = performance.now()
        // the last one counts: a dial through a relay may connect to the relay first
        if (event.type !== 'upgrader:encrypt-outbound-connection' || trace.fingerprint != null) return
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

export function newTrace(fingerprint: string | null): Trace {
  return { startedAt: performance.now(), relayed: false, earlyMuxer: false, receivedBytes: 0, fingerprint }
}

/** The trace of the dial that this is part of, if it is part of one. */
export function currentTrace(): Trace | undefined {
  return traces.getStore()
}

/** Runs what is no part of the dial that it is called in. */
export function untraced<T>(run: () => T): T {
  return traces.exit(run)
}

/** Waits for what is no time of the peer, as code of our own that is read: no clock of the dial sees it. */
export async function stopClock<T>(wait: Promise<T>): Promise<T> {
  const trace = traces.getStore()
  const from = performance.now()
  const value = await wait
  const ms = performance.now() - from
  if (trace != null) {
    trace.startedAt += ms
    if (trace.connectedAt != null) trace.connectedAt += ms
  }
  return value
}

/** Wraps the factory of an encrypter, so that outbound handshakes are seen by the trace that they belong to. */
export function tracedEncrypter<C>(factory: (components: C) => ConnectionEncrypter) {
  return noteHandshakes(factory, () => traces.getStore())
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
    watchForNonce(socket, trace)
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
      if (trace.connectedAt == null)
        trace.answered ||= Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length).includes('\r\n\r\n')
    }
    const more = push.call(socket, chunk, encoding)
    // libp2p would read a banner as the length of a message, and wait for the rest until the time is over
    if (trace.stranger != null) setImmediate(() => socket.destroy())
    return more
  }
}

/** The same for the first bytes of a peer in a private network, which come before anything else, in a WebSocket too. */
function watchForNonce(socket: Socket, trace: Trace): void {
  const push = socket.push
  socket.push = (chunk, encoding) => {
    const first = chunk instanceof Uint8Array ? behindWebSocket(chunk) : null
    if (first != null && first.length > 0) {
      trace.nonce = looksRandom(first)
      socket.push = push
    }
    const more = push.call(socket, chunk, encoding)
    if (trace.nonce === true && trace.fingerprint == null) setImmediate(() => socket.destroy())
    return more
  }
}

/** What the peer said, without the answer to the upgrade and the head of a frame. */
function behindWebSocket(chunk: Uint8Array): Uint8Array {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length)
  const upgraded = bytes.subarray(0, 12).toString('latin1') === 'HTTP/1.1 101'
  const inside = upgraded ? bytes.subarray(bytes.indexOf('\r\n\r\n') + 4) : bytes
  return inside[0] === BINARY_FRAME && inside[1]! < 126 ? inside.subarray(2, 2 + inside[1]!) : inside
}

/** https://www.rfc-editor.org/rfc/rfc6455#section-5.2: a whole message of bytes, its length in the next byte. */
const BINARY_FRAME = 0x82
