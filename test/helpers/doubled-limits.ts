/** Every limit, doubled where it is used: the test that shows it at its value and beyond has to turn red. */
import type { Mutation } from './mutations.ts'

/** In which file, what stands there, and what is put in its place; the test file, and which of its tests where there are more. */
type Doubling = [limit: string, file: string, from: string, to: string, test: string, named?: string]

const GATE = 'src/gate.ts'
const STREAMS = 'src/stream-limits.ts'
const FRAMES = 'src/frame-limits.ts'
const CONNECTIONS = 'test/limits-connections.test.ts'

/** Their tests start processes, which run what was built. */
const BUILT = [CONNECTIONS, 'test/limits-streams.test.ts', 'test/limits.test.ts']

const doublings: Doubling[] = [
  ['pending', GATE, 'pending.size >= limits.pending', 'pending.size >= 2 * limits.pending', CONNECTIONS],
  [
    'pending-per-ip',
    GATE,
    "if (countOf(pending, origin) >= limits['pending-per-ip'])",
    "if (countOf(pending, origin) >= 2 * limits['pending-per-ip'])",
    CONNECTIONS
  ],
  [
    'upgrade-timeout',
    GATE,
    "setTimeout(end, limits['upgrade-timeout'], guest",
    "setTimeout(end, 2 * limits['upgrade-timeout'], guest",
    CONNECTIONS
  ],
  ['new-per-ip', 'src/penalties.ts', '/ 1000) * perSecond', '/ 1000) * 2 * perSecond', 'test/gate.test.ts'],
  [
    'new-per-ip-burst',
    'src/penalties.ts',
    '} = rules\n',
    "} = { ...rules, 'new-per-ip-burst': 2 * rules['new-per-ip-burst'] }\n",
    'test/gate.test.ts'
  ],
  [
    'penalty',
    'src/penalties.ts',
    'score.penaltyMs === 0 ? penalty :',
    'score.penaltyMs === 0 ? 2 * penalty :',
    'test/gate.test.ts'
  ],
  [
    'penalty-most',
    'src/penalties.ts',
    'Math.min(longest, score',
    'Math.min(2 * longest, score',
    'test/gate.test.ts',
    'and limit penalty-most: '
  ],
  ['exempt-loopback', GATE, "limits['exempt-loopback'] === 1", "2 * limits['exempt-loopback'] === 1", CONNECTIONS],
  [
    'bytes-before-auth',
    GATE,
    "guest.received <= limits['bytes-before-auth']",
    "guest.received <= 2 * limits['bytes-before-auth']",
    CONNECTIONS
  ],
  // asked twice, before the upgrade and after it
  [
    'connections',
    'src/guarded.ts',
    'createGate(limits, options)',
    'createGate({ ...limits, connections: 2 * limits.connections }, options)',
    CONNECTIONS
  ],
  [
    'connections-per-ip',
    'src/guarded.ts',
    'createGate(limits, options)',
    "createGate({ ...limits, 'connections-per-ip': 2 * limits['connections-per-ip'] }, options)",
    CONNECTIONS
  ],
  [
    'connections-per-peer',
    GATE,
    "ofPeer >= limits['connections-per-peer']",
    "ofPeer >= 2 * limits['connections-per-peer']",
    CONNECTIONS
  ],
  [
    'memory-refuse',
    GATE,
    "memory() > limits['memory-refuse']",
    "memory() > 2 * limits['memory-refuse']",
    'test/gate.test.ts'
  ],
  [
    'memory-close',
    'src/memory.ts',
    'watch.memory() <= watch.most',
    'watch.memory() <= 2 * watch.most',
    'test/gate.test.ts',
    'limit memory-close: with one byte more'
  ],
  ['streams', STREAMS, 'open >= limits.streams', 'open >= 2 * limits.streams', 'test/limits-streams.test.ts'],
  [
    'new-streams',
    STREAMS,
    "createBucket(limits['new-streams'], limits['new-streams'])",
    "createBucket(limits['new-streams'], 2 * limits['new-streams'])",
    'test/limits-streams.test.ts'
  ],
  [
    'small-frames',
    FRAMES,
    "createBucket(limits['small-frames'], limits['small-frames'])",
    "createBucket(2 * limits['small-frames'], 2 * limits['small-frames'])",
    'test/limits-streams.test.ts'
  ],
  [
    'idle-frames',
    FRAMES,
    'createBucket(idleFrames, idleFrames)',
    'createBucket(idleFrames, 2 * idleFrames)',
    'test/limits-streams.test.ts'
  ],
  [
    'read-buffer',
    STREAMS,
    "inside.maxReadBufferLength = limits['read-buffer']",
    "inside.maxReadBufferLength = 2 * limits['read-buffer']",
    'test/limits-streams.test.ts',
    'limit read-buffer: what nobody reads'
  ],
  [
    'write-buffer',
    STREAMS,
    "inside.maxWriteBufferLength = limits['write-buffer']",
    "inside.maxWriteBufferLength = 2 * limits['write-buffer']",
    'test/limits-streams.test.ts'
  ],
  [
    'dns-depth',
    'src/resolve.ts',
    'search.depth >= deepest',
    'search.depth >= 2 * deepest',
    'test/limits-names.test.ts'
  ],
  ['dns-queries', 'src/resolve.ts', 'search.queries > most', 'search.queries > 2 * most', 'test/limits-names.test.ts'],
  [
    'dns-addrs',
    'src/resolve.ts',
    'candidates.slice(0, most).map(',
    'candidates.slice(0, 2 * most).map(',
    'test/limits-names.test.ts'
  ],
  [
    'identify-protocols',
    'src/protocols/identify.ts',
    '++protocols > mostProtocols',
    '++protocols > 2 * mostProtocols',
    'test/limits-streams.test.ts',
    'and with one more, how many there were'
  ],
  [
    'identify-addrs',
    'src/protocols/identify.ts',
    '++addrs > mostAddrs',
    '++addrs > 2 * mostAddrs',
    'test/limits-streams.test.ts',
    'and with one more, how many there were'
  ],
  [
    'ping-streams',
    'src/protocols/pong.ts',
    'others.length > most',
    'others.length > 2 * most',
    'test/limits-streams.test.ts'
  ],
  [
    'ping-idle',
    'src/protocols/pong.ts',
    "idleMs = limits['ping-idle']",
    "idleMs = 2 * limits['ping-idle']",
    'test/limits-streams.test.ts'
  ],
  [
    'ping-rate',
    'src/protocols/pong.ts',
    'createBucket(rate, rate)',
    'createBucket(rate, 2 * rate)',
    'test/limits-streams.test.ts',
    'limit ping-rate: those within it at once'
  ],
  [
    'stop-in-order',
    'src/node.ts',
    "within(limits['stop-in-order']",
    "within(2 * limits['stop-in-order']",
    'test/gate.test.ts'
  ],
  [
    'stop-hard',
    'src/run.ts',
    "setTimeout(dieOf, limits['stop-hard']",
    "setTimeout(dieOf, 2 * limits['stop-hard']",
    CONNECTIONS
  ],
  [
    '--max-reservations',
    'src/protocols/reservations.ts',
    'slots.size >= rules.max',
    'slots.size >= 2 * rules.max',
    'test/limits-relay.test.ts'
  ],
  [
    '--max-reservations-per-ip',
    'src/protocols/reservations.ts',
    'others.length < rules.maxPerIp',
    'others.length < 2 * rules.maxPerIp',
    'test/limits-relay.test.ts'
  ],
  [
    '--ttl',
    'src/protocols/reservations.ts',
    'Date.now() + rules.ttlMs',
    'Date.now() + 2 * rules.ttlMs',
    'test/limits-relay.test.ts'
  ],
  [
    '--max-circuits',
    'src/protocols/hop.ts',
    'circuits.size >= maxCircuits',
    'circuits.size >= 2 * maxCircuits',
    'test/limits-relay.test.ts',
    'and limit --max-circuits: '
  ],
  [
    '--max-circuits-per-peer',
    'src/protocols/hop.ts',
    '>= maxCircuitsPerPeer',
    '>= 2 * maxCircuitsPerPeer',
    'test/limits-relay.test.ts'
  ],
  [
    '--limit-duration',
    'src/protocols/hop.ts',
    '(limit?.duration ?? 0) * 1000',
    '(limit?.duration ?? 0) * 2000',
    'test/limits-relay.test.ts'
  ],
  [
    '--limit-data',
    'src/protocols/splice.ts',
    ': maxBytes - bytes',
    ': 2 * maxBytes - bytes',
    'test/limits-relay.test.ts'
  ],
  [
    '--max-message',
    'src/protocols/receive.ts',
    'maxBytes: maxMessageBytes',
    'maxBytes: 2 * maxMessageBytes',
    'test/receive-protocol.test.ts'
  ],
  // by its offer, and again as it comes
  [
    '--max-file',
    'src/inbox.ts',
    'openInbox(options: InboxOptions): Promise<Inbox> {\n',
    'openInbox(given: InboxOptions): Promise<Inbox> {\n  const options = { ...given, maxFile: 2 * given.maxFile }\n',
    'test/inbox.test.ts'
  ],
  [
    '--max-total',
    'src/inbox.ts',
    'total + bytes > options.maxTotal',
    'total + bytes > 2 * options.maxTotal',
    'test/inbox.test.ts'
  ],
  ['--keep-free', 'src/inbox.ts', '* options.keepFree) / 100', '* 2 * options.keepFree) / 100', 'test/inbox.test.ts'],
  ['--interval', 'src/commands/ping.ts', 'interval < 100 && !flood', 'interval < 200 && !flood', 'test/limits.test.ts']
]

export const doubledLimits = doublings.map(([limit, file, from, to, test, named = `limit ${limit}: `]): Mutation => {
  const built = BUILT.includes(test) && ({ built: true } as const)
  return { says: `limit ${limit} is doubled`, file, from, to, tests: [test], named, ...built }
})
