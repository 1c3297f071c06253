/** The fields of a check, from the events of what was done for it. */
import type { Failure } from '../errors.ts'
import type { Event, EventType, Said } from '../events.ts'
import type { Value } from './expectation.ts'
import { type FieldName, type KindName, kindTable } from './table.ts'

/** By field; what was not come to is not in it. */
export type Seen = Record<string, Value>

type Values<K extends KindName> = Partial<Record<FieldName<K>, Value | undefined>>

/** What went wrong, as far as one address, or the whole check, is concerned. */
interface Fault {
  code: string
  phase: string | null
  message: string
}

/** Of each address that was looked at on its own, else of the check as a whole. */
export function seenOf(kind: KindName, events: Said[], failure: Failure | null): Seen[] {
  const said = only(events, 'error').at(0)
  const thrown = failure ?? said ?? null
  const fault = thrown == null ? null : { code: thrown.code, phase: thrown.phase ?? null, message: thrown.message }
  const target = only(events, 'dial.target').at(0)
  // before those that it announces, the peer was dialed to ask for them
  const isOne = (attempt: Event<'dial.attempt'>): boolean => target?.left_out == null || attempt.announced === true
  const dialed = only(events, 'dial.attempt').filter(one => one.skipped == null && isOne(one))
  // one failure that is told for many addresses has no place of its own beside them
  if (target != null && dialed.length > 0) return dialed.map(attempt => known(kind, ofAddress(attempt, events)))
  const readers: Record<KindName, () => Seen> = {
    dial: () => known('dial', ofDial(events, fault)),
    ping: () => known('ping', ofPing(events, fault)),
    relay: () => known('relay', ofRelay(events, fault)),
    pubsub: () => known('pubsub', ofPubsub(events, fault))
  }
  return [readers[kind]()]
}

/** Without what is not known of a check that ended in an error before it was come to. */
function known(kind: KindName, values: Partial<Record<string, Value | undefined>>): Seen {
  const { fields, partial } = kindTable[kind]
  const lost = typeof values.error === 'string' && !Object.hasOwn(partial, values.error)
  return Object.fromEntries(
    Object.entries(values).filter(
      (entry): entry is [string, Value] => entry[1] !== undefined && !(lost && fields[entry[0]]?.always !== true)
    )
  )
}

function ofFault(fault: Fault | null) {
  return { error: fault?.code ?? null, error_phase: fault?.phase ?? null, error_message: fault?.message ?? null }
}

function ofAttempt(attempt: Event<'dial.attempt'> | undefined) {
  return {
    addr: attempt?.addr ?? null,
    transport: attempt?.transport ?? null,
    peer_id: attempt?.peer_id ?? null,
    security: attempt?.security ?? null,
    muxer: attempt?.muxer ?? null,
    limited: attempt?.limited,
    limit_s: attempt?.limit_s ?? null,
    limit_bytes: attempt?.limit_bytes ?? null
  }
}

function ofPhases(attempt: Event<'dial.attempt'> | undefined) {
  const { resolve_ms, relay_ms, signal_ms, connect_ms, security_ms, muxer_ms, identify_ms } = attempt?.phases ?? {}
  const phases = { resolve_ms, relay_ms, signal_ms, connect_ms, security_ms, muxer_ms, identify_ms }
  const times = Object.entries(phases).map(([name, ms]) => [name, ms ?? null])
  return { total_ms: attempt?.total_ms ?? null, ...(Object.fromEntries(times) as Record<keyof typeof phases, Value>) }
}

function ofIdentity(identity: Event<'peer.identify'> | undefined) {
  const record = identity?.signed_record
  return {
    agent: identity?.agent_version ?? null,
    agent_version: identity?.agent_version ?? null,
    protocol_version: identity?.protocol_version ?? null,
    observed_addr: identity?.observed_addr ?? null,
    listen_addrs: identity?.listen_addrs ?? null,
    protocols: identity?.protocols ?? null,
    signed_record_valid: record?.valid ?? null,
    signed_record_seq: record?.seq ?? null,
    signed_record_addrs: record?.addrs ?? null
  }
}

function ofDialing(attempt: Event<'dial.attempt'> | undefined) {
  return {
    ...{ ...ofAttempt(attempt), ...ofPhases(attempt) },
    number: attempt?.number ?? null,
    of: attempt?.of ?? null,
    certificate_checked: attempt?.certificate_checked ?? null
  }
}

function ofAddress(attempt: Event<'dial.attempt'>, events: Said[]): Values<'dial'> {
  const identity = only(events, 'peer.identify').find(({ addr }) => addr === attempt.addr)
  return { ...ofFault(attempt.error), ...ofDialing(attempt), ...ofIdentity(identity) }
}

