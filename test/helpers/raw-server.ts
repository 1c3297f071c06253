import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

export interface RawServer extends AsyncDisposable {
  port: number
  /** Of TCP, without a peer ID. */
  addr: string
  /** How many sockets have come. */
  readonly count: number
  /** The first socket that comes, or has come, as soon as it is closed. */
  closed: Promise<void>
}

/** A TCP server on a free port of 127.0.0.1 that does with each socket as it is told. */
export async function rawServer(onSocket: (socket: Socket) => void = () => {}): Promise<RawServer> {
  const sockets = new Set<Socket>()
  const closed = Promise.withResolvers<void>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => closed.resolve())
    onSocket(socket)
    // without a reader the end of the other side would never be seen
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  return {
    port,
    addr: `/ip4/127.0.0.1/tcp/${port}`,
    get count() {
      return sockets.size
    },
    closed: closed.promise,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    }
  }
}

/** A port of 127.0.0.1 where nobody listens, now and until the process ends: it is the near end of a connection. */
export async function closedPort(): Promise<number> {
  const server = createServer(far => far.unref())
    .unref()
    .listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as { port: number }).port, '127.0.0.1').unref()
  await once(socket, 'connect')
  return socket.localPort!
}

/** A line of multistream-select, behind its length. */
export function multistream(line: string): Buffer {
  return Buffer.concat([Buffer.of(line.length + 1), Buffer.from(`${line}\n`)])
}
