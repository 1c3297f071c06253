import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'

export interface SilentPeer extends AsyncDisposable {
  addr: string
  /** Resolves once somebody has connected. */
  dialed: Promise<unknown>
}

/** A TCP server that takes connections and never says a word: whoever dials it hangs. */
export async function silentPeer(): Promise<SilentPeer> {
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {}).resume()
  })
  const dialed = once(server, 'connection')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    addr: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`,
    dialed,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}
