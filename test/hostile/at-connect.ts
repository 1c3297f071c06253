/** Sockets that come, and do not say who they are. */
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { fateOf, HEADER, openSocket, openWire, upgradeRequest, webSocketFrame, wireOf } from './at-wire.ts'
import { multistream } from '../helpers/raw-server.ts'
import { UPGRADE_MS } from './at-serving.ts'
import type { Socket } from 'node:net'

/** What says nothing is ended when the time for an upgrade is over. */
const TIMED_OUT_MS = UPGRADE_MS + 1500

const closedOf = (socket: Socket): Promise<void> =>
  socket.destroyed ? Promise.resolve() : new Promise(resolve => socket.once('close', () => resolve()).resume())

async function sockets(target: Target, count: number, source = target.newSource()): Promise<Socket[]> {
  return await Promise.all(Array.from({ length: count }, () => openSocket(target, source)))
}

/** Each of them from an address that has four. */
async function fromEverywhere(target: Target, count: number): Promise<Socket[]> {
  const groups = Array.from({ length: count / 4 }, () => sockets(target, 4))
  return (await Promise.all(groups)).flat()
}

async function drip(socket: Socket, text: string): Promise<void> {
  for (const byte of Buffer.from(text)) {
    if (!socket.writable) return
    socket.write(Buffer.of(byte))
    await sleep(1000, undefined, { ref: false })
  }
}

export const connectRows: AtRow[] = [
  listenerRow('connect', {
    id: 'silent-200',
    says: '200 sockets of one address say nothing',
    over: ['tcp', 'ws'],
    fate: 'closed',
    withinMs: TIMED_OUT_MS,
    async attack(target) {
      return await fateOf(target, ...(await sockets(target, 200)).map(closedOf))
    }
  }),
  listenerRow('connect', {
    id: 'slowloris',
    says: 'says its first line one byte a second, on 4 sockets each of 10 addresses',
    over: ['tcp', 'ws'],
    fate: 'closed',
    withinMs: TIMED_OUT_MS,
    async attack(target) {
      const all = await fromEverywhere(target, 40)
      const line = target.over === 'ws' ? upgradeRequest(target) : multistream(HEADER).toString()
      for (const socket of all) void drip(socket, line)
      return await fateOf(target, ...all.map(closedOf))
    }
  }),
  ...(['FIN', 'RST'] as const).map(end =>
    listenerRow('connect', {
      id: `${end.toLowerCase()}-storm`,
      says: `500 sockets end with ${end} as soon as they are there`,
      over: ['tcp', 'ws'],
      fate: null,
      async attack(target) {
        for (let round = 0; round < 25; round++) {
          for (const socket of await sockets(target, 20)) {
            if (end === 'FIN') socket.end()
            else socket.resetAndDestroy()
          }
        }
        return 'gone'
      }
    })
  ),
  listenerRow('connect', {
    id: 'half-an-upgrade',
    says: '40 requests for a WebSocket whose headers never end',
    over: ['ws'],
    fate: 'closed',
    withinMs: TIMED_OUT_MS,
    async attack(target) {
      const all = await fromEverywhere(target, 40)
      for (const socket of all) socket.write(upgradeRequest(target).slice(0, -2))
      return await fateOf(target, ...all.map(closedOf))
    }
  }),
  listenerRow('connect', {
    id: 'silent-websocket',
    says: '40 WebSockets are open and say nothing',
    over: ['ws'],
    fate: 'closed',
    withinMs: TIMED_OUT_MS,
    async attack(target) {
      const all = await fromEverywhere(target, 40)
      for (const socket of all) socket.write(upgradeRequest(target))
      return await fateOf(target, ...all.map(closedOf))
    }
  }),
  listenerRow('connect', {
    id: 'http-garbage',
    says: 'sends what is neither HTTP nor libp2p',
    over: ['ws', 'tcp'],
    fate: 'closed',
    async attack(target) {
      const socket = await openSocket(target)
      socket.write(Buffer.alloc(4096, '\x00\xff\r\n'))
      return await fateOf(target, closedOf(socket))
    }
  }),
  listenerRow('connect', {
    id: 'http-request',
    says: 'takes the port of TCP for a website',
    fate: 'closed',
    withinMs: TIMED_OUT_MS,
    async attack(target) {
      const socket = await openSocket(target)
      socket.write(`GET / HTTP/1.1\r\nHost: ${target.host}\r\nUser-Agent: curl/8\r\nAccept: */*\r\n\r\n`)
      return await fateOf(target, closedOf(socket))
    }
  }),
  listenerRow('connect', {
    id: 'http-keep-alive',
    says: 'takes the port of WebSocket for a website, on 40 connections that are to stay open',
    over: ['ws'],
    fate: 'closed',
    async attack(target) {
      const all = await fromEverywhere(target, 40)
      for (const socket of all) {
        socket.write(`GET / HTTP/1.1\r\nHost: ${target.host}\r\nConnection: keep-alive\r\n\r\n`)
      }
      return await fateOf(target, ...all.map(closedOf))
    }
  }),
  listenerRow('connect', {
    id: 'tls-hello',
    says: 'begins with the ClientHello of TLS',
    over: ['tcp', 'ws'],
    fate: 'closed',
    async attack(target) {
      const socket = await openSocket(target)
      socket.write(Buffer.concat([Buffer.from('16030100ba010000b60303', 'hex'), Buffer.alloc(179, 0x5a)]))
      return await fateOf(target, closedOf(socket))
    }
  }),
  listenerRow('connect', {
    id: 'websocket-99-mib',
    says: 'one message of 99 MiB before it has said who it is',
    over: ['ws'],
    fate: 'closed',
    async attack(target) {
      const wire = await openWire(target)
      // as a frame that claims them all, whose bytes come bit by bit
      const socket = await openSocket(target)
      socket.write(upgradeRequest(target))
      const raw = wireOf(socket, bytes => bytes)
      await raw.write(webSocketFrame(new Uint8Array(0), 99 << 20))
      const mib = Buffer.alloc(1 << 20, 0x13)
      for (let sent = 0; sent < 99 && !raw.isClosed; sent++) await Promise.race([raw.write(mib), raw.closed])
      wire.reset()
      return await fateOf(target, raw.closed)
    }
  }),
  ...(
    [
      ['opcode', 'a frame of WebSocket of a kind that there is not', [0xbf, 0x80, 1, 2, 3, 4]],
      ['unmasked', 'a frame of WebSocket that is not masked', [0x82, 0x01, 0x41]],
      ['close-code', 'the end of a WebSocket with a code that there is not', [0x88, 0x82, 0, 0, 0, 0, 0, 1]]
    ] as const
  ).map(([name, says, frame]) =>
    listenerRow('connect', {
      id: `websocket-${name}`,
      says,
      over: ['ws'],
      fate: 'closed',
      async attack(target) {
        const socket = await openSocket(target)
        socket.write(upgradeRequest(target))
        await once(socket, 'data')
        socket.write(Uint8Array.from(frame))
        return await fateOf(target, closedOf(socket))
      }
    })
  ),
  listenerRow('connect', {
    id: 'descriptors',
    says: '200 sockets of one address, where 80 descriptors are all there are',
    over: ['tcp', 'ws'],
    commands: ['listen, few descriptors'],
    fate: 'closed',
    withinMs: TIMED_OUT_MS,
    async attack(target) {
      return await fateOf(target, ...(await sockets(target, 200)).map(closedOf))
    }
  })
]
