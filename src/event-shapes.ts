/** Fields that several events share, in the form that src/event-table.ts describes. */

export const rtt = {
  min: 'number',
  mean: 'number',
  p50: 'number',
  p90: 'number',
  p95: 'number',
  p99: 'number',
  max: 'number',
  stddev: 'number'
} as const

/** Pings by what became of them, left out where there are none; the late are lost for `loss_pct`. */
export const pingFates = {
  'late?': 'integer',
  'lost?': 'integer',
  'wrong?': 'integer',
  'reset?': 'integer',
  'closed?': 'integer',
  'unconnected?': 'integer',
  'stalled?': 'integer',
  'connects_ms?': rtt
} as const

export const pingStats = {
  sent: 'integer',
  received: 'integer',
  loss_pct: 'number',
  connect_ms: 'number|null',
  rtt_ms: [null, rtt],
  ...pingFates
} as const

export const pong = { seq: 'integer', rtt_ms: 'number', peer_id: 'string', addr: 'string' } as const

/** Where several peers are pinged at once. */
export const pinged = { 'peer_id?': 'string', 'addr?': 'string' } as const

export const phases = [
  'resolve',
  'connect',
  'security',
  'muxer',
  'identify',
  'protocol',
  'listen',
  'relay',
  'transfer'
] as const

export const sides = ['local', 'remote', 'network'] as const

export const peer = {
  peer_id: 'string',
  addrs: 'string[]',
  sources: 'string[]',
  'connected?': 'boolean',
  'rtt_ms?': 'number|null',
  'agent_version?': 'string|null',
  'protocols?': 'string[]'
} as const

export const reservation = { peer_id: 'string', expires: 'string|null', addr: 'string|null', status: 'string' } as const

export const circuit = {
  src_peer_id: 'string',
  dst_peer_id: 'string',
  in_bytes: 'integer',
  out_bytes: 'integer',
  duration_ms: 'number',
  status: 'string',
  'circuit_id?': 'integer'
} as const

/** What identify says; the totals stand where a list was cut to the limits identify-protocols and identify-addrs. */
export const identity = {
  agent_version: 'string|null',
  protocol_version: 'string|null',
  observed_addr: 'string|null',
  listen_addrs: 'string[]',
  protocols: 'string[]',
  signed_record: [null, { valid: 'boolean', seq: 'integer|null', addrs: 'string[]', 'addrs_total?': 'integer' }],
  'protocols_total?': 'integer',
  'listen_addrs_total?': 'integer'
} as const

/** The limit that a peer went over. */
export const cut = { 'limit?': 'string' } as const

export const limits = { 'limit_s?': 'number|null', 'limit_bytes?': 'integer|null' } as const
/** Of a relayed connection; the other times begin where the relayed connection stood. */
export const upgrade = {
  peer_id: 'string',
  from_addr: 'string',
  to_addr: 'string',
  by: ['webrtc', 'dcutr'],
  relayed_ms: 'number|null',
  direct_ms: 'number',
  'relayed_rtt_ms?': 'number|null',
  'direct_rtt_ms?': 'number|null'
} as const

export const grant = { 'status?': 'string', 'expires?': 'string', 'ttl_s?': 'number', ...limits } as const
export const found = { 'addrs?': 'string[]', 'public?': 'integer', 'peer_id?': 'string' } as const
export const times = { 'rtt_ms?': 'number', 'connect_ms?': 'number', 'measured_s?': 'number|null' } as const
export const passed = { 'measured_in_bytes?': 'integer|null', 'measured_out_bytes?': 'integer|null' } as const
export const check = {
  step: ['reserve', 'expiry', 'limits', 'voucher', 'addrs', 'circuit', 'ping', 'data', 'duration'],
  ok: 'boolean',
  problems: 'string[]',
  ...{ ...grant, ...found, ...times, ...passed }
} as const

/**
 * - observed: the relay sees us at this address, and we name these
 * - dial: one address of the peer was dialed; before the first stream those that it announces
 * - inbound: the peer has dialed us
 */
const punchSteps = [
  'observed',
  'stream_opened',
  'connect_sent',
  'connect_received',
  'sync_sent',
  'sync_received',
  'dial',
  'inbound'
] as const
export const punchStep = {
  peer_id: 'string',
  attempt: 'integer',
  step: punchSteps,
  ms: 'number',
  'addrs?': 'string[]',
  'rtt_ms?': 'number',
  'ok?': 'boolean',
  'error?': 'string|null'
} as const

/**
 * - direct_dial: an address that the peer announces could be dialed all the time
 * - reversed: the peer, or for who listens this side, could dial the one that had called
 * - success: a dial after SYNC got through
 * - no_stream: /libp2p/dcutr was never opened
 * - protocol_error: it was, and what came was no answer
 * - timeout, failed: nothing got through; every dial ran out of time, or some failed otherwise
 */
