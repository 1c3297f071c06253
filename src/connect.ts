import type { Socket } from 'node:net'
import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { overTls, overUdp, peerIdOf, transportOf } from './addr.ts'
import { lookUp } from './addresses.ts'
import { classifyDial, type Verdict } from './classify.ts'
import { dial, loadTransports, lookAgain } from './dial-addr.ts'
import { failureOf, furthest, noneLeft, verdictOf } from './dial-failures.ts'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import { tellIdentity } from './identified.ts'
import { startLimit } from './limit.ts'
import type { Limits } from './limits.ts'
import type { Node } from './node.ts'
import { noteOpen, openMs } from './open-time.ts'
import { limitsOf } from './protocols/circuit-limits.ts'
import { IDENTIFY, type Identity, identify, identityEvent } from './protocols/identify.ts'
import { leftOut, type Wanted } from './reach.ts'
import type { Target } from './targets.ts'
import { newTrace } from './trace.ts'
import { signalledUpgrade } from './webrtc.ts'

export { furthest, labelOf } from './dial-failures.ts'

export interface DialOptions extends Wanted {
  /** One attempt, in ms. */
  timeout: number
  /** STUN servers for WebRTC. */
  stun?: string[] | undefined
  /** A DNS server to ask, `host[:port]`. */
  dns?: string | undefined
  /** What names may cost, where it is not the default (limits.ts). */
  limit?: Partial<Limits> | undefined
  /** Dial TCP from this port, so that several peers see one that is the same on this side. */
  localPort?: number | undefined
  /** Any certificate of a wss server will do. */
  insecure?: boolean | undefined
  /** Says which of the addresses that a target stands for may be dialed, or throws the Failure that says why none may. */
  admit?: ((addrs: Multiaddr[], signal: AbortSignal) => Promise<Multiaddr[]>) | undefined
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
  /** From the start of resolving until the connection was there. */
  dialMs: number
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
  | 'dial.resolve'
  | 'dns.fault'
  | 'source.end'
  | 'dial.attempt'
  | 'connection.open'
  | 'connection.upgrade'
  | 'peer.identify'
  | 'dial.protocol'
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
  const addrs = resolved.filter(addr => leftOut(addr, options) == null)
  if (addrs.length === 0) throw noneLeft(target, resolved, options)
  const failures: Failure[] = []
  for (const [index, addr] of addrs.entries()) {
    const { event, connected, failure } = await attempt(node, target, addr, resolveMs, options, signal)
    yield { ...event, number: index + 1, of: addrs.length }
    if (failure != null) failures.push(failure)
    if (connected == null) continue
    yield { ...openEvent(connected.connection), target: target.text }
    const upgrade = signalledUpgrade(event)
    if (upgrade != null) yield upgrade
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
  noteOpen(connection)
  return {
    type: 'connection.open',
    peer_id: connection.remotePeer.toString(),
    remote_addr: connection.remoteAddr.toString(),
    direction: connection.direction,
    transport: transportOf(connection.remoteAddr) ?? 'unknown',
    security: nameOf(connection.encryption),
    muxer: nameOf(connection.multiplexer),
    limited: connection.limits != null,
    ...limitsOf(connection)
  }
}

/** The event that says that it is over. */
export function closeEvent(connection: Connection): Event<'connection.close'> {
  return {
    type: 'connection.close',
    peer_id: connection.remotePeer.toString(),
    remote_addr: connection.remoteAddr.toString(),
    duration_ms: openMs(connection)
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
  const unloaded = await loadTransports(node, addr)
  using limit = startLimit(options.timeout, runSignal)
  const { signal } = limit
  const trace = newTrace(node.fingerprint)
  let connection: Connection | null = null
  let identity: Identity | null = null
  let verdict: Verdict | null = null
  let doneAt = 0
  let identifiedAt: number | undefined
  let endedAt: number | undefined
  try {
    if (unloaded != null) throw unloaded
    connection = await dial(node, addr, trace, options, signal)
    doneAt = performance.now()
    // a listener over UDP that is at its limits lets us in, and hangs up right after (libp2p 3.3): its answer is waited for
    if (options.identified || overUdp(addr)) {
      identity = await identify(connection, signal)
      if (identity != null) identifiedAt = performance.now()
    }
  } catch (error) {
    connection?.abort(error instanceof Error ? error : new Error(String(error)))
    runSignal.throwIfAborted()
    verdict =
      error instanceof Failure
        ? verdictOf(error, limit.passed)
        : classifyDial(error, trace, limit.passed, peerIdOf(addr) ?? null)
    doneAt ||= performance.now()
    endedAt = performance.now()
    verdict = await lookAgain(node, addr, trace, verdict, signal)
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
        ...(trace.relayedAt != null && {
          relay_ms: trace.relayedAt - trace.startedAt,
          signal_ms: between(trace.relayedAt, trace.signalledAt)
        }),
        connect_ms: between(trace.signalledAt ?? trace.startedAt, trace.connectedAt),
        security_ms: between(trace.connectedAt, trace.securedAt),
        // noise and TLS carry the choice of the muxer with them: then it costs nothing of its own
        muxer_ms: connection == null || trace.earlyMuxer ? null : between(trace.securedAt, doneAt),
        identify_ms: between(doneAt, identifiedAt)
      },
      total_ms: totalMs,
      security,
      muxer,
      limited: connection?.limits != null,
      ...(connection != null && limitsOf(connection)),
      error: verdict == null ? null : { code: verdict.code, phase: verdict.phase, message: verdict.says },
      peer_id:
        connection?.remotePeer.toString() ?? (verdict?.code === 'peer_id_mismatch' ? verdict.actual : null) ?? null,
      ...(overTls(addr) && { certificate_checked: options.insecure !== true })
    },
    connected:
      connection == null || verdict != null
        ? null
        : {
            connection,
            peerId: connection.remotePeer.toString(),
            addr: text,
            dialMs: doneAt - trace.startedAt + (resolveMs ?? 0),
            totalMs,
            identity: options.identified ? identity : null,
            socket: trace.socket ?? null
          },
    failure: verdict == null ? null : failureOf(target, text, verdict)
  }
}

function between(from: number | undefined, to: number | undefined): number | null {
  return from == null || to == null ? null : to - from
}

/** `/yamux/1.0.0` -> `yamux` */
function nameOf(protocol: string | undefined): string | null {
  return protocol?.split('/').find(part => part !== '') ?? null
}
