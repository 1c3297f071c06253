// Ten peers, each broken in another way, for `p2pctl dial --each` to find out: `npx node bench/broken-peers.ts > broken.txt`.
// Prints one target a line with what is wrong behind #, and runs until ^C.
import { once } from 'node:events'
import { createServer as createHttp } from 'node:http'
import { createServer, type Socket } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createLibp2p, type Libp2pOptions } from 'libp2p'

const NOBODY = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

async function peer(options: Partial<Libp2pOptions> = {}): Promise<string> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    ...options
  })
  return node.getMultiaddrs()[0]!.toString()
}

async function server(serve: (socket: Socket) => void): Promise<string> {
  const listening = createServer(socket => {
    socket.on('error', () => {})
    serve(socket)
    socket.resume()
  }).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  return `/ip4/127.0.0.1/tcp/${(listening.address() as { port: number }).port}`
}

async function web(): Promise<string> {
  const listening = createHttp((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
  await once(listening, 'listening')
  return `/ip4/127.0.0.1/tcp/${(listening.address() as { port: number }).port}`
}

async function refusing(): Promise<string> {
  const closed = createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as { port: number }
  closed.close()
  return `/ip4/127.0.0.1/tcp/${port}`
}

/** A factory of libp2p under another protocol name, which nobody else has. */
const renamed = <C, F extends { protocol: string }>(factory: (components: C) => F, protocol: string) => {
  return (components: C) => Object.assign(factory(components), { protocol })
}

async function silentIdentify(): Promise<string> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()]
  })
  await node.handle('/ipfs/id/1.0.0', () => {})
  return node.getMultiaddrs()[0]!.toString()
}

const targets: [string, string][] = [
  [await refusing(), 'nobody listens'],
  [(await peer()).replace(/[^/]+$/, NOBODY), 'another peer lives there'],
  [await server(socket => void socket.write('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n')), 'an SSH server'],
  [await web(), 'an HTTP server, and the /ws was forgotten'],
  [`${await web()}/ws`, 'an HTTP server that knows no WebSocket'],
  [await server(() => {}), 'it accepts and never says a word'],
  [await peer({ connectionEncrypters: [renamed(noise(), '/other/1.0.0')] }), 'no security protocol in common'],
  [await peer({ streamMuxers: [renamed(yamux(), '/other/1.0.0')] }), 'no muxer in common'],
  [
    await peer({ connectionGater: { denyInboundUpgradedConnection: () => true }, services: { identify: identify() } }),
    'its gater refuses us'
  ],
  [await silentIdentify(), 'it connects and never answers identify']
]
process.stdout.write(`${targets.map(([addr, fault]) => `${addr}   # ${fault}`).join('\n')}\n`)
// the sockets keep it alive until ^C
