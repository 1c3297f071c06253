// A peer in order, in a process of its own: while another one attacks a server, it dials and pings that, and says how
// long it had to wait. Asked and answering by messages of node:child_process.
import { readFileSync } from 'node:fs'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { multiaddr } from '@multiformats/multiaddr'
import { openPinger } from '../../src/protocols/ping.ts'
import { plainNode } from '../helpers/plain-node.ts'
import type { Connection } from '@libp2p/interface'
import type { Served, ToServe } from './at-serving.ts'

/** A dial or a ping that takes longer has failed. */
const GIVEN_UP_MS = 10_000
const PING_EVERY_MS = 10
/** Of HTTP, so that they last as long. */
const GET_EVERY_MS = 40

let sources = 0
// each dial comes from elsewhere: who dials 20 times in a second from one address is told to wait, and rightly
const dialOpts = {
  get localAddress() {
    sources++
    return `127.200.${(sources >> 8) & 255}.${sources & 255}`
  }
} as object
const node = await plainNode({
  listen: [],
  libp2p: { transports: [tcp({ dialOpts }), webSockets(), circuitRelayTransport()] }
})
const never = new AbortController().signal

const clock = async (work: () => Promise<unknown>): Promise<number> => {
  const start = performance.now()
  await work()
  return performance.now() - start
}

async function dial(addr: string): Promise<Connection> {
  const signal = AbortSignal.timeout(GIVEN_UP_MS)
  return await node.dial(multiaddr(addr), { force: true, signal })
}

/** A connection counts once an echo has come over it: one that is refused looks open for a moment. */
async function dialAndPing(addr: string): Promise<void> {
  const connection = await dial(addr)
  const pinger = openPinger(connection)
  const { type } = await pinger.ping(GIVEN_UP_MS, never)
  if (type !== 'reply') throw new Error(`no echo over a new connection: ${type}`)
  await connection.close()
}

async function get(url: string): Promise<void> {
  const response = await fetch(url, { signal: AbortSignal.timeout(GIVEN_UP_MS), headers: { Connection: 'close' } })
  await response.arrayBuffer()
  if (response.status !== 200) throw new Error(`GET ${url} is ${response.status}`)
}

async function pings(connection: Connection, count: number): Promise<number[]> {
  const pinger = openPinger(connection)
  const waits: Promise<number>[] = []
  for (let seq = 0; seq < count; seq++) {
    const one = pinger.ping(GIVEN_UP_MS, never).then(it => {
      if (it.type === 'reply') return it.rttMs
      throw new Error(`a ping had no echo: ${it.type === 'fail' ? it.reason : it.type}`)
    })
    one.catch(() => {})
    waits.push(one)
    // the first one waits for its stream
    if (seq === 0) await one
    await new Promise(resolve => setTimeout(resolve, PING_EVERY_MS))
  }
  try {
    return (await Promise.all(waits)).slice(1)
  } finally {
    await connection.close().catch(() => {})
  }
}

/** How long this process was ready to run, and did not. */
const waitedMs = (): number => {
  try {
    return Number(readFileSync('/proc/self/schedstat', 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

async function serve({ addr, url, dials, count }: ToServe): Promise<Served> {
  const failed: string[] = []
  const waitedBefore = waitedMs()
  const dialsMs: number[] = []
  const each = async (): Promise<void> => {
    for (let at = 0; at < dials; at++) {
      const work = url == null ? () => dialAndPing(addr) : () => get(url)
      await clock(work).then(
        ms => dialsMs.push(ms),
        error => failed.push(`dial ${at + 1}: ${error?.message ?? error}`)
      )
      if (url != null) await new Promise(resolve => setTimeout(resolve, GET_EVERY_MS))
    }
  }
  const missed = (error: Error): number[] => {
    failed.push(error?.message ?? String(error))
    return []
  }
  if (url != null) {
    await each()
    return { dialsMs, pingsMs: [], failed, waitedMs: waitedMs() - waitedBefore }
  }
  // before the others: libp2p makes one of two dials that are under way at once
  const connection = await dial(addr).catch(missed)
  const pinged = 'remoteAddr' in connection ? pings(connection, count + 1).catch(missed) : []
  const [pingsMs] = await Promise.all([pinged, each()])
  return { dialsMs, pingsMs, failed, waitedMs: waitedMs() - waitedBefore }
}

process.on('message', (asked: ToServe) => {
  void serve(asked).then(served => process.send!(served))
})
process.on('disconnect', () => process.exit())
process.send!('ready')
