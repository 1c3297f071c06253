import type { Socket } from 'node:net'
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { peerIdOf, relayPart, transportOf } from './addr.ts'
import { lookUp } from './addresses.ts'
import { classifyDial, classifyStranger, type Verdict } from './classify.ts'
import { codes, Failure } from './errors.ts'
import type { Event } from './events.ts'
import { tellIdentity } from './identified.ts'
import { startLimit } from './limit.ts'
import type { Node } from './node.ts'
import { IDENTIFY, type Identity, identify, identityEvent } from './protocols/identify.ts'
import { ipOf } from './reach.ts'
import { safe } from './safe.ts'
import { askStranger } from './stranger.ts'
import type { Target } from './targets.ts'
import { newTrace, type Trace, traceDial } from './trace.ts'
import { transportFor } from './transports.ts'

export interface DialOptions {
  /** One attempt, in ms. */
  timeout: number
  ipv4?: boolean | undefined
  ipv6?: boolean | undefined
  /** Only these transports are tried. */
  transport?: string[] | undefined
  /** A DNS server to ask, `host[:port]`. */
  dns?: string | undefined
  /** Where a peer ID without an address is looked up. */
  relay?: string | undefined
  mdns?: boolean | undefined
  bootstrap?: string[] | undefined
  dht?: boolean | undefined
  dhtProtocol?: string | undefined
}

/** A connection that was made, and how. */
export interface Connected {
  connection: Connection
  peerId: string
  /** The address that worked, as it was dialed. */
  addr: string
  /** From the start of resolving to the end of the last phase. */
  totalMs: number
  /** Null where it was not asked for, or the peer does not speak identify. */
  identity: Identity | null
  /** What it runs on: null through a relay. */
  socket: Socket | null
}

export interface Attempt {
  event: Event<'dial.attempt'>
  connected: Connected | null
  failure: Failure | null
}

type DialEvent = Event<
  'dial.resolve' | 'source.end' | 'dial.attempt' | 'connection.open' | 'peer.identify' | 'dial.protocol'
>

/**
 * Dials the addresses of one target, one after another in the order given, until one works; no other address of the
 * peer ever stands in. With `identified` a dial is done only after the peer has said who it is. Yields each look-up
 * and each attempt; throws the failure that came furthest.
 */
export async function* connect(
  node: Node,
  target: Target,
  options: DialOptions & { identified: boolean },
  signal: AbortSignal
): AsyncGenerator<DialEvent, Connected> {
  const { addrs: resolved, resolveMs } = yield* lookUp(target, options, signal)
  const addrs = resolved.filter(addr => options.transport?.includes(transportOf(addr) ?? '') ?? true)
  if (addrs.length === 0) {
    throw new Failure('no_addresses', `cannot dial ${labelOf(target)}: no address is left of ${resolved.length}`, {
      phase: 'resolve',
      target: target.text,
      hint: '--transport, -4 or -6 rule them all out'
    })
  }
  const failures: Failure[] = []
  for (const [index, addr] of addrs.entries()) {
    const { event, connected, failure } = await attempt(node, target, addr, resolveMs, options, signal)
    yield { ...event, number: index + 1, of: addrs.length }
    if (failure != null) failures.push(failure)
    if (connected == null) continue
    yield { ...openEvent(connected.connection), target: target.text }
    const { peerId, identity } = connected
    if (identity != null) await tellIdentity(node, connected.connection, identity)
    if (identity != null) yield { ...identityEvent(peerId, identity), target: target.text }
    else if (options.identified) {
      yield { type: 'dial.protocol', target: target.text, peer_id: peerId, protocol: IDENTIFY, ok: false, ms: 0 }
    }
    return connected
  }
  throw furthest(failures)
}

/** The event that says that a connection is there, whoever dialed it. */
export function openEvent(connection: Connection): Event<'connection.open'> {
  return {
    type: 'connection.open',
    peer_id: connection.remotePeer.toString(),
    remote_addr: connection.remoteAddr.toString(),
    direction: connection.direction,
    transport: transportOf(connection.remoteAddr) ?? 'unknown',
    security: nameOf(connection.encryption),
    muxer: nameOf(connection.multiplexer),
    limited: connection.limits != null
  }
}

