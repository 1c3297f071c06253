/**
 * Every metric of --metrics: what feeds it, docs/metrics.md and the tests all come from the table below. The values of a
 * label are a fixed list, so that nothing a peer says can become one, and the number of series has an end.
 */
import { refusalReasons } from './event-connections.ts'
import { transportNames } from './transports.ts'

const directions = ['inbound', 'outbound'] as const
const transports = [...transportNames, 'unknown'] as const
const ways = ['in', 'out'] as const

/** Of a reservation: this node is the relay, or has it on the relay of --circuit. */
const roles = ['relay', 'client'] as const

/** What a relay says no with (circuit-v2, "Status codes"); `other` is no status of the specification. */
const statuses = [
  'RESERVATION_REFUSED',
  'RESOURCE_LIMIT_EXCEEDED',
  'PERMISSION_DENIED',
  'CONNECTION_FAILED',
  'NO_RESERVATION',
  'MALFORMED_MESSAGE',
  'UNEXPECTED_MESSAGE',
  'other'
] as const

/** What the streams of a connection are for; `other` are those of --protocol too. */
export const protocolNames = {
  ping: /^\/ipfs\/ping\//,
  identify: /^\/ipfs\/id\//,
  relay_hop: /^\/libp2p\/circuit\/relay\/[^/]+\/hop$/,
  relay_stop: /^\/libp2p\/circuit\/relay\/[^/]+\/stop$/,
  dcutr: /^\/libp2p\/dcutr$/,
  autonat: /^\/libp2p\/autonat\//,
  kad: /^\/ipfs\/(lan\/)?kad\//,
  pubsub: /^\/(meshsub|floodsub)\//,
  webrtc_signaling: /^\/webrtc-signaling\//,
  send: /^\/p2pctl\/send\//,
  perf: /^\/perf\//,
  echo: /^\/echo\//
} as const

export interface Metric {
  type: 'counter' | 'gauge'
  help: string
  /** The events that move it; without any it is read from the node when somebody asks. */
  events: string
  labels?: Readonly<Record<string, readonly string[]>>
}