const punchOutcomes = [
  'direct_dial',
  'reversed',
  'success',
  'no_stream',
  'protocol_error',
  'timeout',
  'failed'
] as const
export const punchResult = {
  peer_id: 'string',
  outcome: punchOutcomes,
  attempts: 'integer',
  relayed_ms: 'number|null',
  direct_ms: 'number|null',
  addr: 'string|null',
  error: 'string|null'
} as const

export const transfer = {
  'name?': 'string',
  bytes: 'integer',
  total_bytes: 'integer|null',
  bytes_per_s: 'number'
} as const

const dhtPeer = { peer_id: 'string', addrs: 'string[]' } as const
/** What became of a record that was sent to a node of the DHT; error is null where it keeps it. */
const dhtKept = { peer_id: 'string', ok: 'boolean', ms: 'number', error: 'string|null', reason: 'string|null' } as const

export const dhtEvents = {
  'dht.query': [
    'a node of the DHT was asked, or could not be; hop 0 is a peer that was named, hop 1 one that such a peer told of',
    {
      peer_id: 'string|null',
      rpc: ['put_value', 'get_value', 'add_provider', 'get_providers', 'find_node'],
      step: ['sent', 'answer', 'error'],
      hop: 'integer',
      'connect_ms?': 'number|null',
      'ms?': 'number',
      'closer?': 'integer',
      'providers?': 'integer',
      'record?': 'boolean',
      'error?': 'string',
      'reason?': 'string'
    }
  ],
  'dht.done': [
    'nobody is left to ask, or enough is known',
    { asked: 'integer', answered: 'integer', hops: 'integer', ms: 'number' }
  ],
  'dht.peer': ['where a peer is, and who told', { ...dhtPeer, from_peer_id: 'string' }],
  'dht.closest': [
    'a node that is near a key, the nearest first; common_bits is how many leading bits of the hashes are the same',
    { ...dhtPeer, rank: 'integer', common_bits: 'integer' }
  ],
  'dht.provider': ['a peer that says that it has the content, and who told', { ...dhtPeer, from_peer_id: 'string' }],
  'dht.record': [
    'a value under a key, and how many nodes keep it; valid is null where nobody here can tell, chosen is the best one',
    {
      key: 'string',
      'text?': 'string',
      'base64?': 'string',
      bytes: 'integer',
      peers: 'integer',
      time_received: 'string|null',
      valid: 'boolean|null',
      problem: 'string|null',
      chosen: 'boolean'
    }
  ],
  'dht.provide': ['whether a node names us as a provider after it was told', dhtKept],
  'dht.put': ['whether a node took a record', dhtKept]
} as const

export const peerForms = {
  peer_id: 'string',
  cid_base32: 'string',
  cid_base36: 'string',
  key_type: 'string|null'
} as const

/** What a record, or an address on the way, can be faulted for. */
export const dnsFaults = [
  'no_dnsaddr',
  'invalid',
  'ending',
  'loop',
  'repeated',
  'limit',
  'private',
  'empty',
  'failed',
  'family'
] as const

/** What an AutoNAT v2 server found out about an address; src/protocols/autonat-client.ts says what each means. */
export const autonatVerdicts = [
  'reachable',
  'unproven',
  'unreachable',
  'unanswered',
  'refused',
  'rejected',
  'expensive',
  'failed'
] as const

/** A line of doctor; the optional fields are what the message says, as data. */
export const finding = {
  group: ['machine', 'names', 'transports', 'local-network', 'remote', 'nat'],
  check: 'string',
  status: ['ok', 'warn', 'fail', 'skip'],
  message: 'string',
  fix: 'string|null',
  ms: 'number',
  'addr?': 'string',
  'addrs?': 'string[]',
  'peer_id?': 'string',
  'package?': 'string',
  'servers?': 'string[]',
  'port?': 'integer',
  'observed?': 'string|null',
  'nat?': ['none', 'same-port', 'symmetric', 'unknown'],
  'verdict?': autonatVerdicts,
  'dialed_from?': 'string|null',
  'data_bytes?': 'integer',
  'relay_status?': 'string',
  'rtt_ms?': 'number'
} as const

/** Of whatever listens; the last three are of the page that `browser` serves. */
export const ready = {
  pid: 'integer',
  peer_id: 'string',
  addrs: 'string[]',
  'psk_fingerprint?': 'string',
  'url?': 'string',
  'urls?': 'string[]',
  'relay?': 'string',
  'metrics_url?': 'string',
  'health_url?': 'string'
} as const
