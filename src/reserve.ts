import { multiaddr } from '@multiformats/multiaddr'
import { withPeerId } from './addr.ts'
import { classifyRelayStatus } from './classify.ts'
import { type Connected, connect, type DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said } from './events.ts'
import type { Node } from './node.ts'
import { safe } from './safe.ts'
import type { Target } from './targets.ts'

/**
 * Becomes reachable through a relay. The relay is dialed first, as an address of its own, so that a failure on the way
 * there is told as what it is; then it is asked for a reservation. Throws Failure.
 */
export async function* reserve(
  node: Node,
  relay: Target,
  options: DialOptions & { identified: boolean },
  signal: AbortSignal
): AsyncGenerator<Said, Connected> {
  const connected = yield* connect(node, relay, options, signal)
  const { addr, peerId } = connected
  const circuit = withPeerId(multiaddr(addr), peerId).encapsulate('/p2p-circuit')
  await node.use('circuit')
  try {
    await node.components.transportManager.listen([circuit])
  } catch (error) {
    signal.throwIfAborted()
    throw reservationFailure(relay, circuit.toString(), error)
  }
  const reserved = { peer_id: peerId, expires: null, addr: `${circuit}/p2p/${node.peerId}`, status: 'OK' }
  yield { type: 'reservation.open', target: relay.text, ...reserved }
  return connected
}

/** The listener of a circuit says what went wrong in a sentence only (@libp2p/circuit-relay-v2 4.2). */
function reservationFailure(relay: Target, addr: string, cause: unknown): Failure {
  const text = cause instanceof Error ? cause.message : String(cause)
  const options = { phase: 'relay', addr, target: relay.text, cause } as const
  const status = /reservation failed with status (\w+)/.exec(text)?.[1]
  if (status != null) {
    const { code, says } = classifyRelayStatus(status)
    return new Failure(code, `no reservation on ${safe(relay.text)}: ${says}`, options)
  }
  if (text.includes('could not negotiate')) {
    return new Failure(
      'protocol_not_supported',
      `${safe(relay.text)} is no relay: it does not speak circuit relay v2`,
      {
        ...options,
        hint: 'start one with: p2pctl relay'
      }
    )
  }
  return new Failure(
    'relay_refused',
    `no reservation on ${safe(relay.text)}: ${safe(text.trim().split('\n').at(-1) ?? '', 120)}`,
    options
  )
}
