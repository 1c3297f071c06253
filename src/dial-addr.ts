import type { Connection } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { circuitOf, peerIdOf, relayPart, transportOf } from './addr.ts'
import { classifyDial, type Verdict } from './classify.ts'
import type { DialOptions } from './connect.ts'
import { verdictOf } from './dial-failures.ts'
import { codes, Failure } from './errors.ts'
import { systemFailure } from './files.ts'
import type { Node } from './node.ts'
import { assertPrivate } from './private-network.ts'
import { newTrace, type Trace, traceDial, untraced } from './trace.ts'
import { transportFor, whyNoTransport } from './transports.ts'

/** Before the clock starts: reading our own code is not the peer's time. Gives the failure where one cannot be used. */
export async function loadTransports(node: Node, addr: Multiaddr): Promise<Failure | null> {
  try {
    for (const part of [relayPart(addr), circuitOf(addr), addr]) {
      const kind = part == null ? null : transportOf(part)
      if (part != null && node.fingerprint != null) assertPrivate(kind)
      const name = transportFor(kind)
      if (name != null) await node.use(name)
    }
  } catch (error) {
    // without its native package, or beside the key of the network, this address fails, and another one may do
    if (error instanceof Failure && error.code === 'no_transport') return error
    throw error
  }
  return null
}

/** Read only where a dial goes wrong. */
const secondLook = () => import('./second-look.ts')

/** What more can be found out of a failed dial. What this machine lacks for the dial it lacks for a look as well. */
export async function lookAgain(
  node: Node,
  addr: Multiaddr,
  trace: Trace,
  verdict: Verdict,
  signal: AbortSignal
): Promise<Verdict> {
  if (codes[verdict.code].exit === 3) return verdict
  try {
    return await (await secondLook()).lookAgain(node, addr, trace, verdict, signal)
  } catch (error) {
    if (systemFailure(error) == null) throw error
    return verdict
  }
}

/** Dials one address on the wire. What it throws is a Failure or, with what the trace has seen, for `classifyDial`. */
export async function dial(
  node: Node,
  addr: Multiaddr,
  trace: Trace,
  options: DialOptions,
  signal: AbortSignal
): Promise<Connection> {
  const kind = transportOf(addr)
  trace.addr = addr
  if (transportFor(kind) == null) {
    const { says, hint } = whyNoTransport(kind)
    throw new Failure('no_transport', says, { phase: 'connect', hint })
  }
  if (peerIdOf(addr) === node.peerId) {
    throw new Failure('dial_self', codes.dial_self.says, { phase: 'connect' })
  }
  if (kind === 'circuit') {
    await dialRelay(node, addr, options, signal)
    trace.relayed = true
  }
  if (kind === 'webrtc') return await dialWebrtc(node, addr, trace, options, signal)
  const { localPort } = options
  const how = { signal, ...(localPort != null && { localPort }) }
  // not libp2p.dial(): its queue merges dials to one peer, knows other addresses, and cuts each off after 6 s
  return await traceDial(trace, onProgress => {
    const dialed = node.components.transportManager.dial(addr, { ...how, onProgress })
    if (node.fingerprint == null) return dialed
    const over = new AbortController()
    void dialed.finally(() => over.abort()).catch(() => {})
    const until = AbortSignal.any([signal, over.signal])
    const doubt = untraced(async () => await (await secondLook()).doubtSilence(node, addr, trace, until))
    return Promise.race([dialed, doubt.then(failure => (failure == null ? dialed : Promise.reject(failure)))])
  })
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
  await dialPart(node, relay, options, signal, ({ says }) => ({ says: `the relay: ${says}`, phase: 'relay' }))
}

/** A connection on the way. What fails there is told as what it is. */
async function dialPart(
  node: Node,
  addr: Multiaddr,
  options: DialOptions,
  signal: AbortSignal,
  told: (verdict: Verdict) => Partial<Verdict> = () => ({})
): Promise<Connection> {
  const trace = newTrace(node.fingerprint)
  try {
    return await dial(node, addr, trace, options, signal)
  } catch (cause) {
    const first =
      cause instanceof Failure
        ? verdictOf(cause, false)
        : classifyDial(cause, trace, signal.aborted, peerIdOf(addr) ?? null)
    const verdict = await lookAgain(node, addr, trace, first, signal)
    const { code, says, ...rest } = { ...verdict, ...told(verdict) }
    throw new Failure(code, says, { ...rest, cause })
  }
}

/** Circuits that were made for WebRTC, and go with it. */
const signalling = new WeakSet<Connection>()

export function isForSignalling(connection: Connection): boolean {
  return signalling.has(connection)
}

/** Two peers agree on WebRTC over a circuit, which is dialed first, and are then connected directly. */
async function dialWebrtc(
  node: Node,
  addr: Multiaddr,
  trace: Trace,
  options: DialOptions,
  signal: AbortSignal
): Promise<Connection> {
  const circuit = circuitOf(addr)
  if (circuit == null || peerIdOf(addr) == null) {
    throw new Failure('invalid_multiaddr', 'WebRTC needs the address of a relay and the ID of the peer', {
      phase: 'relay',
      hint: 'write RELAY/p2p/RELAY-PEER-ID/p2p-circuit/webrtc/p2p/PEER-ID'
    })
  }
  const open = node.libp2p
    .getConnections()
    // one that the peer dialed goes when the peer is done with it
    .filter(({ status, direction }) => status === 'open' && direction === 'outbound')
    .find(one => !signalling.has(one) && one.remoteAddr.equals(circuit))
  const relayed = open ?? (await dialPart(node, circuit, options, signal))
  if (open == null) signalling.add(relayed)
  trace.relayedAt = performance.now()
  try {
    const direct = await traceDial(trace, onProgress =>
      node.components.transportManager.dial(addr, { signal, onProgress })
    )
    trace.connectedAt = performance.now()
    if (open == null) direct.addEventListener('close', () => void relayed.close().catch(() => {}))
    return direct
  } catch (error) {
    if (open == null) relayed.abort(new Error('it was for WebRTC alone'))
    throw error
  }
}
