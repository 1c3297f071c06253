/** What a peer may cost us: each limit, its default and why. The source of `--limit`, `p2pctl help limits` and docs/limits.md. */

export interface LimitRow {
  unit: 'count' | 'bytes' | 'ms'
  default: number
  /** The least and the most that may be asked for. */
  range: [least: number, most: number]
  group: LimitGroup
  says: string
}

export type LimitGroup = 'before a peer is known' | 'connections' | 'streams' | 'what peers tell' | 'ping' | 'stopping'

const KIB = 2 ** 10
const MIB = 2 ** 20
const MANY = 1_000_000

export const limitTable = {
  pending: {
    unit: 'count',
    default: 128,
    range: [1, MANY],
    group: 'before a peer is known',
    says: 'connections that are being upgraded at once; libp2p allows 10, which a few silent sockets fill'
  },
  'pending-per-ip': {
    unit: 'count',
    default: 4,
    range: [1, MANY],
    group: 'before a peer is known',
    says: 'of them, from one IPv4 address or IPv6 /56; four times as many wait for their turn'
  },
  'upgrade-timeout': {
    unit: 'ms',
    default: 5000,
    range: [100, 3_600_000],
    group: 'before a peer is known',
    says: 'how long an upgrade may take: security, muxer'
  },
  'new-per-ip': {
    unit: 'count',
    default: 5,
    range: [1, MANY],
    group: 'before a peer is known',
    says: 'new connections a second from one IPv4 address or IPv6 /56, on average'
  },
  'new-per-ip-burst': {
    unit: 'count',
    default: 20,
    range: [1, MANY],
    group: 'before a peer is known',
    says: 'of them, at once; who asks for more has to wait for the penalty'
  },
  penalty: {
    unit: 'ms',
    default: 10_000,
    range: [0, 3_600_000],
    group: 'before a peer is known',
    says: 'how long an address that asked for too many gets none; twice as long each time'
  },
  'penalty-most': {
    unit: 'ms',
    default: 600_000,
    range: [0, 86_400_000],
    group: 'before a peer is known',
    says: 'the longest penalty'
  },
  'exempt-loopback': {
    unit: 'count',
    default: 1,
    range: [0, 1],
    group: 'before a peer is known',
    says: 'whether this machine itself is spared the limits for an address: 1 or 0'
  },
  'bytes-before-auth': {
    unit: 'bytes',
    default: 16 * KIB,
    range: [KIB, 16 * MIB],
    group: 'before a peer is known',
    says: 'what a peer may send before it has proved who it is'
  },
  connections: {
    unit: 'count',
    default: 300,
    range: [1, MANY],
    group: 'connections',
    says: 'connections at once; 1024 for relay'
  },
  'connections-per-peer': {
    unit: 'count',
    default: 8,
    range: [1, MANY],
    group: 'connections',
    says: 'of them, with one peer'
  },
  'connections-per-ip': {
    unit: 'count',
    default: 32,
    range: [1, MANY],
    group: 'connections',
    says: 'of them, from one IPv4 address or IPv6 /56'
  },
  'memory-refuse': {
    unit: 'bytes',
    default: 512 * MIB,
    range: [32 * MIB, 2 ** 40],
    group: 'connections',
    says: 'with more memory in use, new connections are refused'
  },
  'memory-close': {
    unit: 'bytes',
    default: 768 * MIB,
    range: [32 * MIB, 2 ** 40],
    group: 'connections',
    says: 'with more memory in use, the connections that matter least are closed'
  },
  streams: {
    unit: 'count',
    default: 64,
    range: [1, MANY],
    group: 'streams',
    says: 'streams at once that a peer may open on one connection; 320 more with listen --forward'
  },
  'new-streams': {
    unit: 'count',
    default: 50,
    range: [1, MANY],
    group: 'streams',
    says: 'streams a second that a peer may open on one connection, and at once; as many again wait; as many as streams with --forward'
  },
  'idle-frames': {
    unit: 'count',
    default: 1000,
    range: [1, MANY],
    group: 'streams',
    says: 'frames a second without data (yamux pings, window updates, resets); two for each of new-streams at least'
  },
  'small-frames': {
    unit: 'count',
    default: 10_000,
    range: [1, MANY],
    group: 'streams',
    says: 'frames a second with less than 64 bytes of data; the next ones wait'
  },
  'read-buffer': {
    unit: 'bytes',
    default: MIB,
    range: [256 * KIB, 2 ** 30],
    group: 'streams',
    says: 'what may wait to be read on one stream'
  },
  'write-buffer': {
    unit: 'bytes',
    default: MIB,
    range: [64 * KIB, 2 ** 30],
    group: 'streams',
    says: 'what may wait to be sent on one stream to a peer that does not read, and as much of what a muxer answers'
  },
  'identify-protocols': {
    unit: 'count',
    default: 256,
    range: [1, MANY],
    group: 'what peers tell',
    says: 'protocols that are kept of one identify; how many more there were is said'
  },
  'identify-addrs': {
    unit: 'count',
    default: 100,
    range: [1, MANY],
    group: 'what peers tell',
    says: 'addresses likewise'
  },
  'dns-depth': {
    unit: 'count',
    default: 4,
    range: [1, 32],
    group: 'what peers tell',
    says: 'levels of a /dnsaddr'
  },
  'dns-queries': {
    unit: 'count',
    default: 32,
    range: [1, 10_000],
    group: 'what peers tell',
    says: 'questions to DNS for one target'
  },
  'dns-addrs': {
    unit: 'count',
    default: 16,
    range: [1, 10_000],
    group: 'what peers tell',
    says: 'addresses that are dialed of one name'
  },
  'ping-streams': {
    unit: 'count',
    default: 2,
    range: [1, MANY],
    group: 'ping',
    says: 'streams of ping that are answered on one connection'
  },
  'ping-rate': {
    unit: 'count',
    default: 100,
    range: [1, MANY],
    group: 'ping',
    says: 'pings a second that are answered to one peer; the next ones wait'
  },
  'ping-idle': {
    unit: 'ms',
    default: 60_000,
    range: [1000, 86_400_000],
    group: 'ping',
    says: 'how long a stream of ping may say nothing'
  },
  'stop-in-order': {
    unit: 'ms',
    default: 3000,
    range: [0, 60_000],
    group: 'stopping',
    says: 'how long connections may take to close in order at the end; no more than 1.9s after ^C unless it is set'
  },
  'stop-hard': {
    unit: 'ms',
    default: 5000,
    range: [100, 120_000],
    group: 'stopping',
    says: 'so long after ^C the process ends, whatever is left'
  }
} as const satisfies Record<string, LimitRow>

