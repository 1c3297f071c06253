/** The rows of src/event-table.ts that are about what becomes of connections, or why there is none. */
import { cut, sides, upgrade } from './event-shapes.ts'

/** Names of src/limits.ts, and one that is none: stdout has a reader that is too slow. */
export const refusalReasons = [
  'pending',
  'pending-per-ip',
  'upgrade-timeout',
  'new-per-ip',
  'penalty',
  'bytes-before-auth',
  'connections',
  'connections-per-peer',
  'connections-per-ip',
  'memory-refuse',
  'memory-close',
  'events-waiting'
] as const

export const connectionEvents = {
  'connection.upgrade': [
    'a relayed connection became a direct one: how long the first took, and from there the second',
    upgrade
  ],
  'connection.close': [
    'a connection ended; by whom and why, where it was held and watched, or cut for a limit of --limit',
    { peer_id: 'string', remote_addr: 'string', duration_ms: 'number', 'by?': sides, 'reason?': 'string', ...cut }
  ],
  'connection.refused': [
    'connections were refused, or ended, over a limit (p2pctl help limits): how many since the last such event, and the last of them; at most 32 hosts are told apart',
    { remote_addr: 'string|null', reason: refusalReasons, count: 'integer' }
  ]
} as const
