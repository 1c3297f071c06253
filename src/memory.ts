/** How much memory this process uses, and what is given up when that is too much. */
import type { Connection, Libp2p } from '@libp2p/interface'

export interface MemoryWatch {
  /** In bytes: with more than that, connections are closed. */
  most: number
  memory: () => number
  /** Is told of each that is closed. */
  closes: (connection: Connection) => void
}

const LOOK_MS = 1000

/** Memory comes back late: closing more at once would close those that matter for nothing. */
const SHARE = 0.05

/** Closes connections that came in, those that matter least first, for as long as there is too much. */
export function watchMemory(libp2p: Libp2p, watch: MemoryWatch): Disposable {
  const busyAt = new WeakMap<Connection, number>()
  const look = async (): Promise<void> => {
    const inbound = libp2p.getConnections().filter(({ direction }) => direction === 'inbound')
    for (const connection of inbound) {
      if (connection.streams.length > 0) busyAt.set(connection, performance.now())
    }
    if (watch.memory() <= watch.most) return
    const worths = await Promise.all(
      inbound.map(async connection => ({
        connection,
        // as a relay does with those that have a reservation
        tagged: (await libp2p.peerStore.get(connection.remotePeer).catch(() => null))?.tags.size ?? 0,
        streams: connection.streams.length,
        busyAt: busyAt.get(connection) ?? 0,
        openedAt: connection.timeline.open
      }))
    )
    const least = worths.sort(byWorth).slice(0, Math.ceil(inbound.length * SHARE))
    for (const { connection } of least) {
      watch.closes(connection)
      connection.abort(new Error('this process is short of memory'))
    }
  }
  const timer = setInterval(() => void look(), LOOK_MS).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}

interface Worth {
  tagged: number
  streams: number
  /** When a stream was last seen on it. */
  busyAt: number
  openedAt: number
}

/** Who has no reservation and no stream comes first, and of those who has been idle for longest. */
export function byWorth(one: Worth, other: Worth): number {
  return (
    Number(one.tagged > 0) - Number(other.tagged > 0) ||
    Number(one.streams > 0) - Number(other.streams > 0) ||
    one.busyAt - other.busyAt ||
    one.openedAt - other.openedAt
  )
}

/** Read often enough for a flood, and not for each of its connections. */
const AGE_MS = 100
/** All stands still while garbage is collected: 50 ms for some hundred MiB. */
const COLLECT_EVERY_MS = 10_000

/** What a Node takes before it has any peer: its code and that of its libraries. */
let bare: number | undefined

/**
 * What this process uses, in bytes, and not what it holds: malloc keeps what was freed, and V8 what nobody collects while
 * nothing happens. After one flood of large messages a node that used 130 MiB held 520, for good, and never let anybody
 * in again. What native code takes for QUIC and WebRTC is seen in the resident memory alone: half of that counts always.
 * With more than `enough`, garbage is collected first.
 */
export function memoryInUse(enough: number): () => number {
  let bytes = 0
  let readAt = -Infinity
  let collectedAt = -Infinity
  const read = (): void => {
    try {
      // not `external`, in which what was freed counts until some later collection
      const { rss, heapTotal, heapUsed, arrayBuffers } = process.memoryUsage()
      bare ??= rss - heapTotal - arrayBuffers
      bytes = Math.max(rss / 2, Math.min(rss, bare + heapUsed + arrayBuffers))
    } catch {
      // it reads a file of /proc, and throws where no descriptor is left (Node 24): it is as much as it was then
    }
  }
  read()
  return () => {
    const now = performance.now()
    if (now - readAt <= AGE_MS) return bytes
    readAt = now
    read()
    if (bytes > enough && now - collectedAt > COLLECT_EVERY_MS) {
      collectedAt = now
      collectGarbage()
      read()
    }
    return bytes
  }
}

/** Node has no call for it but with a flag, which is as good from inside: an inspector of its own collects only once (24). */
function collectGarbage(): void {
  process.getBuiltinModule('node:v8').setFlagsFromString('--expose-gc')
  const collect: () => void = process.getBuiltinModule('node:vm').runInNewContext('gc')
  collect()
  // what the first has found is freed beside it, and by the start of the next one at the latest
  collect()
}
