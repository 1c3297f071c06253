import { randomBytes } from 'node:crypto'
import { crawl, newTally, type Start, tallyText } from '../crawl.ts'
import { idBytes } from '../dht-keys.ts'
import { pause } from '../flow.ts'
import { KAD } from '../protocols/kad.ts'
import type { Starts } from './bootstrap.ts'
import { type Source, withDials } from './source.ts'

/** With --watch, between two walks. */
const AGAIN_MS = 30_000
/** The key of nobody, so that a peer tells of another part of what it knows: a SHA-256 multihash. */
const RANDOM_KEYS = 4

/** Everybody whom the peers of a DHT know, from the bootstrap peers on. This node takes no part in it. */
export function dhtSource(protocol: string = KAD, starts: Starts): Source {
  const name = 'dht'
  let tally = newTally()
  return {
    name,
    report: () => tallyText(tally, protocol),
    async *look(search) {
      const { node, options, signal } = search
      const met: Start[] = []
      const from = async function* (): AsyncGenerator<Start> {
        yield* met.filter(({ connection }) => connection.status === 'open')
        for await (const start of starts.queue.items(AbortSignal.any([signal, starts.over.signal]))) {
          met.push(start)
          yield start
        }
      }
      yield* withDials(name, search, async function* (tell) {
        do {
          tally = newTally()
          const walk = { ...options, dhtProtocol: protocol, keysFor: keysAbout, most: search.most }
          for await (const found of crawl(node, from(), walk, tally, signal)) yield* tell(found)
        } while (options.watch === true && (await pause(AGAIN_MS, signal)))
      })
    }
  }
}

/** Those near the peer itself, which it knows best, and some from anywhere. */
function keysAbout(peerId: string): Uint8Array[] {
  const anywhere = () => Buffer.concat([Uint8Array.of(0x12, 32), randomBytes(32)])
  return [idBytes(peerId), ...Array.from({ length: RANDOM_KEYS }, anywhere)]
}
