import type { Connection } from '@libp2p/interface'

const openedAt = new WeakMap<Connection, number>()

/** From here on `openMs` counts. */
export function noteOpen(connection: Connection): void {
  if (!openedAt.has(connection)) openedAt.set(connection, performance.now())
}

/** How long a connection has been open, in ms. Its own timeline goes by a clock that may be set (libp2p 3.3). */
export function openMs(connection: Connection): number {
  const at = openedAt.get(connection)
  return at == null ? Math.max(0, Date.now() - connection.timeline.open) : performance.now() - at
}
