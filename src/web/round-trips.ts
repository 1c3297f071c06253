/** A round trip each second for every connected peer. */
import type { Connection } from '@libp2p/interface'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import type { Node } from '../node.ts'
import { openPinger, type Pinger } from '../protocols/ping.ts'
import { bestConnections } from './connections.ts'
import { sleptSince } from './waking.ts'

const EVERY_MS = 1000
const TIMEOUT_MS = 5000

interface Measured {
  connection: Connection
  pinger: Pinger
  seq: number
  /** The last one is still on its way: the next waits for it. */
  busy: boolean
}

/**
 * Pings over one stream for each peer, on its best connection, and never ends a connection for what comes of it. One
 * that does not speak ping is left alone.
 */
export function measureRoundTrips(node: Node, say: (event: Said) => void, signal: AbortSignal): void {
  const measured = new Map<string, Measured>()
  const mute = new WeakSet<Connection>()

  const ping = async (peerId: string, one: Measured): Promise<void> => {
    const { connection, pinger } = one
    const about = { peer_id: peerId, addr: connection.remoteAddr.toString() }
    const startedAt = Date.now()
    one.busy = true
    try {
      const outcome = await pinger.ping(TIMEOUT_MS, signal)
      // a page that slept has measured its sleep
      if (signal.aborted || connection.status !== 'open' || sleptSince(startedAt)) return
      const seq = ++one.seq
      if (outcome.type === 'reply') say({ type: 'ping.reply', seq, rtt_ms: outcome.rttMs, ...about })
      else if (outcome.type === 'timeout') say({ type: 'ping.timeout', seq, after_ms: outcome.afterMs, ...about })
      else say({ type: 'ping.fail', seq, reason: outcome.reason, after_ms: outcome.afterMs, ...about })
    } catch (error) {
      if (error instanceof Failure) mute.add(connection)
      else if (!signal.aborted) throw error
    } finally {
      one.busy = false
    }
  }
  const tick = (): void => {
    const best = bestConnections(node)
    for (const [peerId, { connection, pinger }] of measured) {
      if (best.get(peerId) === connection) continue
      void pinger.close()
      if (!best.has(peerId)) measured.delete(peerId)
    }
    for (const [peerId, connection] of best) {
      if (mute.has(connection)) continue
      let one = measured.get(peerId)
      if (one?.connection !== connection) {
        one = { connection, pinger: openPinger(connection), seq: one?.seq ?? 0, busy: false }
        measured.set(peerId, one)
      }
      if (!one.busy) void ping(peerId, one)
    }
  }
  const timer = setInterval(tick, EVERY_MS)
  signal.addEventListener('abort', () => clearInterval(timer))
}
