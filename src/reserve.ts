import { multiaddr } from '@multiformats/multiaddr'
import { withPeerId } from './addr.ts'
import { classifyRelayStatus } from './classify.ts'
import { type Connected, connect, type DialOptions } from './connect.ts'
import { codes, Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { alongside, pause } from './flow.ts'
import { timeLimit } from './limit.ts'
import { confirmAddrs, type Node } from './node.ts'
import { CircuitListener } from './protocols/circuit-transport.ts'
import { type Grant, requestReservation } from './protocols/hop-client.ts'
import { safe } from './safe.ts'
import type { Target } from './targets.ts'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A reservation on a relay that is connected. */
export interface Held extends Connected {
  relay: Target
  /** The own address through the relay. */
  circuit: string
  /** By the relay's clock. */
  expires: Date
}

type Options = DialOptions & { identified: boolean }

/** Between two tries to get a reservation back; it doubles. */
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** Long reservations are renewed so long before they end, short ones at half time. */
const AHEAD_MS = 300_000
/** Where the relay's clock says that it is over already. */
const CLOCK_WRONG_MS = 30_000
const MAX_TIMER_MS = 2 ** 31 - 1
/** Keeps the connection to the relay when libp2p closes some for want of room. */
const TAG = { 'p2pctl-relay': { value: 100 } }

/**
 * Becomes reachable through a relay. The relay is dialed first, as an address of its own, so that a failure on the way
 * there is told as what it is; then it is asked for a reservation. Throws Failure.
 */
export async function* reserve(
  node: Node,
  relay: Target,
  options: Options,
  signal: AbortSignal
): AsyncGenerator<Said, Held> {
  const connected = yield* connect(node, relay, options, signal)
  try {
    return yield* reserveOn(node, relay, connected, options.timeout, signal)
  } catch (error) {
    connected.connection.abort(new Error('no reservation'))
    throw error
  }
}

/** The same on a relay that is connected already, and stays so if nothing comes of it. */
export async function* reserveOn(
  node: Node,
  relay: Target,
  connected: Connected,
  timeoutMs: number,
  signal: AbortSignal
): AsyncGenerator<Said, Held> {
  const { peerId } = connected
  const relayAddr = withPeerId(multiaddr(connected.addr), peerId)
  const circuit = `${relayAddr}/p2p-circuit/p2p/${node.peerId}`
  const { status, granted } = await ask(relay, connected, circuit, timeoutMs, signal)
  if (granted == null) {
    yield { type: 'reservation.refused', target: relay.text, peer_id: peerId, expires: null, addr: circuit, status }
    throw refused(relay, circuit, status)
  }
  await announce(node, relayAddr, granted.addrs)
  await node.libp2p.peerStore.merge(connected.connection.remotePeer, { tags: TAG })
  const held = { ...connected, relay, circuit, expires: dateOf(granted) }
  yield heldEvent('reservation.open', held)
  return held
}

/**
 * Keeps a reservation until the signal: renews it before it ends, and when the relay goes or refuses, asks again with
 * longer and longer pauses. js-libp2p does not (libp2p/js-libp2p#3601).
 */
export async function* keep(node: Node, first: Held, options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  let held = first
  while (!signal.aborted) {
    const end = await untilDue(held, signal)
    if (end === 'stopped') break
    const renewal = end === 'due' ? await renew(held, options.timeout, signal) : end
    if (signal.aborted) break
    if (typeof renewal !== 'string') {
      held = { ...held, expires: dateOf(renewal) }
      await announce(node, relayOf(held), renewal.addrs)
      yield heldEvent('reservation.refresh', held)
      continue
    }
    withdraw(node, held)
    held.connection.abort(new Error('the reservation is over'))
    yield heldEvent('reservation.close', held, renewal)
    const again = yield* reserveAgain(node, held, options, signal)
    if (again == null) return
    held = again
  }
  yield heldEvent('reservation.close', held, 'stopped')
}

/** Keeps reservations for as long as something serves, and gives the events of both. */
export async function* whileKept<T>(
  node: Node,
  held: Held[],
  options: Options,
  serving: AsyncGenerator<Said, T>
): AsyncGenerator<Said, T> {
  return yield* alongside(serving, over => held.map(one => keep(node, one, options, over)))
}

/** Says each try that failed as what it was; null when the signal came first. */
async function* reserveAgain(
  node: Node,
  { relay, peerId, circuit }: Held,
  options: Options,
  signal: AbortSignal
): AsyncGenerator<Said, Held | null> {
  for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_WAIT_MS)) {
    if (!(await pause(waitMs, signal))) return null
    const steps = reserve(node, relay, options, signal)
    let refusal: string | undefined
    try {
      let step = await steps.next()
      // of the dials, whoever serves tells what came of them
      for (; step.done !== true; step = await steps.next()) {
        if (step.value.type === 'reservation.open') yield step.value
        if (step.value.type === 'reservation.refused') refusal = step.value.status
      }
      return step.value
    } catch (error) {
      if (signal.aborted) return null
      if (!(error instanceof Failure)) throw error
      const status = refusal ?? error.code
      const next = Math.min(2 * waitMs, LONGEST_WAIT_MS)
      const lost = { target: relay.text, peer_id: peerId, expires: null, addr: circuit }
      yield { type: 'reservation.retry', ...lost, status, wait_ms: next }
    }
  }
}