/** The address that worked, else the one whose failure is told. */
function attemptOf(events: Said[], fault: Fault | null): Event<'dial.attempt'> | undefined {
  const attempts = only(events, 'dial.attempt')
  const last = attempts.at(-1)
  if (fault == null || last?.ok === true) return last
  return attempts.find(({ error }) => error?.code === fault.code) ?? last
}

function ofDial(events: Said[], fault: Fault | null): Values<'dial'> {
  const [identity] = only(events, 'peer.identify')
  return { ...ofFault(fault), ...ofDialing(attemptOf(events, fault)), ...ofIdentity(identity) }
}

/** In words, since ping(8) has none for a peer that is there and does not answer. */
const SILENT: Fault = { code: 'io_timeout', phase: 'protocol', message: 'no ping was answered' }

function ofPing(events: Said[], fault: Fault | null): Values<'ping'> {
  const [stats] = only(events, 'run.summary')
  const { sent = 0, received = 0, loss_pct = 100, connect_ms = null, rtt_ms = null, connects_ms } = stats ?? {}
  const { late = 0, lost = 0, wrong = 0, reset = 0, closed = 0, unconnected = 0, stalled = 0 } = stats ?? {}
  const spread = (prefix: string, times: object | null | undefined): Seen =>
    Object.fromEntries(figureNames.map(name => [`${prefix}_${name}_ms`, (times as Seen | null)?.[name] ?? null]))
  return {
    ...ofFault(fault ?? (received === 0 ? SILENT : null)),
    ...ofAttempt(attemptOf(events, fault)),
    ...{ sent, received, loss_pct, late, lost, wrong, reset, closed, unconnected, stalled, connect_ms },
    ...spread('rtt', rtt_ms),
    ...spread('connects', connects_ms)
  }
}

const figureNames = ['min', 'mean', 'p50', 'p90', 'p95', 'p99', 'max', 'stddev']

function ofRelay(events: Said[], fault: Fault | null): Values<'relay'> {
  const [attempt] = only(events, 'dial.attempt')
  const found = Object.fromEntries(only(events, 'relay.check').map(one => [one.step, one])) as Partial<
    Record<Event<'relay.check'>['step'], Event<'relay.check'>>
  >
  const { reserve, expiry, limits, addrs, circuit, ping, data, duration } = found
  const { addr, transport, peer_id, security, muxer } = ofAttempt(attempt)
  return {
    ...ofFault(fault),
    ...{ addr, transport, peer_id, security, muxer, total_ms: attempt?.total_ms ?? null },
    status: reserve?.status ?? null,
    problems: only(events, 'relay.check').flatMap(({ problems }) => problems),
    ttl_s: expiry?.ttl_s ?? null,
    expires: expiry?.expires ?? null,
    limit_s: limits?.limit_s ?? null,
    limit_bytes: limits?.limit_bytes ?? null,
    addrs: addrs?.addrs ?? null,
    public: addrs?.public ?? null,
    circuit_connect_ms: circuit?.connect_ms ?? null,
    rtt_ms: ping?.rtt_ms ?? null,
    measured_s: duration?.measured_s ?? null,
    measured_in_bytes: data?.measured_in_bytes ?? null,
    measured_out_bytes: data?.measured_out_bytes ?? null,
    ...ofIdentity(only(events, 'peer.identify').at(0))
  }
}

function ofPubsub(events: Said[], fault: Fault | null): Values<'pubsub'> {
  const messages = only(events, 'message.received')
  const present = (come: 'pubsub.join' | 'pubsub.graft', gone: 'pubsub.leave' | 'pubsub.prune'): string[] => {
    const peers = new Set<string>()
    for (const event of events) {
      if (event.type === come) peers.add(event.peer_id)
      if (event.type === gone) peers.delete(event.peer_id)
    }
    return [...peers]
  }
  return {
    ...ofFault(fault),
    subscribers: present('pubsub.join', 'pubsub.leave'),
    mesh: present('pubsub.graft', 'pubsub.prune'),
    messages: messages.length,
    texts: messages.map(({ text = '', base64 }) => base64 ?? text),
    senders: messages.flatMap(({ peer_id }) => peer_id ?? []),
    rejected: only(events, 'pubsub.reject').reduce((sum, { messages: count }) => sum + count, 0),
    sent_to: only(events, 'pubsub.sent').at(0)?.peer_ids ?? [],
    delivery_ms: only(events, 'run.summary').at(0)?.total_ms ?? null
  }
}

function only<T extends EventType>(events: Said[], type: T): Extract<Said, { type: T }>[] {
  return events.filter((event): event is Extract<Said, { type: T }> => event.type === type)
}
