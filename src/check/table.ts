/**
 * What a check may say: its kinds, the settings of each, and the fields that can be expected. The reader of check files,
 * their JSON Schema and the tests of the documentation all come from here, so that they cannot say different things.
 */
import { codes } from '../errors.ts'
import { phases } from '../event-shapes.ts'
import { muxerNames, securityNames } from '../offers.ts'
import { transportNames } from '../transports.ts'

/** `addr` is a text that may be held against an IP address, a range, or the beginning of a multiaddr. */
export type FieldType = 'string' | 'addr' | 'integer' | 'number' | 'boolean' | 'string[]'

export interface Field {
  type: FieldType
  says: string
  /** There may be none, or nobody knows. */
  nullable?: true
  /** It can only be one of these. */
  words?: readonly string[]
  /** It is known of what ended in an error as well. */
  always?: true
  /** Nothing is known of it without this setting. */
  needs?: string
}

export type SettingType = 'text' | 'duration' | 'count' | 'boolean' | 'peer' | 'addrs' | 'texts' | readonly string[]

export interface Setting {
  type: SettingType
  says: string
  required?: true
}

export interface Kind {
  says: string
  /** The first one is named as the kind, and says what is looked at. */
  settings: Record<string, Setting>
  fields: Record<string, Field>
  /** Errors in which a check can end that has seen all there is to see, and their phase. */
  partial: Record<string, string>
}

/** Errors in which the look at a peer can end; the others are about how p2pctl was called. */
export const outcomes = Object.entries(codes)
  .filter(([code, { exit }]) => code === 'dial_self' || ![2, 3, 70].includes(exit))
  .map(([code]) => code)

/** What can be set for all checks at once, and for each. */
export const common = {
  timeout: { type: 'duration', says: 'how long one attempt may take' },
  for: { type: 'duration', says: 'try again until it holds, for this long; no try begins after it' },
  every: { type: 'duration', says: 'with for: the pause between two tries, 1s unless told' },
  transport: { type: transportNames, says: 'dial over these only' },
  security: { type: securityNames, says: 'what is offered, in this order' },
  muxer: { type: muxerNames, says: 'what is offered, in this order' },
  ipv4: { type: 'boolean', says: 'IPv4 only' },
  ipv6: { type: 'boolean', says: 'IPv6 only' },
  direct_only: { type: 'boolean', says: 'no circuits' },
  relayed_only: { type: 'boolean', says: 'circuits only' }
} as const satisfies Record<string, Setting>

/** As a connection names them: QUIC and WebRTC bring their own. */
export const securities = [...securityNames, 'native'] as const
export const muxers = [...muxerNames, 'quic', 'webrtc'] as const

const failure = {
  error: { type: 'string', nullable: true, always: true, words: outcomes, says: 'the code of what went wrong' },
  error_phase: { type: 'string', nullable: true, always: true, words: phases, says: 'the phase that went wrong' },
  error_message: { type: 'string', nullable: true, always: true, says: 'what went wrong, in words' }
} as const satisfies Record<string, Field>

const dialed = {
  peer_id: { type: 'string', nullable: true, always: true, says: 'the peer that answered' },
  addr: { type: 'addr', nullable: true, always: true, says: 'the address that was dialed' },
  transport: { type: 'string', nullable: true, always: true, words: transportNames, says: 'the transport of it' }
} as const satisfies Record<string, Field>

const connection = {
  security: { type: 'string', nullable: true, words: securities, says: 'what secures it' },
  muxer: { type: 'string', nullable: true, words: muxers, says: 'what its streams run on' },
  limited: { type: 'boolean', says: 'whether a relay limits the connection' }
} as const satisfies Record<string, Field>

const connectionLimits = {
  limit_s: { type: 'number', nullable: true, says: 'how long a relay lets the connection be' },
  limit_bytes: { type: 'integer', nullable: true, says: 'how much a relay lets through' }
} as const satisfies Record<string, Field>

