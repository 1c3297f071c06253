import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

/** A TCP service that sends back what it gets. */
export async function echo(): Promise<{ port: number } & AsyncDisposable> {
  const server = createServer({ allowHalfOpen: true }, socket => socket.on('error', () => {}).pipe(socket))
  await once(server.listen(0, '127.0.0.1'), 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
    }
  }
}

/** What comes back of a text, before our own way ends: Kubo ends both as soon as one of them does. */
export async function echoed(port: number, sent: string): Promise<string> {
  const socket = connect(port, '127.0.0.1').setTimeout(10_000, () => socket.destroy(new Error('no echo')))
  socket.write(sent)
  const [came] = await once(socket, 'data')
  socket.destroy()
  return String(came)
}
