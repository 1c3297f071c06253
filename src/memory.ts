/** What is given up when this process holds too much memory. */
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
