// The process of a fleet (fleet.ts): js-libp2p nodes as anybody has them, and what they do when they are asked.
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import type { Connection, Stream } from '@libp2p/interface'
import { ping, type Ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { resultOf } from '../../src/flow.ts'
import { sendItem } from '../../src/protocols/send.ts'
import { streamReader, write } from '../../src/protocols/stream.ts'
import { addrOf, type PlainNode, plainNode } from '../../test/helpers/plain-node.ts'
import { behave } from './hostile.ts'

export interface Questions {
  /** So many peers that listen, answer pings and say who they are; each announces so many addresses, those of its own among them. */
  serve: { count: number; announced?: number }
  /** So many peers, each with a connection that it keeps; `atOnce` of them dial side by side. */
  hold: { addr: string; count: number; atOnce: number }
  /** A new peer that dials, pings so many times, and goes; so many times one after another. */
  visit: { addr: string; visits: number; pings: number }
  /** So many peers, each with a reservation that it keeps. */
  reserve: { relay: string; count: number; atOnce: number }
  /** Each of these peers calls one of those that hold a reservation here, sends so many bytes, and has them echoed. */
  call: { relay: string; peerIds: string[]; bytes: number; atOnce: number }
  /** Says through each circuit that is open that bytes go through it still. */
  again: { bytes: number }
  /** New peers come, ask, and go, or behave badly, until so many have; `seed` makes the order. */
  churn: { addr: string; count: number; atOnce: number; perS: number; hostile: number; seed: number }
  /** Messages or files, one after another, each on a stream of its own and each with a receipt, on one connection. */
  send: { addr: string; kind: 'message' | 'file'; from: number; count: number; bytes: number }
}

export interface Answers {
  serve: { addrs: string[] }
  hold: { connected: number; errors: string[] }
  visit: { dialMs: number[]; rttMs: number[]; errors: string[] }
  reserve: { peerIds: string[]; errors: string[] }
  call: { exact: number; errors: string[] }
  again: { exact: number; errors: string[] }
  churn: { honest: number; served: number; hostile: number; errors: string[] }
  send: { confirmed: number; sha256: string }
}

type Peer = PlainNode<{ ping: Ping }>

const ECHO = '/load/echo/1.0.0'
const WAIT_MS = 60_000

const served: Peer[] = []
const held: Connection[] = []
const reserved: Peer[] = []
const streams: Stream[] = []

async function newPeer(listen: string[] = []): Promise<Peer> {
  const circuit = listen.length > 0
  return await plainNode<{ ping: Ping }>({ listen, circuit, services: { ping: ping() } })
}

/** Does it for every item, so many at once; gives what went wrong. */
async function forAll<T>(items: T[], atOnce: number, work: (item: T) => Promise<void>): Promise<string[]> {
  const errors: string[] = []
  const rest = items[Symbol.iterator]()
  const worker = async (): Promise<void> => {
    for (const item of rest) {
      await work(item).catch(error => errors.push(String(error)))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return errors
}

const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index)
const within = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(WAIT_MS) })

