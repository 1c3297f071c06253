/** The tenth of the churn that behaves badly: a handful of ways, each bounded in bytes and time. test/hostile/ has them all. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Libp2p } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { SEND_PROTOCOL } from '../../src/protocols/send.ts'

const GREETING = Buffer.from('\x13/multistream/1.0.0\n')
const NOISE = Buffer.from('\x07/noise\n')
/** How long one that says nothing stays. */
const STAY_MS = 200

type Way = (addr: string, newPeer: () => Promise<Libp2p & AsyncDisposable>) => Promise<void>

const raw = (after: (socket: Socket) => Promise<void>): Way => {
  return async addr => {
    const [, , host, , port] = addr.split('/')
    const socket = connect(Number(port), host)
    socket.on('error', () => {})
    socket.resume()
    await Promise.race([once(socket, 'connect'), once(socket, 'close')])
    await after(socket)
    await Promise.race([delay(STAY_MS), once(socket, 'close')])
    socket.destroy()
  }
}

const ways: Way[] = [
  // silent
  raw(async () => {}),
  // gone at once
  raw(async socket => void socket.resetAndDestroy()),
  // garbage
  raw(async socket => void socket.write(randomBytes(4096))),
  // greets, and ends
  raw(async socket => void socket.end(GREETING)),
  // a handshake of garbage
  raw(async socket => void socket.write(Buffer.concat([GREETING, NOISE, Buffer.from([0, 32]), randomBytes(32)]))),
  // a prefix without an end
  raw(async socket => void socket.write(Buffer.alloc(8192, 0xff))),
  // leaves in the middle of the upgrade
  async (addr, newPeer) => {
    await using peer = await newPeer()
    await peer.dial(multiaddr(addr), { signal: AbortSignal.timeout(5) }).catch(() => {})
  },
  // opens streams of what nobody speaks, and leaves them open
  async (addr, newPeer) => {
    await using peer = await newPeer()
    const connection = await peer.dial(multiaddr(addr), { signal: AbortSignal.timeout(5000) })
    const signal = AbortSignal.timeout(5000)
    const opening = Array.from({ length: 16 }, (_, n) => connection.newStream(`/load/nothing/${n}`, { signal }))
    await Promise.allSettled(opening)
    connection.abort(new Error('enough'))
  },
  // what is no frame of the protocol of messages
  async (addr, newPeer) => {
    await using peer = await newPeer()
    const stream = await peer.dialProtocol(multiaddr(addr), SEND_PROTOCOL, { signal: AbortSignal.timeout(5000) })
    stream.send(randomBytes(512))
    await Promise.race([delay(STAY_MS), once(stream as unknown as EventTarget, 'close')])
    stream.abort(new Error('enough'))
  },
  // a stream of messages without a message
  async (addr, newPeer) => {
    await using peer = await newPeer()
    await peer.dialProtocol(multiaddr(addr), SEND_PROTOCOL, { signal: AbortSignal.timeout(5000) })
    await delay(STAY_MS)
  }
]

/** Behaves in one of the ways, whichever the number names; that it is thrown out is no error of it. */
export async function behave(
  addr: string,
  which: number,
  newPeer: () => Promise<Libp2p & AsyncDisposable>
): Promise<void> {
  // in the order of the tenths, not of the ones, which are all the same
  await ways[Math.floor(which / 10) % ways.length]!(addr, newPeer).catch(() => {})
}