const agent = { type: 'string', nullable: true, says: 'what software the peer says it is' } as const
const identified = {
  agent,
  agent_version: agent,
  protocol_version: { type: 'string', nullable: true, says: 'the protocol version that the peer names' },
  observed_addr: { type: 'addr', nullable: true, says: 'the address from which the peer sees us' },
  listen_addrs: { type: 'string[]', nullable: true, says: 'the addresses that the peer says it has' },
  protocols: { type: 'string[]', nullable: true, says: 'the protocols that the peer says it speaks' },
  signed_record_valid: { type: 'boolean', nullable: true, says: 'whether its peer record is truly its own' },
  signed_record_seq: { type: 'integer', nullable: true, says: 'the number of its peer record' },
  signed_record_addrs: { type: 'string[]', nullable: true, says: 'the addresses in its peer record' }
} as const satisfies Record<string, Field>

const time = (says: string) => ({ type: 'number', nullable: true, always: true, says }) as const
const times = {
  total_ms: time('all phases together'),
  resolve_ms: time('looking names up'),
  relay_ms: time('of WebRTC: until the relayed connection was there'),
  signal_ms: time('of WebRTC: agreeing on it over the relay'),
  connect_ms: time('until the transport was there'),
  security_ms: time('the handshake'),
  muxer_ms: time('negotiating the muxer, where that takes a round trip of its own'),
  identify_ms: time('until the peer had said who it is')
} as const satisfies Record<string, Field>

const figures = ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'max', 'stddev'] as const
const statistics = <P extends string>(prefix: P, more: Pick<Field, 'says' | 'needs'>) =>
  Object.fromEntries(
    figures.map(figure => [
      `${prefix}_${figure}_ms`,
      { type: 'number', nullable: true, ...more, says: `${more.says}: ${figure}` }
    ])
  ) as Record<`${P}_${(typeof figures)[number]}_ms`, Field>

const tally = (says: string) => ({ type: 'integer', always: true, says }) as const