const answers: { [Q in keyof Questions]: (about: Questions[Q]) => Promise<Answers[Q]> } = {
  async serve({ count, announced = 1 }) {
    const addrs: string[] = []
    for (let made = 0; made < count; made++) {
      const appendAnnounce = range(announced - 1).map(index => `/dns4/peer-${index}.example.net/tcp/4001`)
      const addresses = { listen: ['/ip4/127.0.0.1/tcp/0'], appendAnnounce }
      const peer = await plainNode<{ ping: Ping }>({
        circuit: false,
        services: { ping: ping() },
        libp2p: { addresses }
      })
      served.push(peer)
      addrs.push(addrOf(peer))
    }
    return { addrs }
  },

  async hold({ addr, count, atOnce }) {
    const errors = await forAll(range(count), atOnce, async () => {
      const peer = await newPeer()
      held.push(await peer.dial(multiaddr(addr), within()))
    })
    // a listener that does not want somebody lets him in and closes
    const left = held.filter(({ status }) => status === 'open')
    return { connected: left.length, errors }
  },

  async visit({ addr, visits, pings }) {
    const dialMs: number[] = []
    const rttMs: number[] = []
    const errors = await forAll(range(visits), 1, async () => {
      await using peer = await newPeer()
      const startedAt = performance.now()
      const { remotePeer } = await peer.dial(multiaddr(addr), within())
      dialMs.push(performance.now() - startedAt)
      for (let sent = 0; sent < pings; sent++) {
        // with the stream that libp2p opens for each, and not in the whole milliseconds that it gives
        const sentAt = performance.now()
        await peer.services.ping.ping(remotePeer, within())
        rttMs.push(performance.now() - sentAt)
      }
    })
    return { dialMs, rttMs, errors }
  },

  async reserve({ relay, count, atOnce }) {
    const errors = await forAll(range(count), atOnce, async () => {
      const peer = await newPeer([`${relay}/p2p-circuit`])
      const echoes = { runOnLimitedConnection: true, maxInboundStreams: 64 }
      await peer.handle(ECHO, echoBack, echoes)
      while (peer.getMultiaddrs().length === 0) await once(peer as unknown as EventTarget, 'self:peer:update', within())
      reserved.push(peer)
    })
    return { peerIds: reserved.map(({ peerId }) => peerId.toString()), errors }
  },

  async call({ relay, peerIds, bytes, atOnce }) {
    let exact = 0
    const pairs = peerIds.map((peerId, index) => ({ peerId, caller: reserved.at(-1 - index)! }))
    const errors = await forAll(pairs, atOnce, async ({ peerId, caller }) => {
      const through = multiaddr(`${relay}/p2p-circuit/p2p/${peerId}`)
      const options = { ...within(), runOnLimitedConnection: true }
      const stream = await caller.dialProtocol(through, ECHO, options)
      streams.push(stream)
      if (await echoed(stream, bytes)) exact++
    })
    return { exact, errors }
  },

  async again({ bytes }) {
    let exact = 0
    const errors = await forAll(streams, 16, async stream => {
      if (await echoed(stream, bytes)) exact++
    })
    return { exact, errors }
  },

  async churn({ addr, count, atOnce, perS, hostile, seed }) {
    let served = 0
    const bad = range(count).filter(index => (index + seed) % Math.round(1 / hostile) === 0)
    const isBad = new Set(bad)
    const errors = await forAll(range(count), atOnce, async index => {
      const turn = delay((atOnce / perS) * 1000)
      if (isBad.has(index)) await behave(addr, index + seed, () => newPeer())
      else {
        await visitOnce(addr, index + seed)
        served++
      }
      await turn
    })
    return { honest: count - bad.length, served, hostile: bad.length, errors }
  },

  async send({ addr, kind, from, count, bytes }) {
    await using peer = await newPeer()
    const connection = await peer.dial(multiaddr(addr), within())
    const hash = createHash('sha256')
    const never = new AbortController().signal
    let confirmed = 0
    for (let seq = from; seq < from + count; seq++) {
      const payload = payloadOf(seq, bytes)
      const item = {
        kind,
        name: kind === 'file' ? `file-${seq}` : undefined,
        size: payload.length,
        source: chunkOf(payload)
      }
      await resultOf(sendItem(connection, item, never))
      hash.update(payload)
      confirmed++
    }
    await connection.close()
    return { confirmed, sha256: hash.digest('hex') }
  }
}

/** A line that names its own number, so that a loss, a double and a swap are each seen. */
export function payloadOf(seq: number, bytes: number): Buffer {
  return Buffer.from(`${String(seq).padStart(12, '0')} `.padEnd(bytes, String(seq % 10)))
}

async function* chunkOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Comes, pings, every tenth sends a message, and goes: in order, or without a word. */
async function visitOnce(addr: string, index: number): Promise<void> {
  const peer = await newPeer()
  try {
    const connection = await peer.dial(multiaddr(addr), within())
    await peer.services.ping.ping(connection.remotePeer, within())
    if (index % 10 === 3) {
      const payload = Buffer.from('from somebody who comes and goes')
      await resultOf(
        sendItem(connection, { kind: 'message', size: payload.length, source: chunkOf(payload) }, within().signal)
      )
    }
    if (index % 2 === 0) await connection.close(within())
    else connection.abort(new Error('it goes without a word'))
  } finally {
    await peer.stop()
  }
}

async function echoBack(stream: Stream): Promise<void> {
  const reader = streamReader(stream)
  try {
    for (let bytes = await reader.readSome(); bytes != null; bytes = await reader.readSome()) await write(stream, bytes)
  } catch {
    // the caller, or the circuit, is gone
  }
}

/** Whether random bytes come back as they went. */
async function echoed(stream: Stream, bytes: number): Promise<boolean> {
  const sent = randomBytes(bytes)
  const reader = streamReader(stream)
  const { signal } = within()
  const [back] = await Promise.all([reader.readExactly(bytes, signal), write(stream, sent, signal)])
  reader.detach()
  return back != null && sent.equals(back)
}

interface Question {
  id: number
  question: keyof Questions
  about: never
}

if (import.meta.url === pathToFileURL(process.argv[1]!).href) {
  process.on('message', ({ id, question, about }: Question) => {
    answers[question](about).then(
      answer => process.send!({ id, answer }),
      error => process.send!({ id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    )
  })
  // whoever asks is gone
  process.on('disconnect', () => process.exit())
}
