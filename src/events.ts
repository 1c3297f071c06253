/**
 * Everything p2pctl can say, as data. The TypeScript types, the published JSON Schema and docs/events.md all come
 * from the table below.
 *
 * A field is `string`, `integer`, `number`, `boolean`, a list (`string[]`), may be unknown (`|null`), one of a list
 * of words, or an object of fields; `[null, {...}]` is an object or null. A name that ends in `?` may be left out.
 * Units stand in the names: _ms, _bytes, _pct, _s.
 */

/** Version of the contract that `run.start` names; its first number is `v` on every line. */
export const CONTRACT = '1.0'

const rtt = {
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
const pingFates = {
  'late?': 'integer',
  'lost?': 'integer',
  'wrong?': 'integer',
  'reset?': 'integer',
  'closed?': 'integer',
  'unconnected?': 'integer',
  'stalled?': 'integer',
  'connects_ms?': rtt
} as const

const pingStats = {
  sent: 'integer',
  received: 'integer',
  loss_pct: 'number',
  connect_ms: 'number|null',
  rtt_ms: [null, rtt],
  ...pingFates
} as const

const pong = { seq: 'integer', rtt_ms: 'number', peer_id: 'string', addr: 'string' } as const

const phases = [
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

const peer = {
  peer_id: 'string',
  addrs: 'string[]',
  sources: 'string[]',
  'connected?': 'boolean',
  'rtt_ms?': 'number|null',
  'agent_version?': 'string|null'
} as const

const reservation = { peer_id: 'string', expires: 'string|null', addr: 'string|null', status: 'string' } as const

const circuit = {
  src_peer_id: 'string',
  dst_peer_id: 'string',
  in_bytes: 'integer',
  out_bytes: 'integer',
  duration_ms: 'number',
  status: 'string'
} as const

const transfer = { bytes: 'integer', total_bytes: 'integer|null', bytes_per_s: 'number' } as const

/** The fields that every line has. */
export const envelope = {
  v: 'integer',
  type: 'string',
  time: 'string',
  t_ms: 'number',
  cmd: 'string',
  'target?': 'string|null'
} as const

/** Every event type: what it says, and its fields beside those of the envelope. */
export const events = {
  'run.start': ['the first line of every run', { contract: 'string', version: 'string', peer_id: 'string|null' }],
  'run.summary': [
    'the last line of every run; ok and exit_code always agree',
    {
      ok: 'boolean',
      reason: ['complete', 'interrupted', 'deadline', 'error'],
      exit_code: 'integer|null',
      signal: 'string|null',
      'sent?': 'integer',
      'received?': 'integer',
      'loss_pct?': 'number',
      'connect_ms?': 'number|null',
      'rtt_ms?': [null, rtt],
      ...pingFates,
      'targets?': [{ target: 'string', ok: 'boolean', 'error?': 'string', ...pingStats }],
      'peers?': 'integer',
      'connections?': 'integer',
      'total_ms?': 'number'
    }
  ],
  error: [
    'something that was asked for did not happen',
    {
      code: 'string',
      phase: [null, phases],
      message: 'string',
      hint: 'string|null',
      addr: 'string|null',
      expected: 'string|null',
      actual: 'string|null',
      exit_code: 'integer'
    }
  ],
  'listen.ready': [
    'every requested address listens; the ready file holds the same fields',
    { pid: 'integer', peer_id: 'string', addrs: 'string[]' }
  ],
  'listen.addrs': ['the addresses that peers can dial have changed', { addrs: 'string[]' }],
  'connection.open': [
    'a connection was made and upgraded',
    {
      peer_id: 'string',
      remote_addr: 'string',
      direction: ['inbound', 'outbound'],
      transport: 'string',
      security: 'string|null',
      muxer: 'string|null',
      limited: 'boolean'
    }
  ],
  'connection.close': ['a connection ended', { peer_id: 'string', remote_addr: 'string', duration_ms: 'number' }],
  'peer.identify': [
    'what a peer says of itself in identify, and whether its signed peer record is truly its own',
    {
      peer_id: 'string',
      agent_version: 'string|null',
      protocol_version: 'string|null',
      observed_addr: 'string|null',
      listen_addrs: 'string[]',
      protocols: 'string[]',
      signed_record: [null, { valid: 'boolean', seq: 'integer|null', addrs: 'string[]' }]
    }
  ],
  'dial.resolve': ['a name in an address was looked up', { addr: 'string', addrs: 'string[]', ms: 'number' }],
  'dial.attempt': [
    'one address was dialed, from a standing start to identify',
    {
      addr: 'string',
      transport: 'string|null',
      ok: 'boolean',
      phases: {
        resolve_ms: 'number|null',
        connect_ms: 'number|null',
        security_ms: 'number|null',
        muxer_ms: 'number|null',
        identify_ms: 'number|null'
      },
      total_ms: 'number',
      security: 'string|null',
      muxer: 'string|null',
      limited: 'boolean',
      error: [null, { code: 'string', phase: [null, phases], message: 'string' }],
      'peer_id?': 'string|null',
      'number?': 'integer',
      'of?': 'integer'
    }
  ],
  'dial.protocol': [
    'a protocol was negotiated on the connection, and nothing sent on it',
    { peer_id: 'string', protocol: 'string', ok: 'boolean', ms: 'number' }
  ],
  'ping.reply': [
    'the same 32 bytes came back; stalled: while our own event loop stood still, so that it is in no statistics',
    { ...pong, 'connect_ms?': 'number', 'loop_delay_ms?': 'number', 'stalled?': 'boolean' }
  ],
  'ping.timeout': ['no reply in time', { seq: 'integer', after_ms: 'number' }],
  'ping.late': ['the reply to a ping that had timed out', { seq: 'integer', rtt_ms: 'number' }],
  'ping.fail': [
    'an answer that is no reply: other bytes, a reset, a closed stream or connection; connect: none was made (--fresh)',
    { seq: 'integer', reason: ['wrong', 'reset', 'closed', 'connect'], after_ms: 'number', 'error?': 'string' }
  ],
  'chart.write': ['a picture of the round trips was written', { path: 'string', bytes: 'integer' }],
  'peer.add': ['a peer was seen for the first time', peer],
  'peer.change': ['something new is known of a peer', peer],
  'peer.remove': ['a peer has left', peer],
  'source.end': [
    'what one source of peers has given, once it has no more to give',
    { source: 'string', peers: 'integer', message: 'string|null' }
  ],
  'message.received': [
    'a message, as text where it is UTF-8, else as base64',
    {
      peer_id: 'string',
      'protocol?': 'string',
      'topic?': 'string',
      'text?': 'string',
      'base64?': 'string',
      bytes: 'integer'
    }
  ],
  'file.received': [
    'a whole file, its hash compared',
    { peer_id: 'string', name: 'string', path: 'string', bytes: 'integer', sha256: 'string' }
  ],
  'send.progress': ['bytes that the receiver has taken', transfer],
  'send.done': [
    'the receiver has all of it, and its hash is the same',
    { ...transfer, sha256: 'string', confirmed: 'boolean' }
  ],
  'reservation.open': ['a peer may be reached through the relay', reservation],
  'reservation.refresh': ['a reservation was made longer', reservation],
  'reservation.close': ['a reservation ended', reservation],
  'reservation.refused': ['a reservation was refused', reservation],
  'circuit.open': ['two peers talk through the relay', circuit],
  'circuit.close': ['they have ended, or met a limit', circuit],
  'circuit.refused': ['a circuit was refused', circuit],
  'key.show': [
    'a private key file, by its public side only',
    { path: 'string', peer_id: 'string', key_type: 'string', 'created?': 'boolean' }
  ],
  'version.show': ['what runs here', { version: 'string', node: 'string', libp2p: 'string', contract: 'string' }],
  'schema.show': ['the JSON Schema of the events', { schema: 'object' }],
  'demo.step': [
    'a part of the demo, once it has been seen to work',
    { step: ['start', 'tcp', 'ws', 'ping', 'send', 'relay', 'stop'], ok: 'boolean', ms: 'number' }
  ]
} as const

type Value<S> = S extends `${infer Base}|null`
  ? Value<Base> | null
  : S extends `${infer Item}[]`
    ? Value<Item>[]
    : S extends 'string'
      ? string
      : S extends 'integer' | 'number'
        ? number
        : S extends 'boolean'
          ? boolean
          : S extends 'object'
            ? object
            : S extends readonly [null, infer Inner]
              ? Value<Inner> | null
              : S extends readonly string[]
                ? S[number]
                : S extends readonly [infer Item]
                  ? Value<Item>[]
                  : Fields<S>

type Fields<S> = { -readonly [K in keyof S as K extends `${string}?` ? never : K]: Value<S[K]> } & {
  -readonly [K in keyof S as K extends `${infer Name}?` ? Name : never]?: Value<S[K]>
}

export type EventType = keyof typeof events

/** The fields of one event type, without the envelope. */
export type FieldsOf<T extends EventType> = Fields<(typeof events)[T][1]>

/** One event, as a command or a view handles it; `target` is the target as it was given. */
export type Event<T extends EventType = EventType> = {
  [K in T]: { type: K; target?: string | undefined } & FieldsOf<K>
}[T]

/** How a run ended, as the command knows it; `run.ts` adds the reason, the signal and, where it is missing, the code. */
export type Verdict = {
  type: 'run.summary'
  ok: boolean
  exit_code?: number
  reason?: 'error'
  target?: string
} & Omit<Partial<FieldsOf<'run.summary'>>, 'ok' | 'reason' | 'exit_code' | 'signal'>

/** The own peer ID, as soon as it is known. */
export type Start = { type: 'run.start'; peer_id: string }

/** What a command yields. */
export type Said = Exclude<Event, { type: 'run.start' | 'run.summary' }> | Verdict | Start

/** A command: it opens what it needs, yields what happened, throws what went wrong. It prints nothing. */
export type Command<O> = (options: O, signal: AbortSignal) => AsyncIterable<Said>

export type Phase = (typeof phases)[number]
export type Phases = FieldsOf<'dial.attempt'>['phases']
export type PingStats = Fields<typeof pingStats>
export type Rtt = Fields<typeof rtt>
