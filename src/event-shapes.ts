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

export const limits = { 'limit_s?': 'number|null', 'limit_bytes?': 'integer|null' } as const
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

export const transfer = {
  'name?': 'string',
  bytes: 'integer',
  total_bytes: 'integer|null',
  bytes_per_s: 'number'
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
