import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { scopeOf, withoutPeerId } from '../addr.ts'
import { type Connected, connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Event } from '../events.ts'
import { listenOn, type Node, type NodeOptions, openNode } from '../node.ts'
import { type AutonatClient, autonatClient, type Verdict } from '../protocols/autonat-client.ts'
import { DIAL_REQUEST } from '../protocols/autonat-messages.ts'
import { HOP_PROTOCOL } from '../protocols/circuit.ts'
import { requestReservation } from '../protocols/hop-client.ts'
import { ipOf } from '../reach.ts'
import { listenAddrs } from '../serve.ts'
import type { Target } from '../targets.ts'
import { safe } from '../safe.ts'
import { type Check, type Found, made } from './check.ts'
import { bindTcp } from './machine.ts'
import { natOf, type View, viewOf } from './nat.ts'

export interface RemoteOptions extends DialOptions, Omit<NodeOptions, 'stun' | 'insecure'> {
  /** Where to be dialed back; a port that the system chooses unless told. */
  tcp?: number | undefined
}

type Said = Event<'doctor.check'>

/** A peer that was reached, and what it sees of this side. */
interface Vantage extends Connected {
  target: Target
  view: View | null
}

/** A server need not be asked for more; those of others serve a dozen a minute. */
const MAX_ADDRS = 8
/** A firewall that drops what comes keeps the server waiting: js-libp2p's gives up after 6 s, go's after 15. */
const DIAL_BACK_MS = 15_000

/** What other peers see of this machine: its address, what the NAT does to it, and which of its addresses they can dial. */
export async function* askOthers(targets: Target[], options: RemoteOptions, signal: AbortSignal): AsyncGenerator<Said> {
  const { timeout } = options
  await using node = await openNode(options)
  await using client = await autonatClient(node.libp2p)
  const listening = (): Promise<Found> => listen(node, options)
  yield await made({ group: 'remote', name: 'listen', look: listening }, timeout, signal)
  // dialed from one port, two peers tell whether the NAT gives it one port outside or two
  const localPort = await bindTcp('0.0.0.0')
  const views: View[] = []
  for (const target of targets) {
    let vantage: Vantage | undefined
    const check: Checker = async (name, look, timeoutMs = timeout) => {
      return { ...(await made({ group: 'remote', name, look }, timeoutMs, signal)), target: target.text }
    }
    yield await check('reach', async limit => {
      vantage = await reachFrom(node, target, { ...options, localPort }, limit)
      return reached(vantage)
    })
    if (vantage == null) continue
    if (vantage.view != null) views.push(vantage.view)
    yield* lookFrom(vantage, node, client, timeout, check, signal)
  }
  const look = async (): Promise<Found> => natOf(views)
  yield await made({ group: 'nat', name: 'mapping', look }, timeout, signal)
}

type Checker = (name: string, look: Check['look'], timeoutMs?: number) => Promise<Said>

async function* lookFrom(
  vantage: Vantage,
  node: Node,
  client: AutonatClient,
  timeoutMs: number,
  check: Checker,
  signal: AbortSignal
): AsyncGenerator<Said> {
  yield await check('observed', async () => lookAtView(vantage))
  if (vantage.identity?.protocols.includes(DIAL_REQUEST) === true) {
    const own = node.components.transportManager.getAddrs()
    // one address after another: servers serve one request of a peer at a time
    for (const addr of candidates(own, vantage.connection.remoteAddr, vantage.view)) {
      const askMs = timeoutMs + DIAL_BACK_MS
      const look = (): Promise<Found> => lookAtAddr(addr, vantage, client, askMs, signal)
      // the client keeps the time itself, and says what it was waiting for
      yield await check('autonat', look, 2 * askMs)
    }
  } else {
    const fix = 'ask one that does, such as: p2pctl listen --serve autonat'
    yield await check('autonat', async () => ({ status: 'skip', message: 'it does not serve AutoNAT v2', fix }))
  }
  yield await check('relay', limit => lookAtRelay(vantage, limit))
}

async function listen(node: Node, { tcp }: RemoteOptions): Promise<Found> {
  for (const addr of listenAddrs({ tcp: tcp ?? true })) await listenOn(node, addr)
  const addrs = node.components.transportManager.getAddrs().map(String)
  return { status: 'ok', message: `to be dialed back, on TCP port ${portOf(addrs[0])}`, addrs }
}

/** These were no matter of the port that was dialed from. */
const answered = new Set(['connection_refused', 'connection_reset', 'io_timeout'])

async function reachFrom(node: Node, target: Target, options: RemoteOptions, signal: AbortSignal): Promise<Vantage> {
  try {
    return await dial(node, target, options, signal)
  } catch (error) {
    // the same remote twice, or a system that does not share a port between connections: any port will do then
    if (!(error instanceof Failure) || error.phase !== 'connect' || answered.has(error.code)) throw error
    return await dial(node, target, { ...options, localPort: undefined }, signal)
  }
}