export const metrics = {
  p2p_build_info: {
    type: 'gauge',
    help: 'Always 1; the versions of p2pctl and Node are its labels',
    events: '',
    labels: { version: [], node: [] }
  },
  p2p_healthy: { type: 'gauge', help: '1 where --health says 200, else 0', events: '' },
  p2p_events_waiting: {
    type: 'gauge',
    help: 'Events that the reader of stdout has not taken; at 1000 no connection is let in',
    events: ''
  },
  p2p_connections: {
    type: 'gauge',
    help: 'Connections that are open',
    events: 'connection.open, connection.close',
    labels: { direction: directions, transport: transports }
  },
  p2p_connections_opened_total: {
    type: 'counter',
    help: 'Connections that were made and upgraded',
    events: 'connection.open',
    labels: { direction: directions, transport: transports }
  },
  p2p_connections_refused_total: {
    type: 'counter',
    help: 'Connections that were refused, or ended, over a limit (p2pctl help limits)',
    events: 'connection.refused',
    labels: { reason: refusalReasons }
  },
  p2p_streams: {
    type: 'gauge',
    help: 'Streams of all connections that are open, by what they are for',
    events: '',
    labels: { direction: directions, protocol: [...Object.keys(protocolNames), 'other'] }
  },
  p2p_streams_refused_total: {
    type: 'counter',
    help: 'Streams that were reset because a peer went over a limit of --limit',
    events: 'stream.refused',
    labels: { limit: ['streams', 'new-streams', 'read-buffer', 'write-buffer', 'ping-streams'] }
  },
  p2p_connections_cut_total: {
    type: 'counter',
    help: 'Connections that were closed because a peer went over a limit of --limit',
    events: 'connection.close',
    labels: { limit: ['idle-frames', 'read-buffer', 'other'] }
  },
  p2p_answered_streams: {
    type: 'gauge',
    help: 'Streams of --protocol and --serve perf that are open',
    events: 'stream.open, stream.close'
  },
  p2p_answered_streams_opened_total: {
    type: 'counter',
    help: 'Streams of --protocol and --serve perf that were opened',
    events: 'stream.open'
  },
  p2p_answered_streams_ended_total: {
    type: 'counter',
    help: 'Those that have ended: in order, or with an error',
    events: 'stream.close',
    labels: { result: ['ok', 'error'] }
  },
  p2p_answered_streams_bytes_total: {
    type: 'counter',
    help: 'Bytes that came in and went out through those that have ended',
    events: 'stream.close',
    labels: { direction: ways }
  },
  p2p_messages_received_total: {
    type: 'counter',
    help: 'Messages of p2pctl send',
    events: 'message.received'
  },
  p2p_messages_received_bytes_total: {
    type: 'counter',
    help: 'Bytes of those messages',
    events: 'message.received'
  },
  p2p_files_received_total: {
    type: 'counter',
    help: 'Whole files that were kept, the hash compared',
    events: 'file.received'
  },
  p2p_files_received_bytes_total: {
    type: 'counter',
    help: 'Bytes of those files, with what was there of one that was resumed',
    events: 'file.received'
  },
  p2p_files_refused_total: {
    type: 'counter',
    help: 'Files that were offered and not kept',
    events: 'file.refused'
  },
  p2p_reservations: {
    type: 'gauge',
    help: 'Reservations that stand: of peers on this relay, or of this node on the relays of --circuit',
    events: 'reservation.open, reservation.close',
    labels: { role: roles }
  },
  p2p_reservations_opened_total: {
    type: 'counter',
    help: 'Reservations that were granted',
    events: 'reservation.open',
    labels: { role: roles }
  },
  p2p_reservations_refreshed_total: {
    type: 'counter',
    help: 'Reservations that were made longer',
    events: 'reservation.refresh',
    labels: { role: roles }
  },
  p2p_reservations_ended_total: {
    type: 'counter',
    help: 'Reservations that ended; refused and failed: the relay did not renew it, or could not be asked',
    events: 'reservation.close',
    labels: { role: roles, reason: ['expired', 'disconnected', 'stopped', 'refused', 'failed'] }
  },
  p2p_reservations_refused_total: {
    type: 'counter',
    help: 'Reservations that were refused',
    events: 'reservation.refused',
    labels: { role: roles, status: statuses }
  },
  p2p_reservations_retried_total: {
    type: 'counter',
    help: 'Tries in vain to get back a reservation that was lost',
    events: 'reservation.retry'
  },
  p2p_circuits: {
    type: 'gauge',
    help: 'Pairs of peers that talk through this relay',
    events: 'circuit.open, circuit.close'
  },
  p2p_circuits_opened_total: {
    type: 'counter',
    help: 'Circuits that both peers have agreed on',
    events: 'circuit.open'
  },
  p2p_circuits_ended_total: {
    type: 'counter',
    help: 'Circuits that ended: by their peers, or by which limit of the relay',
    events: 'circuit.close',
    labels: { reason: ['closed', 'reset', 'data_limit', 'duration_limit', 'stopped'] }
  },
  p2p_circuits_refused_total: {
    type: 'counter',
    help: 'Circuits that were refused',
    events: 'circuit.refused',
    labels: { status: statuses }
  },
  p2p_relayed_bytes_total: {
    type: 'counter',
    help: 'Bytes passed on through circuits, once a second: in from who called, out back to them',
    events: 'circuit.traffic, circuit.close',
    labels: { direction: ways }
  },
  p2p_autonat_requests_total: {
    type: 'counter',
    help: 'AutoNAT requests that were answered (--serve autonat)',
    events: 'autonat.dial',
    labels: { status: ['OK', 'E_REQUEST_REJECTED', 'E_DIAL_REFUSED', 'E_INTERNAL_ERROR'] }
  },
  p2p_event_loop_delay_p50_seconds: {
    type: 'gauge',
    help: 'How late timers were within the last 15 to 30 seconds: half of them at most so',
    events: ''
  },
  p2p_event_loop_delay_p99_seconds: { type: 'gauge', help: 'Likewise, 99 percent of them', events: '' },
  p2p_event_loop_delay_max_seconds: { type: 'gauge', help: 'Likewise, the latest one', events: '' }
} as const satisfies Record<string, Metric>

export type MetricName = keyof typeof metrics

/** What prom-client has by default and is kept; the others have names that promtool finds wrong, or are of no use here. */
export const processMetrics = [
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_cpu_seconds_total',
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'process_virtual_memory_bytes',
  'process_heap_bytes',
  'process_open_fds',
  'process_max_fds',
  'nodejs_heap_size_total_bytes',
  'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes',
  'nodejs_gc_duration_seconds'
] as const
