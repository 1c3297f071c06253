/**
 * Everything p2pctl can say, as data. The TypeScript types, the published JSON Schema and docs/events.md all come
 * from the table below.
 *
 * A field is `string`, `integer`, `number`, `boolean`, a list (`string[]`), may be unknown (`|null`), one of a list
 * of words, or an object of fields; `[null, {...}]` is an object or null. A name that ends in `?` may be left out.
 * Units stand in the names: _ms, _bytes, _pct, _s.
 */
import {
  check,
  circuit,
  dhtEvents,
  finding,
  identity,
  limits,
  peer,
  phases,
  pingFates,
  pinged,
  pingStats,
  pong,
  punchResult,
  punchStep,
  ready,
  reservation,
  rtt,
  transfer
} from './event-shapes.ts'
import { browserEvents, page } from './event-browser.ts'
import { checkEvents } from './event-check.ts'
import { connectionEvents } from './event-connections.ts'
import { exporterEvents } from './event-exporter.ts'
import { offlineEvents } from './event-offline.ts'
import { pubsubEvents } from './event-pubsub.ts'
import { streamEvents } from './event-streams.ts'

/** Version of the contract that `run.start` names; its first number is `v` on every line. */
export const CONTRACT = '1.0'

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
      'messages?': 'integer',
      'dropped?': 'integer',
      'rejected?': 'integer',
      'total_ms?': 'number',
      'fails?': 'integer',
      'warns?': 'integer',
      'probes?': 'integer',
      'checks?': 'integer',
      'cases?': 'integer',
      'passed?': 'integer',
      'failed?': 'integer',
      'skipped?': 'integer'
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
      exit_code: 'integer',
      'offered?': 'string[]',
      'accepted?': 'string[]|null'
    }
  ],
  'listen.ready': [
    'every requested address listens; the ready file holds the same fields; of browser, where the page is, at its host and at every other address, and the relay that pages at the first are given',
    ready
  ],
  'page.open': [
    'the page was handed to the default browser by this program, or why it was not',
    { url: 'string', ok: 'boolean', program: 'string|null', message: 'string|null' }
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
      limited: 'boolean',
      ...limits
    }
  ],
  ...connectionEvents,
  'peer.identify': [
    'what a peer says of itself in identify, and whether its signed peer record is truly its own; totals where a list was cut',
    { peer_id: 'string', ...identity, 'addr?': 'string' }
  ],
  'dial.resolve': [
    'a name in an address was looked up; or, with its source, a peer ID that has no address',
    { addr: 'string', addrs: 'string[]', ms: 'number', 'source?': 'string' }
  ],
  'dial.attempt': [
    'one address was dialed, from a standing start to identify',
    {
      addr: 'string',
      transport: 'string|null',
      ok: 'boolean',
      phases: {
        resolve_ms: 'number|null',
        'relay_ms?': 'number|null',
        'signal_ms?': 'number|null',
        connect_ms: 'number|null',
        security_ms: 'number|null',
        muxer_ms: 'number|null',
        identify_ms: 'number|null'
      },
      total_ms: 'number',
      security: 'string|null',
      muxer: 'string|null',
      limited: 'boolean',
      ...limits,
      error: [null, { code: 'string', phase: [null, phases], message: 'string' }],
      'peer_id?': 'string|null',
      'number?': 'integer',
      'of?': 'integer',
      'scope?': ['public', 'private', 'circuit'],
      'skipped?': 'string|null',
      'announced?': 'boolean',
      'stale?': 'boolean',
      'certificate_checked?': 'boolean',
      'from?': page.from,
      'page?': page.page
    }
  ],
  'dial.target': [
    'what became of all addresses of one target, dialed each on its own',
    {
      ok: 'boolean',
      peer_id: 'string|null',
      working: 'integer',
      failed: 'integer',
      skipped: 'integer',
      'left_out?': 'integer'
    }
  ],
  ...browserEvents,
  'dial.protocol': [
    'a protocol was negotiated on the connection, and nothing sent on it',
    { peer_id: 'string', protocol: 'string', ok: 'boolean', ms: 'number' }
  ],
  'punch.step': [
    'a step on the way from a relayed to a direct connection; ms since the relayed one was there, attempt 0 before /libp2p/dcutr',
    punchStep
  ],
  'punch.result': [
    'what became of it, in the words of punchr; direct_ms begins where the relayed connection stood',
    punchResult
  ],
  'ping.reply': [
    'the same 32 bytes came back; stalled, connect_stalled: while our own event loop stood still, so that it is in no statistics',
    {
      ...pong,
      'connect_ms?': 'number',
      'connect_stalled?': 'boolean',
      'loop_delay_ms?': 'number',
      'stalled?': 'boolean'
    }
  ],
  'ping.timeout': ['no reply in time', { seq: 'integer', after_ms: 'number', ...pinged }],
  'ping.late': ['the reply to a ping that had timed out', { seq: 'integer', rtt_ms: 'number' }],
  'ping.fail': [
    'an answer that is no reply: other bytes, a reset, a closed stream or connection; connect: none was made (--fresh)',
    {
      seq: 'integer',
      reason: ['wrong', 'reset', 'closed', 'connect'],
      after_ms: 'number',
      'error?': 'string',
      ...pinged
    }
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
    'a message, as text where it is UTF-8, else as base64; of a topic: who signed it, and who passed it on',
    {
      peer_id: 'string|null',
      'protocol?': 'string',
      'topic?': 'string',
      'seq?': 'string',
      'received_from?': 'string',
      'text?': 'string',
      'base64?': 'string',
      bytes: 'integer'
    }
  ],
  ...pubsubEvents,
  'file.received': [
    'a whole file, its hash compared',
    { peer_id: 'string', name: 'string', path: 'string', bytes: 'integer', sha256: 'string' }
  ],
  'file.refused': [
    'a file was offered and not kept; reason is what the sender was told',
    { peer_id: 'string', name: 'string', reason: 'string' }
  ],
  'send.skip': [
    'what stands in a folder that is sent, and is not sent itself',
    { path: 'string', reason: ['link', 'special'] }
  ],
  'send.progress': ['bytes that the receiver has taken', transfer],
  'send.done': [
    'the receiver has all of it, and its hash is the same',
    { ...transfer, sha256: 'string', confirmed: 'boolean', 'resumed_bytes?': 'integer' }
  ],
  ...streamEvents,
  'reservation.open': ['a peer may be reached through the relay', reservation],
  'reservation.refresh': ['a reservation was made longer', reservation],
  'reservation.close': ['a reservation ended', reservation],
  'reservation.refused': ['a reservation was refused', reservation],
  'reservation.retry': ['a lost reservation is not back yet', { ...reservation, wait_ms: 'number' }],
  'relay.check': ['one thing that was looked at in a relay; problems name what is wrong', check],
  'circuit.traffic': ['what has passed an open circuit so far, once a second while it changes', circuit],
  'circuit.open': ['two peers talk through the relay', circuit],
  'circuit.close': ['they have ended, or met a limit', circuit],
  'circuit.refused': ['a circuit was refused', circuit],
  ...dhtEvents,
  ...offlineEvents,
  'autonat.dial': [
    'an AutoNAT v2 request of a peer was answered: the address that was dialed for it, what became of it, and the data that it cost',
    {
      peer_id: 'string',
      addr: 'string|null',
      status: ['OK', 'E_REQUEST_REJECTED', 'E_DIAL_REFUSED', 'E_INTERNAL_ERROR'],
      dial_status: [null, ['OK', 'E_DIAL_ERROR', 'E_DIAL_BACK_ERROR', 'UNUSED']],
      data_bytes: 'integer',
      ms: 'number'
    }
  ],
  ...checkEvents,
  ...exporterEvents,
  'doctor.check': [
    'one thing that was looked at on this machine, or by a remote peer with --via; fix says what to do about it',
    finding
  ],
  'version.show': ['what runs here', { version: 'string', node: 'string', libp2p: 'string', contract: 'string' }],
  'schema.show': ['the JSON Schema of the events', { schema: 'object' }],
  'demo.step': [
    'a part of the demo, once it has been seen to work',
    { step: ['start', 'tcp', 'ws', 'ping', 'send', 'relay', 'stop'], ok: 'boolean', ms: 'number' }
  ]
} as const
