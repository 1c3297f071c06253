/** Being reachable through a relay: the reservation of the page, kept as long as the page is there. */
import type { Connection } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { peerIdOf, relayPart } from '../addr.ts'
import type { Connected } from '../connect.ts'
import { type Code, errorEvent } from '../errors.ts'
import type { Said } from '../events.ts'
import { pause } from '../flow.ts'
import { tellIdentity } from '../identified.ts'
import type { Node } from '../node.ts'
import { identify } from '../protocols/identify.ts'
import { openPinger } from '../protocols/ping.ts'
import { type Held, keep, reserve, reserveOn, withdraw } from '../reserve.ts'
import type { Target } from '../targets.ts'
import { ownAddrs } from '../watch.ts'
import { bestConnections, hangUp } from './connections.ts'
import { DIALING } from './dialing.ts'
import { failureOf } from './failures.ts'

/** https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md */
const HOP = '/libp2p/circuit/relay/0.2.0/hop'
/** What does not change while the page is open. */
const HOPELESS: Code[] = ['no_transport', 'invalid_multiaddr', 'dial_self', 'dnsaddr_empty', 'internal']
const FIRST_WAIT_MS = 500
const LONGEST_WAIT_MS = 30_000
/** A connection that has slept answers in this time, or it is not there any more. */
const ALIVE_MS = 3000

export interface Reachability {
  /** The address of the relay that there is a reservation on. */
  readonly relay: string | null
  /** Another relay, or none. Resolves once the first try has ended; what became of it is said. */
  use(target: Target | null): Promise<void>
  /** Reserves on a peer that a person has connected to, if it is a relay and there is none yet. */
  adopt(target: Target, connected: Connected): Promise<void>
  /** Gives the reservation up, if it is on this relay. */
  leave(peerId: string): Promise<void>
  /** The page may have slept, and its connections with it. */
  woke(): void
}

interface Life {
  target: Target
  over: AbortController
  held: Held | null
  /** Ends a pause between two tries. */
  hurry: AbortController
}

export function openReachability(node: Node, say: (event: Said) => void, signal: AbortSignal): Reachability {
  let life: Life | null = null
  let adopts = true

  const begin = (target: Target, given: Connected | null): Promise<void> => {
    const own: Life = { target, over: new AbortController(), held: null, hurry: new AbortController() }
    life = own
    const tried = Promise.withResolvers<void>()
    void stay(own, given, tried.resolve).finally(tried.resolve)
    return tried.promise
  }
  const end = async (): Promise<void> => {
    const own = life
    life = null
    own?.over.abort()
    if (own?.held == null) return
    withdraw(node, own.held)
    say({ type: 'listen.addrs', addrs: ownAddrs(node) })
    await hangUp([own.held.connection])
  }

  /** Tries with longer and longer pauses, and says each failure once in a row. */
  const stay = async (own: Life, given: Connected | null, tried: () => void): Promise<void> => {
    const over = AbortSignal.any([signal, own.over.signal])
    let waitMs = FIRST_WAIT_MS
    let told: string | null = null
    let first = given
    while (!over.aborted) {
      own.hurry = new AbortController()
      try {
        const steps =
          first == null
            ? reserve(node, own.target, DIALING, over)
            : reserveOn(node, own.target, first, DIALING.timeout, over)
        first = null
        own.held = await lastOf(steps, event => {
          // of the connection the watch tells; of a try like the last one only its end
          if (event.type !== 'connection.open' && (told == null || event.type === 'reservation.open')) say(event)
        })
        say({ type: 'listen.addrs', addrs: ownAddrs(node) })
        told = null
        waitMs = FIRST_WAIT_MS
        tried()
        await untilLost(node, own, over, say)
      } catch (error) {
        if (over.aborted) return
        const failure = failureOf(error, own.target.text)
        if (told !== failure.code) say(errorEvent(failure))
        told = failure.code
        tried()
        if (HOPELESS.includes(failure.code)) return
        say(retryEvent(own.target, failure.code, waitMs))
        await pause(waitMs, AbortSignal.any([over, own.hurry.signal]))
        waitMs = own.hurry.signal.aborted ? FIRST_WAIT_MS : Math.min(2 * waitMs, LONGEST_WAIT_MS)
      }
    }
  }
  return {
    get relay() {
      return life?.held == null ? null : life.held.circuit.replace(/\/p2p-circuit\/p2p\/[^/]+$/, '')
    },
    async use(target) {
      await end()
      adopts = target != null
      if (target != null) await begin(target, null)
    },
    async adopt(target, connected) {
      if (life != null || !adopts) return
      const found = await relayAmong(node, target, connected, signal)
      if (found != null && life == null && adopts) await begin(found.target, found.connected)
    },
    async leave(peerId) {
      if (life?.held?.peerId === peerId) await end()
    },
    woke() {
      if (life?.held == null) return life?.hurry.abort()
      const { connection } = life.held
      void isAlive(connection, signal).then(alive => {
        if (!alive && !signal.aborted) connection.abort(new Error('it did not come back from sleep'))
      })
    }
  }
}

/** Renews the reservation for as long as it can be. */
async function untilLost(node: Node, own: Life, over: AbortSignal, say: (event: Said) => void): Promise<void> {
  for await (const event of keep(node, own.held!, DIALING, over)) {
    say(event)
    if (event.type === 'reservation.close') break
  }
  own.held = null
}

/** The peer that was connected to, or the relay that led to it, whichever of them is a relay. */
async function relayAmong(
  node: Node,
  target: Target,
  connected: Connected,
  signal: AbortSignal
): Promise<{ target: Target; connected: Connected } | null> {
  if (connected.identity?.protocols.includes(HOP) === true) return { target, connected }
  const addr = relayPart(multiaddr(connected.addr))
  const peerId = addr == null ? undefined : peerIdOf(addr)
  const connection = peerId == null ? undefined : bestConnections(node).get(peerId)
  if (addr == null || peerId == null || connection == null) return null
  const late = AbortSignal.any([signal, AbortSignal.timeout(DIALING.timeout)])
  const identity = await identify(connection, late).catch(() => null)
  if (identity == null || !identity.protocols.includes(HOP)) return null
  await tellIdentity(node, connection, identity)
  const text = addr.toString()
  return { target: { text, addr, peerId }, connected: { ...connected, connection, peerId, addr: text, identity } }
}

async function isAlive(connection: Connection, signal: AbortSignal): Promise<boolean> {
  const pinger = openPinger(connection)
  try {
    return (await pinger.ping(ALIVE_MS, signal)).type === 'reply'
  } catch {
    return false
  } finally {
    await pinger.close()
  }
}

async function lastOf<R>(steps: AsyncGenerator<Said, R>, say: (event: Said) => void): Promise<R> {
  let step = await steps.next()
  for (; step.done !== true; step = await steps.next()) say(step.value)
  return step.value
}

function retryEvent({ text, peerId }: Target, status: string, waitMs: number): Said {
  const nothing = { expires: null, addr: null }
  return { type: 'reservation.retry', target: text, peer_id: peerId ?? '', ...nothing, status, wait_ms: waitMs }
}
