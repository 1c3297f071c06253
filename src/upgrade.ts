import { multiaddr } from '@multiformats/multiaddr'
import { overWebrtc, transportOf } from './addr.ts'
import { attempt, type Connected, type DialOptions, labelOf, openEvent } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said } from './events.ts'
import type { Node } from './node.ts'
import { assertPrivate } from './private-network.ts'
import { roundTrip } from './protocols/ping.ts'
import type { Target } from './targets.ts'
import { SIGNALLING, signalledUpgrade } from './webrtc.ts'

/**
 * Makes a direct connection out of one through a relay, over WebRTC, and compares the two; one that is direct already
 * stays as it is. Throws Failure.
 */
export async function* upgrade(
  node: Node,
  relayed: Connected,
  target: Target,
  options: DialOptions,
  signal: AbortSignal
): AsyncGenerator<Said, Connected> {
  const { connection, addr, identity } = relayed
  if (transportOf(multiaddr(addr)) !== 'circuit') return relayed
  if (node.fingerprint != null) assertPrivate('webrtc')
  if (identity?.protocols.includes(SIGNALLING) === false) {
    throw new Failure('protocol_not_supported', `${labelOf(target)} does not take WebRTC (${SIGNALLING})`, {
      phase: 'protocol',
      addr,
      hint: 'start it with: p2pctl listen --webrtc --circuit RELAY'
    })
  }
  const to = overWebrtc(multiaddr(addr))
  const { event, connected, failure } = await attempt(node, target, to, null, { ...options, identified: true }, signal)
  yield event
  if (connected == null) throw failure!
  yield { ...openEvent(connected.connection), target: target.text }
  yield {
    ...signalledUpgrade(event)!,
    relayed_ms: relayed.dialMs,
    relayed_rtt_ms: await roundTrip(connection, options.timeout, signal),
    direct_rtt_ms: await roundTrip(connected.connection, options.timeout, signal)
  }
  return connected
}
