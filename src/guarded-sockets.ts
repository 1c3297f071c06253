/** The sockets below a guarded transport: those that come in ask the gate first, and their bytes are counted. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Server as HttpServer, IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Server as TlsServer } from 'node:tls'
import type { Listener } from '@libp2p/interface'
import { Failure } from './errors.ts'
import type { Gate, Guest } from './gate.ts'
import { resetSocket } from './protocols/socket.ts'
import { currentTrace } from './trace.ts'

interface Visit {
  gate: Gate
  guest: Guest
}

const visits = new AsyncLocalStorage<Visit>()

/** Runs what is part of a connection that comes in or is dialed. */
export function visit<T>(visit: Visit, run: () => T): T {
  return visits.run(visit, run)
}

/** The connection that this is part of, if it is part of one. */
export function visiting(): Visit | undefined {
  return visits.getStore()
}

export function tooEarly(): Failure {
  const message = 'the peer sent more than it may before it has shown who it is'
  return new Failure('security_failed', message, { phase: 'security' })
}

/** What @libp2p/tcp 11.0 and @libp2p/websockets 10.1 keep to themselves; the listeners of others have none of it. */
interface Served {
  server?: Server
  /** For ws and wss, once they listen. */
  http?: HttpServer
  https?: HttpServer & TlsServer
  wsServer?: { options: { maxPayload: number } }
}

/** The largest WebSocket message: `ws` keeps up to 100 MiB of one that has not ended (8.18), and libp2p sends 64 KiB. */
const MAX_MESSAGE = 2 ** 20

/**
 * Asks the gate for each socket, in place of the library. That has no word in it before the upgrade, and knows nothing
 * of a socket that never asks for a WebSocket: it does not count it, end it, or close it with the listener.
 */
export function guardListener(listener: Listener, gate: Gate): Listener {
  const served = listener as Listener & Served
  const { server, wsServer } = served
  if (server == null) return listener
  if (wsServer != null) wsServer.options.maxPayload = MAX_MESSAGE
  const [accept] = server.listeners('connection') as ((socket: Socket) => void)[]
  server.removeAllListeners('connection')
  server.on('connection', (socket: Socket) => {
    const guest = gate.arrive(addrOf(socket), socket.remoteAddress ?? null, true)
    if (guest == null) return resetSocket(socket)
    guest.cut = () => resetSocket(socket)
    guest.release = () => void socket.resume()
    socket.once('close', () => gate.leave(guest))
    countBytes(socket, { gate, guest })
    gate.begin(guest, () => visit({ gate, guest }, () => accept!.call(server, socket)))
  })
  const listen = listener.listen.bind(listener)
  listener.listen = async addr => {
    const listening = listen(addr)
    // TLS takes the bytes from the system itself, and gives them to a socket of its own
    served.https?.prependListener('secureConnection', socket => {
      const current = visiting()
      if (current != null) countBytes(socket, current)
    })
    if (served.http != null) answerRequests(served.http)
    if (served.https != null) answerRequests(served.https)
    await listening
  }
  return listener
}

/** Its own answer leaves the connection open for another request, and so a place taken (@libp2p/websockets 10.1). */
function answerRequests(server: HttpServer): void {
  server.removeAllListeners('request')
  server.on('request', (_: IncomingMessage, response: ServerResponse) => {
    response.writeHead(400, { 'Content-Type': 'text/plain', Connection: 'close' })
    response.end('Only WebSocket connections are supported\n')
  })
}

/** `push` is where a socket hands over what it has read (Node 22 to 24): a listener for data would take it from libp2p. */
function countBytes(socket: Socket, { gate, guest }: Visit): void {
  guest.counted = true
  const push = socket.push
  socket.push = (chunk, encoding) => {
    const taken = chunk instanceof Uint8Array ? gate.takes(guest, chunk.length) : 'yes'
    if (taken === 'no') return false
    const more = push.call(socket, chunk, encoding)
    // after what came was given on: the last word of the handshake may be in it
    if (taken === 'hold') socket.pause()
    return more
  }
}

let watching = false

/** The sockets that are made for a dial belong to it. */
export function watchSockets(): void {
  if (watching) return
  watching = true
  subscribe('net.client.socket', message => {
    const current = visits.getStore()
    if (current == null || current.guest.inbound || current.guest.proven) return
    const { socket } = message as { socket: Socket }
    const trace = currentTrace()
    current.guest.cut = () => {
      if (trace != null) trace.tooEarly = true
      socket.destroy(tooEarly())
    }
    current.guest.release = () => void socket.resume()
    countBytes(socket, current)
  })
}

function addrOf({ remoteFamily, remoteAddress, remotePort }: Socket): string {
  if (remoteAddress == null) return '/unix'
  return `/${remoteFamily === 'IPv6' ? 'ip6' : 'ip4'}/${remoteAddress.replace(/%.*$/, '')}/tcp/${remotePort}`
}