export type LimitName = keyof typeof limitTable
export type Limits = Record<LimitName, number>

export const limitNames = Object.keys(limitTable) as LimitName[]

/** Every limit: those that were asked for, else the defaults. */
export function limitsOf(asked: Partial<Limits> = {}): Limits {
  const defaults = Object.fromEntries(limitNames.map(name => [name, limitTable[name].default])) as Limits
  return { ...defaults, ...asked }
}

/** The limits that have an option of their own, for `help limits`: option, default, meaning. */
export const ownOptions: [option: string, commands: string, says: string][] = [
  ['--max-reservations 128', 'relay', 'peers that may be reachable at once; one reservation for each'],
  ['--max-reservations-per-ip 8', 'relay', 'of them, from one IPv4 address or IPv6 /56'],
  ['--max-circuits 64', 'relay', 'pairs that may talk at once'],
  ['--max-circuits-per-peer 16', 'relay', 'of them, from and to one peer'],
  ['--ttl 1h', 'relay', 'how long a reservation lasts; it ends when the peer leaves'],
  ['--limit-duration 2m', 'relay', 'how long two peers may talk'],
  ['--limit-data 128KiB', 'relay', 'what may pass a circuit, each way'],
  ['--max-message 1MiB', 'listen', 'the largest message'],
  ['--max-file 100MiB', 'listen --recv', 'the largest file'],
  ['--max-total 1GiB', 'listen --recv', 'all files of one run'],
  ['--keep-free 10', 'listen --recv', 'percent of the disk that is left free'],
  ['--interval 100ms', 'ping', 'the least time between pings; 10ms with -f']
]

/** What js-libp2p 3.3 does where it is not told otherwise, for docs/limits.md; it has no such limit where nothing stands. */
export const libp2pDefaults: Record<string, string> = {
  pending: '10',
  'upgrade-timeout': '10s',
  'new-per-ip': '5',
  connections: '300',
  streams: '1000',
  'read-buffer': '4MiB',
  'dns-depth': '32',
  'dns-addrs': '25',
  'ping-streams': '2',
  'ping-idle': '10s in all',
  '--max-reservations': '15, kept after the peer has left',
  '--ttl': '2h',
  '--limit-duration': '2m',
  '--limit-data': '128KiB, both ways together'
}