export const kinds = {
  dial: {
    says: 'connect to a peer, as p2pctl dial does',
    partial: { protocol_not_supported: 'protocol' },
    settings: {
      dial: { type: 'addrs', required: true, says: 'the address, or a list of them, a check each' },
      each: { type: 'boolean', says: 'every address that it stands for has to hold; else the first that works' },
      announced: { type: 'boolean', says: 'and every address that the peer says it has' },
      protocol: { type: 'texts', says: 'negotiate these protocols too' }
    },
    fields: {
      ...{ ...failure, ...dialed, ...times },
      number: { type: 'integer', nullable: true, always: true, says: 'which of the addresses it was, from 1' },
      of: { type: 'integer', nullable: true, always: true, says: 'how many addresses there are' },
      certificate_checked: { type: 'boolean', nullable: true, always: true, says: 'of wss: false with --insecure' },
      ...{ ...connection, ...connectionLimits, ...identified }
    }
  },
  ping: {
    says: 'measure the round trip to a peer, as p2pctl ping does',
    partial: {},
    settings: {
      ping: { type: 'addrs', required: true, says: 'the address, or a list of them, a check each' },
      count: { type: 'count', says: 'how many pings, 3 unless told' },
      interval: { type: 'duration', says: 'time between pings, 200ms unless told and 100ms at least' },
      fresh: { type: 'boolean', says: 'a new connection for each ping' }
    },
    fields: {
      ...{ ...failure, ...dialed },
      sent: tally('how many pings went out'),
      received: tally('how many came back in time'),
      loss_pct: { type: 'number', always: true, says: 'the share that did not come back in time' },
      late: tally('how many came back later than that'),
      lost: tally('how many did not come back'),
      wrong: tally('how many came back changed'),
      reset: tally('how often the peer reset the stream'),
      closed: tally('how often the peer closed the stream'),
      unconnected: tally('with fresh: how often there was no connection'),
      stalled: tally('how many were taken while this machine stood still, and so are in no statistics'),
      ...{ ...connection, ...connectionLimits },
      connect_ms: { type: 'number', nullable: true, says: 'until the connection was there' },
      ...statistics('rtt', { says: 'the round trip' }),
      ...statistics('connects', { says: 'the time of each new connection', needs: 'fresh' })
    }
  },
  relay: {
    says: 'find out what a circuit relay really gives, as p2pctl relay check does',
    partial: { relay_check_failed: 'relay' },
    settings: {
      relay: { type: 'addrs', required: true, says: 'the address of the relay, or a list of them, a check each' },
      through: { type: 'peer', says: 'ping this peer through it, and not a second node of our own' },
      measure_limits: { type: 'boolean', says: 'use a circuit up to its ends' }
    },
    fields: {
      ...{ ...failure, ...dialed, total_ms: times.total_ms },
      status: { type: 'string', nullable: true, always: true, says: 'its answer to the reservation: OK, ...' },
      problems: { type: 'string[]', always: true, says: 'everything that is wrong with it, and the warnings' },
      ttl_s: { type: 'number', nullable: true, says: 'how long a reservation lasts' },
      expires: { type: 'string', nullable: true, says: 'when it ends' },
      limit_s: { type: 'number', nullable: true, says: 'how long it says that two peers may talk' },
      limit_bytes: { type: 'integer', nullable: true, says: 'how much it says that they may send each way' },
      addrs: { type: 'string[]', nullable: true, says: 'the addresses that it gives' },
      public: { type: 'integer', nullable: true, says: 'how many of them are public' },
      circuit_connect_ms: { type: 'number', nullable: true, says: 'until a circuit through it was there' },
      rtt_ms: { type: 'number', nullable: true, says: 'a round trip through it' },
      measured_s: { type: 'number', nullable: true, needs: 'measure_limits', says: 'when a circuit was ended' },
      measured_in_bytes: {
        type: 'integer',
        nullable: true,
        needs: 'measure_limits',
        says: 'what went through one way'
      },
      measured_out_bytes: { type: 'integer', nullable: true, needs: 'measure_limits', says: 'what came back' },
      ...{ security: connection.security, muxer: connection.muxer, ...identified }
    }
  },
  pubsub: {
    says: 'be subscribed to a topic, and with text publish to it from a second node and wait until it comes through',
    partial: {},
    settings: {
      pubsub: { type: 'text', required: true, says: 'the topic' },
      bootstrap: { type: 'addrs', required: true, says: 'the peers to join it at' },
      wait: { type: 'count', says: 'how many peers have to subscribe to it, 1 unless told' },
      count: { type: 'count', says: 'wait for as many messages' },
      text: { type: 'text', says: 'publish this' }
    },
    fields: {
      ...failure,
      subscribers: { type: 'string[]', always: true, says: 'the peers that subscribe to it' },
      mesh: { type: 'string[]', always: true, says: 'those of them that took us into their mesh' },
      messages: { ...tally('how many messages came'), needs: 'count' },
      texts: { type: 'string[]', always: true, needs: 'count', says: 'what they say' },
      senders: { type: 'string[]', always: true, needs: 'count', says: 'who signed them' },
      rejected: tally('messages that gossipsub did not take'),
      sent_to: { type: 'string[]', always: true, needs: 'text', says: 'the peers that the text went to' },
      delivery_ms: { type: 'number', nullable: true, needs: 'text', says: 'until the text came through' }
    }
  }
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof kinds
export type FieldName<K extends KindName> = keyof (typeof kinds)[K]['fields']

/** The same table, for whoever goes through it by names. */
export const kindTable: Record<KindName, Kind> = kinds

/** What every check takes beside the settings of its kind. */
export const ofEvery = {
  name: { type: 'text', says: 'what reports call it; the kind and the address unless told' },
  ...common
} as const satisfies Record<string, Setting>
