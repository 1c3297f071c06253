/** What the page dials: the addresses that a person gives, and single attempts for a probe. */
import { multiaddr } from '@multiformats/multiaddr'
import { overWebrtc, parseTarget } from '../addr.ts'
import { attempt, type Connected, connect } from '../connect.ts'
import { isForSignalling } from '../dial-addr.ts'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import type { Node } from '../node.ts'
import { safe } from '../safe.ts'
import type { Target } from '../targets.ts'
import { hangUp } from './connections.ts'

export const DIALING = { timeout: 10_000, identified: true }

/** Who is meant; a peer ID alone is looked for behind `relay`. Throws Failure. */
export function targetOf(text: string, relay?: string): Target {
  const { addr, peerId } = parseTarget(text.trim())
  if (addr != null) return { text, addr, peerId }
  if (relay == null) {
    throw new Failure('no_addresses', `${safe(text)} says who, and not where`, {
      phase: 'resolve',
      target: text,
      hint: 'give the address of the peer; with a relay, a peer ID is looked for there'
    })
  }
  return { text, addr: overWebrtc(multiaddr(`${relay}/p2p-circuit/p2p/${peerId}`)), peerId }
}

/** Dials, and says all that happens, but for the connections, which are said by whoever watches the node. */
export async function dialTarget(
  node: Node,
  target: Target,
  say: (event: Said) => void,
  signal: AbortSignal
): Promise<Connected> {
  const steps = connect(node, target, DIALING, signal)
  let step = await steps.next()
  for (; step.done !== true; step = await steps.next()) {
    if (step.value.type !== 'connection.open') say(step.value)
  }
  if (step.value.identity != null) await endSignalling(node, step.value)
  return step.value
}

/** The circuit over which WebRTC was agreed on has done its work: it would only take up room on the relay. */
export async function endSignalling(node: Node, { connection }: Pick<Connected, 'connection'>): Promise<void> {
  const done = node.libp2p
    .getConnections(connection.remotePeer)
    .filter(one => one !== connection && isForSignalling(one))
  await hangUp(done)
}

/** Dials one address once, and hangs up: what became of it, as `dial` says it. */
export async function dialOnce(
  node: Node,
  addr: string,
  timeoutMs: number,
  signal: AbortSignal
): Promise<{ event: Event<'dial.attempt'>; failure: Failure | null }> {
  const target = targetOf(addr)
  const how = { timeout: timeoutMs, identified: true }
  const { event, connected, failure } = await attempt(node, target, target.addr, null, how, signal)
  if (connected != null) {
    await endSignalling(node, connected)
    await hangUp([connected.connection])
  }
  return { event, failure }
}
