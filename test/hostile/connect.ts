/** Before a byte of libp2p: what a host does to a connection. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { noNetwork, ownNetwork } from '../helpers/own-network.ts'
import { closedPort } from '../helpers/raw-server.ts'
import { hostileSocket } from './peers.ts'
import { dialerRow, type HostilePeer, type Over, type Row } from './rows.ts'

const failed = (code: string, phase = 'connect', exit = 1) => ({ code, exit, phase })
const all = ['dial', 'ping', 'send', 'perf', 'forward', 'peers --dial', 'relay check', 'relay reserve'] as const
const usual = { over: ['tcp', 'ws'], commands: all } as const

/** A host in a network that p2pctl has for itself. */
const away =
  (prepare: string) =>
  async (over: Over): Promise<HostilePeer> => ({
    addr: `/ip4/198.51.100.7/tcp/4001${over === 'ws' ? '/ws' : ''}`,
    within: [...ownNetwork, 'sh', '-c', `${prepare} && exec "$@"`, 'sh'],
    async [Symbol.asyncDispose]() {}
  })

/** Listens with a backlog of one, and stands still from then on. */
const STANDS_STILL = `
  const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
    require('node:fs').writeSync(1, server.address().port + ';')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`

async function fullBacklog(over: Over): Promise<HostilePeer> {
  const child = spawn(process.execPath, ['-e', STANDS_STILL], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [said] = await once(child.stdout, 'data')
  const port = Number.parseInt(String(said), 10)
  // Linux holds one more than the backlog, and drops the first packet of every other
  const waiting = [connect(port, '127.0.0.1'), connect(port, '127.0.0.1')]
  for (const socket of waiting) socket.on('error', () => {})
  await Promise.all(waiting.map(socket => once(socket, 'connect')))
  return {
    addr: `/ip4/127.0.0.1/tcp/${port}${over === 'ws' ? '/ws' : ''}`,
    async [Symbol.asyncDispose]() {
      for (const socket of waiting) socket.destroy()
      child.kill('SIGKILL')
      if (child.exitCode == null && child.signalCode == null) await once(child, 'exit')
    }
  }
}

export const connectRows: Row[] = [
  dialerRow('connect', usual, {
    id: 'refused',
    says: 'nobody listens on the port',
    expect: failed('connection_refused'),
    start: async over => ({
      addr: `/ip4/127.0.0.1/tcp/${await closedPort()}${over === 'ws' ? '/ws' : ''}`,
      async [Symbol.asyncDispose]() {}
    })
  }),
  dialerRow('connect', usual, {
    id: 'blackhole',
    says: 'every packet is swallowed',
    expect: failed('io_timeout'),
    skip: noNetwork(),
    start: away('ip link set lo up && ip route add 198.51.100.0/24 dev lo')
  }),
  dialerRow('connect', usual, {
    id: 'backlog',
    says: 'accepts nobody, and has as many waiting as it can',
    expect: failed('io_timeout'),
    start: fullBacklog
  }),
  dialerRow('connect', usual, {
    id: 'unreachable',
    says: 'a router says that the host is not there',
    expect: failed('no_route'),
    skip: noNetwork(),
    start: away('ip link set lo up && ip route add unreachable 198.51.100.0/24')
  }),
  dialerRow(
    'connect',
    { over: ['tcp'], commands: all },
    {
      id: 'reset',
      says: 'resets each connection as it comes',
      // it may come before the connection was seen, or behind it
      expect: { code: 'connection_reset', exit: 1 },
      start: over => hostileSocket(over, socket => socket.resetAndDestroy())
    }
  ),
  dialerRow(
    'connect',
    { over: ['ws'], commands: all },
    {
      id: 'reset-ws',
      says: 'resets each connection before it is a WebSocket',
      expect: failed('connection_reset'),
      start: over => hostileSocket(over, socket => socket.resetAndDestroy())
    }
  ),
  dialerRow(
    'connect',
    { over: ['tcp'], commands: all },
    {
      id: 'fin',
      says: 'ends each connection as it comes',
      expect: failed('connection_reset', 'security'),
      start: over => hostileSocket(over, socket => socket.end())
    }
  ),
  dialerRow(
    'connect',
    { over: ['ws'], commands: all },
    {
      id: 'fin-ws',
      says: 'ends each connection before it is a WebSocket',
      expect: failed('connection_reset'),
      start: over => hostileSocket(over, socket => socket.end())
    }
  ),
  dialerRow(
    'connect',
    { over: ['ws'], commands: all },
    {
      id: 'ws-silent',
      says: 'never answers the request for a WebSocket',
      expect: failed('io_timeout'),
      start: over => hostileSocket(over, () => {})
    }
  ),
  dialerRow(
    'connect',
    { over: ['ws'], commands: all },
    {
      id: 'ws-403',
      says: 'answers 403 to the request for a WebSocket',
      expect: failed('security_failed', 'connect', 6),
      start: over => hostileSocket(over, socket => socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n'))
    }
  ),
  dialerRow(
    'connect',
    { over: ['ws'], commands: ['dial', 'ping', 'send'] },
    {
      id: 'ws-endless-headers',
      says: 'sends headers without an end instead of a WebSocket',
      expect: failed('security_failed', 'connect', 6),
      start: over =>
        hostileSocket(over, socket => {
          socket.write('HTTP/1.1 101 Switching Protocols\r\n')
          const line = Buffer.from(`x-filler: ${'a'.repeat(1000)}\r\n`)
          const more = (): void => {
            for (let sent = 0; sent < 64 && socket.writable; sent++) socket.write(line)
          }
          socket.on('drain', more)
          more()
        })
    }
  ),
  ...(
    [
      ['opcode', 'a frame of a kind that there is not', [0xbf, 0x00]],
      ['masked', 'a frame that is masked', [0x82, 0x81, 1, 2, 3, 4, 0x40]]
    ] as const
  ).map(([name, says, frame]) =>
    dialerRow(
      'connect',
      { over: ['ws'], commands: all },
      {
        id: `ws-${name}`,
        says: `answers as a WebSocket, and sends ${says}`,
        expect: failed('connection_reset', 'security'),
        start: over => hostileSocket(over, socket => answerUpgrade(socket, Uint8Array.from(frame)))
      }
    )
  )
]

/** Takes the request for a WebSocket as https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2 has it, and then says this. */
function answerUpgrade(socket: Socket, then: Uint8Array): void {
  let request = ''
  socket.on('data', bytes => {
    request += bytes.toString('latin1')
    const key = /^sec-websocket-key: (.*)\r$/im.exec(request)?.[1]
    if (key == null || !request.includes('\r\n\r\n')) return
    socket.removeAllListeners('data').resume()
    const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
    socket.write(`${[...head, `Sec-WebSocket-Accept: ${accept}`].join('\r\n')}\r\n\r\n`)
    socket.write(then)
  })
}
