import { once } from 'node:events'
import { createServer, connect as dialTcp, type AddressInfo, type Server, type Socket } from 'node:net'
import forward, { type Options as ForwardOptions } from '../../src/commands/forward.ts'
import listen, { type Options as ListenOptions } from '../../src/commands/listen.ts'
import { begin, type Begun } from './collect.ts'
import { startRelay } from './relay.ts'

export const PROTOCOL = '/x/test'
export type Way = 'tcp' | 'quic' | 'circuit'

export interface Tunnel extends AsyncDisposable {
  near: Begun
  far: Begun
  /** Of 127.0.0.1, where `forward` takes connections. */
  port: number
  connect(): Promise<Socket>
}

export interface TunnelOptions {
  way?: Way
  near?: Partial<ForwardOptions>
  far?: Partial<ListenOptions>
}

/** Both ends, in this process: TCP connections to `port` come out at `to`. */
export async function tunnel(to: string, { way = 'tcp', near, far }: TunnelOptions = {}): Promise<Tunnel> {
  const relay = way === 'circuit' ? await startRelay() : null
  const where = {
    tcp: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    quic: { listen: ['/ip4/127.0.0.1/udp/0/quic-v1'] },
    circuit: { circuit: [relay?.addr ?? ''] }
  }[way]
  const listener = begin(listen, { maxMessage: 1 << 20, protocol: PROTOCOL, forward: to, ...where, ...far })
  const [target = ''] = (await listener.next('listen.ready')).addrs
  const forwarder = begin(forward, { target, local: '0', protocol: PROTOCOL, timeout: 10_000, ...near })
  const port = Number((await forwarder.next('forward.ready')).local_addr.split(':').at(-1))
  return {
    near: forwarder,
    far: listener,
    port,
    connect: () => connectTo(port),
    async [Symbol.asyncDispose]() {
      await forwarder[Symbol.asyncDispose]()
      await listener[Symbol.asyncDispose]()
      await relay?.[Symbol.asyncDispose]()
    }
  }
}

export async function connectTo(port: number): Promise<Socket> {
  const socket = dialTcp({ port, host: '127.0.0.1', allowHalfOpen: true })
  // whoever reads it hears of it
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

export interface Service extends AsyncDisposable {
  server: Server
  port: number
  /** `127.0.0.1:port` */
  place: string
}

/** A TCP server that does with each connection as it is told. */
export async function service(onSocket: (socket: Socket) => void): Promise<Service> {
  return await listening(createServer({ allowHalfOpen: true }, onSocket))
}

export async function listening(server: Server): Promise<Service> {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    server,
    port,
    place: `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
    }
  }
}

/** Everything that comes until the other side ends, or the code of what broke it. */
export async function readAll(socket: Socket): Promise<Buffer | string> {
  const parts: Buffer[] = []
  try {
    for await (const part of socket.iterator({ destroyOnReturn: false })) parts.push(part as Buffer)
    return Buffer.concat(parts)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code ?? String(error)
  }
}