async function renew(held: Held, timeoutMs: number, signal: AbortSignal): Promise<Grant | string> {
  try {
    const { status, granted } = await ask(held.relay, held, held.circuit, timeoutMs, signal)
    return granted ?? status
  } catch (error) {
    if (error instanceof Failure) return error.code
    throw error
  }
}

/** Asks once, on a connection that is there. Throws Failure. */
export async function ask(
  relay: Target,
  { connection }: Connected,
  addr: string,
  timeoutMs: number,
  signal: AbortSignal
) {
  const late = timeLimit(timeoutMs)
  try {
    return await requestReservation(connection, AbortSignal.any([signal, late]))
  } catch (error) {
    signal.throwIfAborted()
    const options = { phase: 'relay', addr, target: relay.text, cause: error } as const
    if (late.aborted) {
      throw new Failure('io_timeout', `no reservation on ${safe(relay.text)}: ${codes.io_timeout.says}`, options)
    }
    if (!(error instanceof Failure)) throw error
    if (error.code === 'protocol_not_supported') {
      throw new Failure(error.code, `${safe(relay.text)} is no relay: ${error.message}`, {
        ...options,
        hint: 'start one with: p2pctl relay'
      })
    }
    throw new Failure(error.code, `no reservation on ${safe(relay.text)}: ${safe(error.message, 120)}`, options)
  }
}

/** The status of the relay, other than OK, as a failure. */
export function refused(relay: Target, addr: string, status: string, what = 'no reservation'): Failure {
  const { code, says } = classifyRelayStatus(status)
  return new Failure(code, `${what} on ${safe(relay.text)}: ${says}`, {
    phase: 'relay',
    addr,
    target: relay.text
  })
}

/** Why to do something about a reservation now. */
function untilDue({ connection, expires }: Held, signal: AbortSignal): Promise<'due' | 'disconnected' | 'stopped'> {
  return new Promise(resolve => {
    const left = expires.getTime() - Date.now()
    const ms = left <= 0 ? CLOCK_WRONG_MS : Math.max(left / 2, left - AHEAD_MS)
    const done = (why: 'due' | 'disconnected' | 'stopped'): void => {
      clearTimeout(timer)
      connection.removeEventListener('close', onClose)
      signal.removeEventListener('abort', onAbort)
      resolve(why)
    }
    const onClose = (): void => done('disconnected')
    const onAbort = (): void => done('stopped')
    const timer = setTimeout(done, Math.min(ms, MAX_TIMER_MS), 'due')
    connection.addEventListener('close', onClose)
    signal.addEventListener('abort', onAbort)
    if (signal.aborted) onAbort()
    else if (connection.status !== 'open') onClose()
  })
}

/** As late as a date can be, whatever the relay says. */
export function dateOf({ expire }: Grant): Date {
  return new Date(Math.min(expire, 8.64e12) * 1000)
}

/** Tells peers, by identify, that this node can be reached at the relay: as it was dialed, and as it says itself. */
async function announce(node: Node, relay: Multiaddr, others: Multiaddr[]): Promise<void> {
  await node.use('circuit')
  const own = relay.encapsulate('/p2p-circuit')
  if (listenerOf(node, own) == null) await node.components.transportManager.listen([own])
  const texts = new Set([relay, ...others].map(addr => addr.toString()))
  const addrs = [...texts].map(text => multiaddr(`${text}/p2p-circuit`))
  listenerOf(node, own)!.announce(addrs)
  confirmAddrs(node, addrs)
}

/** Takes its addresses back. */
export function withdraw(node: Node, held: Held): void {
  listenerOf(node, relayOf(held).encapsulate('/p2p-circuit'))?.announce([])
}

function relayOf({ addr, peerId }: Connected): Multiaddr {
  return withPeerId(multiaddr(addr), peerId)
}

function listenerOf(node: Node, addr: Multiaddr): CircuitListener | undefined {
  return node.components.transportManager
    .getListeners()
    .find((one): one is CircuitListener => one instanceof CircuitListener && one.relay?.equals(addr) === true)
}

function heldEvent(
  type: 'reservation.open' | 'reservation.refresh' | 'reservation.close',
  { relay, peerId, circuit, expires }: Held,
  status = 'OK'
): Event<typeof type> {
  return { type, target: relay.text, peer_id: peerId, expires: expires.toISOString(), addr: circuit, status }
}
