/** Where TCP connections of this machine come in. */
import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { listenFailure } from './node.ts'
import { type Place, placeText } from './place.ts'
import { resetSocket } from './protocols/socket.ts'

export interface Door extends Disposable {
  /** With the real port. */
  place: Place
  /** Gives each connection from now on, and those that were made before. */
  onSocket(take: (socket: Socket) => void): void
}

/** Listens; a connection is not read before its stream is there. Throws Failure. */
export async function openDoor(place: Place): Promise<Door> {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true, keepAlive: true })
  // a client may reset at any time; where that matters it is heard of elsewhere
  server.on('connection', socket => socket.on('error', () => {}))
  const early: Socket[] = []
  let take = (socket: Socket): unknown => early.push(socket)
  server.on('connection', socket => void take(socket))
  const text = placeText(place)
  const listen = async (): Promise<void> => {
    try {
      server.listen('path' in place ? { path: place.path } : place)
      await once(server, 'listening')
    } catch (cause) {
      throw listenFailure(text, cause)
    }
  }
  if ('path' in place) await (await import('./transports/unix.ts')).bindUnix(place.path, text, listen)
  else await listen()
  const bound = server.address()
  return {
    place: bound == null || typeof bound === 'string' ? place : { host: bound.address, port: bound.port },
    onSocket(taker) {
      take = taker
      for (const socket of early.splice(0)) taker(socket)
    },
    [Symbol.dispose]: () => {
      server.close()
      early.forEach(resetSocket)
    }
  }
}
