import { multiaddr } from '@multiformats/multiaddr'
import { createQueue, merge, pause } from '../flow.ts'
import type { Mdns, MdnsPeer } from '../protocols/mdns.ts'
import { type Source, withDials } from './source.ts'

/** Between two queries, since each may be lost; the last one goes on. RFC 6762, 5.2. */
const WAITS_MS = [1000, 2000, 4000, 10_000]
/** A peer that has not answered three queries in a row is gone. */
const SILENT_MS = 35_000

/** The neighbours on the interfaces of this machine. */
export function mdnsSource(): Source {
  const name = 'mdns'
  let mdns: Mdns | undefined
  return {
    name,
    report: () => mdns?.report() ?? '',
    async *look(search) {
      const { node, options, seen, signal } = search
      const heard = createQueue<MdnsPeer | { gone: string }>()
      const lastHeard = new Map<string, number>()
      const { openMdns } = await import('../protocols/mdns.ts')
      await using open = await openMdns({
        fingerprint: node.fingerprint,
        peerId: node.peerId,
        found: peer => void heard.push(peer),
        left: gone => void heard.push({ gone })
      })
      mdns = open
      yield* withDials(name, search, async function* (tell) {
        const asking = async function* () {
          for await (const _ of askAgain(open, signal)) {
            for (const [peerId, at] of options.watch === true ? lastHeard : []) {
              if (performance.now() - at < SILENT_MS) continue
              lastHeard.delete(peerId)
              yield* seen.lose(peerId, [name])
            }
          }
        }
        const hearing = async function* () {
          for await (const one of heard.items(signal)) {
            if ('gone' in one) {
              lastHeard.delete(one.gone)
              yield* seen.lose(one.gone, [name])
            } else {
              lastHeard.set(one.peerId, performance.now())
              yield* tell({ peerId: one.peerId, addrs: one.addrs, toldBy: addrOfIp(one.from) })
            }
          }
        }
        yield* merge([asking(), hearing()])
      })
    }
  }
}

/** Asks until the signal, less and less often; gives something after each query. */
export async function* askAgain(mdns: Mdns, signal: AbortSignal): AsyncGenerator<number> {
  for (let round = 0; !signal.aborted; round++) {
    await mdns.ask()
    yield round
    await pause(WAITS_MS[Math.min(round, WAITS_MS.length - 1)]!, signal)
  }
}

export function addrOfIp(ip: string) {
  return multiaddr(`/ip4/${ip}`)
}
