/** A walk through a whole DHT as a client: asks peers for the peers that they know, and those in turn. */
import type { Connection } from '@libp2p/interface'
import { withPeerId } from './addr.ts'
import { dialTold, MAX_DIALED, mayDial, within } from './dht-dial.ts'
import { Failure } from './errors.ts'
import { createQueue } from './flow.ts'
import type { DialOptions } from './connect.ts'
import type { Node } from './node.ts'
import { askKad } from './protocols/kad.ts'
import type { Found } from './sources/source.ts'

export interface CrawlOptions extends DialOptions {
  /** As /ipfs/kad/1.0.0. */
  dhtProtocol: string
  /** What each peer is asked for. */
  keysFor(peerId: string): Uint8Array[]
  /** More peers are not followed. */
  most?: number | undefined
}

/** A peer to begin with, and what it speaks as far as it said. */
export interface Start {
  connection: Connection
  protocols: string[]
}

/** What became of the questions, for a person who wonders. */
export interface Tally {
  asked: number
  answered: number
  unreached: number
  /** Those that do not speak the protocol. */
  mute: number
  /** The DHT protocols that they speak instead. */
  others: Set<string>
}

interface Candidate extends Found {
  start?: Start | undefined
}

/** Peers that are asked at a time. */
const AT_ONCE = 8
/** For one peer, in ms. */
const ASK_MS = 5000
/** Unless told. */
const MOST = 50_000

export const newTally = (): Tally => ({ asked: 0, answered: 0, unreached: 0, mute: 0, others: new Set() })

/** `/ipfs/kad/1.0.0`, and those of other networks. */
export const isKad = (protocol: string): boolean => /\/kad\/\d/.test(protocol)

/** `12 peers asked, 9 answered`, and what kept the others from it. */
export function tallyText({ asked, answered, unreached, mute, others }: Tally, protocol: string): string {
  const parts = [`${asked} ${asked === 1 ? 'peer' : 'peers'} asked, ${answered} answered`]
  if (unreached > 0) parts.push(`${unreached} not reached`)
  const instead = others.size === 0 ? '' : ` (but ${[...others].join(', ')}: give it as --dht-protocol)`
  if (mute > 0) parts.push(`${mute} without ${protocol}${instead}`)
  return parts.join(', ')
}

/** Gives each peer that is told of, once; ends when nobody is left to ask. */
export async function* crawl(
  node: Node,
  starts: AsyncIterable<Start>,
  options: CrawlOptions,
  tally: Tally,
  signal: AbortSignal
): AsyncGenerator<Found> {
  const told = createQueue<Found>()
  const over = new AbortController()
  const stop = AbortSignal.any([signal, over.signal])
  const known = new Set([node.peerId])
  const waiting: Candidate[] = []
  let busy = 0
  let starting = true
  let bug: unknown

  const learn = (found: Found, start?: Start): void => {
    if (known.size >= (options.most ?? MOST) || known.has(found.peerId)) return
    known.add(found.peerId)
    waiting.push({ ...found, start })
    if (start == null) void told.push(found)
  }
  const question = async (connection: Connection, keys: Uint8Array[]): Promise<void> => {
    tally.asked++
    for (const [at, key] of keys.entries()) {
      const { closer } = await within(Math.min(ASK_MS, options.timeout), stop, limit =>
        askKad(connection, options.dhtProtocol, [{ rpc: 'find_node', key }], limit)
      )
      if (at === 0) tally.answered++
      for (const { peerId, addrs } of closer) learn({ peerId, addrs, toldBy: connection.remoteAddr })
    }
  }
  const visit = async ({ peerId, addrs, toldBy, start }: Candidate): Promise<void> => {
    let connection = start?.connection
    try {
      if (connection == null) {
        const open = addrs.map(addr => withPeerId(addr, peerId)).filter(addr => mayDial(addr, peerId, toldBy!, options))
        connection = await dialTold(node, peerId, open.slice(0, MAX_DIALED), { ...options, timeout: ASK_MS }, stop)
      }
      await question(connection, options.keysFor(peerId))
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      if (connection == null) tally.unreached++
      if (error.code !== 'protocol_not_supported') return
      tally.mute++
      for (const one of start?.protocols.filter(isKad) ?? []) tally.others.add(one)
    } finally {
      // nobody is kept whom nobody asked to meet
      if (start == null) connection?.close().catch(() => {})
    }
  }
  const next = (): void => {
    for (; busy < AT_ONCE && !stop.aborted && waiting.length > 0; busy++) {
      visit(waiting.shift()!)
        .catch(error => {
          if (!stop.aborted) bug = error
        })
        .finally(() => {
          busy--
          next()
        })
    }
    if (busy === 0 && !starting) over.abort()
  }
  const begin = async (): Promise<void> => {
    for await (const start of starts) {
      const { remotePeer, remoteAddr } = start.connection
      learn({ peerId: remotePeer.toString(), addrs: [remoteAddr], toldBy: null }, start)
      next()
    }
    starting = false
    next()
  }
  try {
    begin().catch(error => {
      if (!stop.aborted) bug = error
      over.abort()
    })
    yield* told.items(stop)
  } finally {
    over.abort()
  }
  if (bug != null) throw bug
}