async function dial(node: Node, target: Target, options: RemoteOptions, signal: AbortSignal): Promise<Vantage> {
  const steps = connect(node, target, { ...options, identified: true }, signal)
  let step = await steps.next()
  while (step.done !== true) step = await steps.next()
  const { socket, identity } = step.value
  return { ...step.value, target, view: viewOf(socket, identity?.observed_addr ?? null) }
}

function reached({ peerId, addr, totalMs, identity }: Vantage): Found {
  const agent = safe(identity?.agent_version ?? 'a peer that does not say what it is', 64)
  return { status: 'ok', message: `${agent} in ${totalMs.toFixed(0)} ms`, peer_id: peerId, addr }
}

function lookAtView({ identity, peerId }: Vantage): Found {
  const observed = identity?.observed_addr ?? null
  const found = { peer_id: peerId, observed }
  if (observed != null) return { ...found, status: 'ok', message: safe(withoutPeerId(multiaddr(observed)).toString()) }
  return { ...found, status: 'warn', message: 'it does not say what it sees', fix: 'ask another peer' }
}

/** Has the peer dial one address of ours. */
async function lookAtAddr(
  addr: Multiaddr,
  { connection, peerId }: Vantage,
  client: AutonatClient,
  timeoutMs: number,
  signal: AbortSignal
): Promise<Found> {
  const { verdict, dataBytes, dialedFrom, message } = await client.ask(connection, addr, timeoutMs, signal)
  const { status, says, fix = null } = verdicts[verdict]
  const why = message == null ? '' : `: ${safe(message)}`
  const found = { verdict, data_bytes: dataBytes, dialed_from: dialedFrom, peer_id: peerId, addr: addr.toString() }
  return { ...found, status, message: `${addr} ${says}${why}`, fix }
}

/**
 * The addresses that this peer could dial: those that we listen on, and the one that it sees with our port, which a
 * router may forward. As the specification asks, a public server is told of no private address.
 */
export function candidates(own: Multiaddr[], remote: Multiaddr, view: View | null): Multiaddr[] {
  const port = portOf(own[0]?.toString())
  const guess = view == null || port == null ? [] : [multiaddr(`/ip${view.family}/${view.observedIp}/tcp/${port}`)]
  const isPublic = scopeOf(remote) === 'public'
  const isLocal = isLoopback(remote)
  const seen = new Set<string>()
  return [...guess, ...own]
    .filter(addr => {
      const text = addr.toString()
      if (seen.has(text) || /^\/ip6zone|^\/ip6\/fe[89ab]/i.test(text)) return false
      seen.add(text)
      return isPublic ? scopeOf(addr) === 'public' : isLocal || !isLoopback(addr)
    })
    .slice(0, MAX_ADDRS)
}

function isLoopback(addr: Multiaddr): boolean {
  const ip = ipOf(addr)
  return ip === '::1' || ip?.startsWith('127.') === true
}

function portOf(addr: string | undefined): string | null {
  return /\/tcp\/(\d+)/.exec(addr ?? '')?.[1] ?? null
}

const AWAY = 'open the firewall and forward that port, or be reached through a relay: p2pctl listen --circuit RELAY'
const LATER = 'ask it again later, or another server'

const verdicts: Record<Verdict, { status: Found['status']; says: string; fix?: string }> = {
  reachable: { status: 'ok', says: 'is reachable' },
  unreachable: { status: 'warn', says: 'is not reachable', fix: AWAY },
  unanswered: { status: 'warn', says: 'is reached, and answers nothing', fix: 'something else may listen there' },
  unproven: { status: 'warn', says: 'is said to be reachable, and nobody came', fix: 'do not believe it: ask another' },
  refused: { status: 'skip', says: 'is none that it dials' },
  rejected: { status: 'skip', says: 'was not tried: it has served enough for now', fix: LATER },
  expensive: { status: 'skip', says: 'was not tried: it wants too much data for that', fix: LATER },
  failed: { status: 'warn', says: 'has no verdict', fix: LATER }
}

/** Asks for a reservation, which ends with the connection. */
async function lookAtRelay({ connection, identity, peerId }: Vantage, signal: AbortSignal): Promise<Found> {
  if (identity?.protocols.includes(HOP_PROTOCOL) !== true) return { status: 'skip', message: 'it is no relay' }
  const { status, granted } = await requestReservation(connection, signal)
  const found = { peer_id: peerId, relay_status: status }
  if (granted == null) {
    const fix = 'it may be full, or closed to this machine: try another relay'
    return { ...found, status: 'warn', message: `it refuses a reservation: ${safe(status)}`, fix }
  }
  const minutes = Math.round((granted.expire - Date.now() / 1000) / 60)
  const message = `it gives a reservation for ${minutes} min, which is given back`
  return { ...found, status: 'ok', message, addrs: granted.addrs.map(String) }
}
