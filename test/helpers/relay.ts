import { once } from 'node:events'
import { Uint8ArrayList } from 'uint8arraylist'
import {
  decodeHop,
  decodeStop,
  encodeHop,
  encodeStop,
  HOP_PROTOCOL,
  HOP_TYPE,
  type HopMessage,
  STATUS,
  STOP_PROTOCOL,
  STOP_TYPE,
  type StopMessage
} from '../../src/protocols/circuit.ts'
import { frame, readFrame } from '../../src/protocols/framing.ts'
import { type RelayEvent, type RelayOptions, type RelayServer, relayServer } from '../../src/protocols/hop.ts'
import { plainNode } from './plain-node.ts'
import type { Libp2p, PeerId, Stream } from '@libp2p/interface'

export interface Relay extends AsyncDisposable {
  node: Libp2p<{ relay: RelayServer }>
  addr: string
  events: RelayEvent[]
  /** The types and statuses so far, in order. */
  log(): string[]
  /** The nth event of a type, as soon as it is there. */
  event<T extends RelayEvent['type']>(type: T, nth?: number): Promise<Extract<RelayEvent, { type: T }>>
}

/** A node with our relay, without limits unless told. */
export async function startRelay(options: Partial<RelayOptions> = {}, listen?: string[]): Promise<Relay> {
  const events: RelayEvent[] = []
  const changed = new EventTarget()
  const report = (event: RelayEvent) => {
    events.push(event)
    changed.dispatchEvent(new Event('event'))
  }
  const defaults = { maxReservations: 16, ttlMs: 3_600_000, limitDurationMs: 0, limitDataBytes: 0 }
  const relay = relayServer({ ...defaults, ...options, report })
  const node = await plainNode<{ relay: RelayServer }>({
    circuit: false,
    services: { relay },
    ...(listen && { listen })
  })
  return {
    node,
    addr: node.getMultiaddrs()[0]!.toString(),
    events,
    log: () => events.map(({ type, status }) => `${type} ${status}`),
    async event(type, nth = 1) {
      for (;;) {
        const found = events.filter(event => event.type === type)[nth - 1]
        if (found != null) return found as Extract<RelayEvent, { type: typeof type }>
        await once(changed, 'event')
      }
    },
    [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]()
  }
}

/** Never in these tests: node:test has the time limit. */
const never = new AbortController().signal
const MAX = { maxBytes: 4096, signal: never }

/** Sends bytes on a hop stream and reads one reply. */
export async function hop(stream: Stream, bytes: Uint8Array): Promise<HopMessage> {
  stream.send(bytes)
  return decodeHop(await readFrame(stream, MAX))
}

export async function openHop(node: Libp2p, relay: Relay): Promise<Stream> {
  return await node.dialProtocol(relay.node.getMultiaddrs()[0]!, HOP_PROTOCOL)
}

export const RESERVE = frame(encodeHop({ type: HOP_TYPE.RESERVE }))

export function connectTo(peer: PeerId): Uint8Array {
  return frame(encodeHop({ type: HOP_TYPE.CONNECT, peer: { id: peer.toMultihash().bytes, addrs: [] } }))
}

export async function reserve(node: Libp2p, relay: Relay): Promise<HopMessage> {
  const stream = await openHop(node, relay)
  const reply = await hop(stream, RESERVE)
  await stream.close()
  return reply
}

export interface Called {
  stream: Stream
  request: StopMessage
}

/** A peer with a reservation that takes circuits by hand: the raw streams, with nothing of libp2p on top. */
export async function callee(relay: Relay, status: number = STATUS.OK, options: { window?: number } = {}) {
  const node = await plainNode({ circuit: false, ...options })
  const calls: Called[] = []
  const waiting: Array<(called: Called) => void> = []
  await node.handle(STOP_PROTOCOL, async stream => {
    const request = decodeStop(await readFrame(stream, MAX))
    stream.send(frame(encodeStop({ type: STOP_TYPE.STATUS, status })))
    const called = { stream, request }
    const taker = waiting.shift()
    if (taker == null) calls.push(called)
    else taker(called)
  })
  const reply = await reserve(node, relay)
  if (reply.status !== STATUS.OK) throw new Error(`no reservation: ${reply.status}`)
  return Object.assign(node, {
    called: (): Promise<Called> => {
      const call = calls.shift()
      return call == null ? new Promise(resolve => waiting.push(resolve)) : Promise.resolve(call)
    }
  })
}

/** A circuit of two raw streams, each paused. */
export async function circuit(relay: Relay, from: Libp2p, to: Awaited<ReturnType<typeof callee>>) {
  const src = await openHop(from, relay)
  const reply = await hop(src, connectTo(to.peerId))
  if (reply.status !== STATUS.OK) throw new Error(`no circuit: ${reply.status}`)
  return { src, dst: (await to.called()).stream, reply }
}

export interface Drained {
  bytes: Uint8Array
  end: 'end' | 'reset'
}

/**
 * Everything that comes on a stream until it ends or is reset, and which of the two it was. A slow reader stops after
 * each message until all that there is to do has been done.
 */
export async function drain(stream: Stream, slow = false, onMessage = (_bytes: number) => {}): Promise<Drained> {
  const received = new Uint8ArrayList()
  return await new Promise(resolve => {
    // a reset stream says 'end' first, and 'close' with its error right behind (@libp2p/utils 7.3)
    const settle = () => {
      const end = stream.status === 'reset' || stream.status === 'aborted' ? 'reset' : 'end'
      resolve({ bytes: received.subarray(), end })
    }
    stream.addEventListener('message', ({ data }) => {
      received.append(data)
      onMessage(data.byteLength)
      if (!slow) return
      stream.pause()
      setTimeout(goOn)
    })
    const goOn = () => {
      if (stream.readStatus === 'paused' && !stream.readableEnded) stream.resume()
    }
    stream.addEventListener('end', () => queueMicrotask(settle))
    stream.addEventListener('close', ({ error }) => {
      if (error == null) return
      if (stream.readBufferLength > 0) goOn()
      else settle()
    })
    goOn()
  })
}

/** Sends all of it, as fast as the stream takes it, or as much as it takes before it is reset. */
export async function sendAll(stream: Stream, bytes: Uint8Array, onChunk: () => void = () => {}): Promise<void> {
  const target = stream as unknown as EventTarget
  for (let at = 0; at < bytes.byteLength && stream.writeStatus === 'writable'; at += 65_536) {
    const ready = stream.send(bytes.subarray(at, at + 65_536))
    onChunk()
    // once() and not stream.onDrain(), which works a single time (@libp2p/utils 7.3)
    if (!ready) await Promise.race([once(target, 'drain'), once(target, 'close')])
  }
}