/** Dials one address, and says what became of it; throws only when the run is stopped. */
export async function attempt(
  node: Node,
  target: Target,
  addr: Multiaddr,
  resolveMs: number | null,
  options: DialOptions & { identified: boolean },
  runSignal: AbortSignal
): Promise<Attempt> {
  runSignal.throwIfAborted()
  await loadTransports(node, addr)
  using limit = startLimit(options.timeout, runSignal)
  const { signal } = limit
  const trace = newTrace()
  let connection: Connection | null = null
  let identity: Identity | null = null
  let verdict: Verdict | null = null
  let doneAt = 0
  let identifiedAt: number | undefined
  let endedAt: number | undefined
  try {
    connection = await dial(node, addr, trace, options, signal)
    doneAt = performance.now()
    if (options.identified) {
      identity = await identify(connection, signal)
      if (identity != null) identifiedAt = performance.now()
    }
  } catch (error) {
    runSignal.throwIfAborted()
    connection?.abort(error instanceof Error ? error : new Error(String(error)))
    verdict = error instanceof Failure ? verdictOf(error, limit.passed) : classifyDial(error, trace, limit.passed)
    doneAt ||= performance.now()
    endedAt = performance.now()
    const ip = transportOf(addr) === 'tcp' ? ipOf(addr) : null
    if (
      ip != null &&
      verdict.code === 'connection_reset' &&
      verdict.phase === 'security' &&
      trace.receivedBytes === 0
    ) {
      const answered = await askStranger(
        ip,
        Number(addr.getComponents().find(({ name }) => name === 'tcp')!.value),
        signal
      )
      if (answered != null) verdict = classifyStranger(answered, 'security')
    }
  }
  const totalMs = (endedAt ?? performance.now()) - trace.startedAt + (resolveMs ?? 0)
  const security = connection == null ? null : nameOf(connection.encryption)
  const muxer = connection == null ? null : nameOf(connection.multiplexer)
  const text = addr.toString()
  return {
    event: {
      type: 'dial.attempt',
      target: target.text,
      addr: text,
      transport: transportOf(addr),
      ok: verdict == null,
      phases: {
        resolve_ms: resolveMs,
        connect_ms: between(trace.startedAt, trace.connectedAt),
        security_ms: between(trace.connectedAt, trace.securedAt),
        // noise and TLS carry the choice of the muxer with them: then it costs nothing of its own
        muxer_ms: connection == null || trace.earlyMuxer ? null : between(trace.securedAt, doneAt),
        identify_ms: between(doneAt, identifiedAt)
      },
      total_ms: totalMs,
      security,
      muxer,
      limited: connection?.limits != null,
      error: verdict == null ? null : { code: verdict.code, phase: verdict.phase, message: verdict.says },
      peer_id: connection?.remotePeer.toString() ?? verdict?.actual ?? null
    },
    connected:
      connection == null || verdict != null
        ? null
        : {
            connection,
            peerId: connection.remotePeer.toString(),
            addr: text,
            totalMs,
            identity,
            socket: trace.socket ?? null
          },
    failure: verdict == null ? null : failureOf(target, text, verdict)
  }
}

/** Before the clock starts: reading our own code is not the peer's time. */
async function loadTransports(node: Node, addr: Multiaddr): Promise<void> {
  for (const part of [relayPart(addr), addr]) {
    const name = part == null ? null : transportFor(transportOf(part))
    if (name != null) await node.use(name)
  }
}

async function dial(
  node: Node,
  addr: Multiaddr,
  trace: Trace,
  options: DialOptions,
  signal: AbortSignal
): Promise<Connection> {
  const kind = transportOf(addr)
  if (transportFor(kind) == null) {
    throw new Failure('no_transport', `no transport for ${kind ?? 'this kind of address'} in this build`, {
      phase: 'connect'
    })
  }
  if (peerIdOf(addr) === node.peerId) {
    throw new Failure('dial_self', codes.dial_self.says, { phase: 'connect' })
  }
  if (kind === 'circuit') {
    await dialRelay(node, addr, options, signal)
    trace.relayed = true
  }
  // not libp2p.dial(): its queue merges dials to one peer, knows other addresses, and cuts each off after 6 s
  return await traceDial(trace, onProgress => node.components.transportManager.dial(addr, { signal, onProgress }))
}

/** The way to the relay is dialed as an address of its own, so that its failures are told apart from the relay's. */
async function dialRelay(node: Node, addr: Multiaddr, options: DialOptions, signal: AbortSignal): Promise<void> {
  const relay = relayPart(addr)!
  const relayPeer = peerIdOf(relay)
  if (relayPeer == null) {
    throw new Failure('invalid_multiaddr', 'the address of the relay has no peer ID', {
      phase: 'relay',
      hint: 'write RELAY/p2p/RELAY-PEER-ID/p2p-circuit/p2p/PEER-ID'
    })
  }
  if (node.libp2p.getConnections().some(connection => connection.remotePeer.toString() === relayPeer)) return
  const trace = newTrace()
  try {
    await dial(node, relay, trace, options, signal)
  } catch (error) {
    const verdict = error instanceof Failure ? verdictOf(error, false) : classifyDial(error, trace, signal.aborted)
    throw new Failure(verdict.code, `the relay: ${verdict.says}`, {
      phase: 'relay',
      expected: verdict.expected,
      actual: verdict.actual,
      cause: error
    })
  }
}

function verdictOf(failure: Failure, timedOut: boolean): Verdict {
  const phase = failure.phase ?? 'connect'
  return {
    code: timedOut ? 'io_timeout' : failure.code,
    phase,
    says: timedOut ? `timed out in the ${phase} phase` : failure.message,
    ...(failure.expected != null && { expected: failure.expected }),
    ...(failure.actual != null && { actual: failure.actual }),
    ...(!timedOut && failure.hint !== codes[failure.code].hint && { hint: failure.hint })
  }
}

function failureOf(target: Target, addr: string, verdict: Verdict): Failure {
  const message =
    verdict.code === 'peer_id_mismatch'
      ? `wrong peer at ${safe(addr)}: expected ${verdict.expected}, got ${verdict.actual}`
      : `cannot dial ${labelOf(target)}: ${verdict.says}`
  return new Failure(verdict.code, message, { ...verdict, addr, target: target.text })
}

const order = ['resolve', 'connect', 'relay', 'security', 'muxer', 'identify'] as const

/** Of several addresses, the one whose failure says most about the peer: the one that came furthest. */
export function furthest(failures: Failure[]): Failure {
  const rank = (failure: Failure): number => order.indexOf(failure.phase as (typeof order)[number])
  return failures.reduce((best, failure) => (rank(failure) > rank(best) ? failure : best))
}

export function labelOf(target: Target): string {
  return target.peerId ?? safe(target.text)
}

function between(from: number | undefined, to: number | undefined): number | null {
  return from == null || to == null ? null : to - from
}

/** `/yamux/1.0.0` -> `yamux` */
function nameOf(protocol: string | undefined): string | null {
  return protocol?.split('/').find(part => part !== '') ?? null
}
