/** The side of a hole punch that was called through a relay: it dials back, and where that fails it opens the protocol. */
import type { Connection, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Said } from './events.ts'
import { pause } from './flow.ts'
import type { Node } from './node.ts'
import { type Agreed, callToPunch, DCUTR, MAX_ATTEMPTS, punchReader } from './protocols/dcutr.ts'
import type { Identity } from './protocols/identify.ts'
import {
  DIAL_MS,
  GONE,
  GRACE_MS,
  dialAll,
  dialable,
  isRelayed,
  type Outcome,
  outcomeOf,
  outcomeOfExchange,
  ownAddrs,
  parsed,
  type PunchOptions,
  type Steps,
  tell,
  tellMessage,
  upgradeEvent
} from './punch.ts'

/** At the same time: each has strangers make this machine dial. */
const MAX_PUNCHES = 8

interface Way {
  outcome: Outcome
  error: string | null
  direct?: Connection
}

/**
 * What to do with a connection whose peer has said who it is: for one through a relay, go for a direct one. Only what
 * the peer itself named is dialed, one peer once at a time, and `say` is told of each step.
 */
export function puncherFor(node: Node, options: PunchOptions, say: (event: Said) => void, signal: AbortSignal) {
  const active = new Set<string>()
  return (connection: Connection, identity: Identity): void => {
    const peerId = connection.remotePeer.toString()
    if (!isRelayed(connection) || active.has(peerId) || active.size >= MAX_PUNCHES || signal.aborted) return
    active.add(peerId)
    void punch(node, connection, identity, options, say, signal).finally(() => active.delete(peerId))
  }
}

async function punch(
  node: Node,
  relayed: Connection,
  identity: Identity,
  options: PunchOptions,
  say: (event: Said) => void,
  runSignal: AbortSignal
): Promise<void> {
  const peerId = relayed.remotePeer.toString()
  const steps: Steps = { peerId, startedAt: performance.now(), attempts: 0, underway: false, say }
  const over = new AbortController()
  const signal = AbortSignal.any([runSignal, over.signal])
  const arrived = Promise.withResolvers<Way>()
  const onOpen = ({ detail: direct }: CustomEvent<Connection>): void => {
    if (direct.remotePeer.toString() !== peerId || isRelayed(direct) || direct.direction === 'outbound') return
    tell(steps, 'inbound', { addrs: [direct.remoteAddr.toString()], ok: true })
    arrived.resolve({ outcome: steps.underway ? 'success' : 'direct_dial', error: null, direct })
  }
  relayed.addEventListener('close', () => {
    void pause(GRACE_MS, signal).then(() => over.abort())
  })
  node.libp2p.addEventListener('connection:open', onOpen)
  const upgrading = upgrade(node, relayed, identity, steps, options, signal)
  const { outcome, error, direct } = await Promise.race([arrived.promise, upgrading])
  const directMs = direct == null ? null : performance.now() - steps.startedAt
  node.libp2p.removeEventListener('connection:open', onOpen)
  over.abort()
  await upgrading
  if (runSignal.aborted) return
  say({
    type: 'punch.result',
    peer_id: peerId,
    outcome,
    attempts: steps.attempts,
    relayed_ms: null,
    direct_ms: directMs,
    addr: direct?.remoteAddr.toString() ?? null,
    error
  })
  if (direct == null) return
  say(upgradeEvent(relayed, direct, null, directMs!))
  // what the peer has open on it is for the peer to move
  if (relayed.streams.length === 0) await relayed.close().catch(() => {})
}

/** Gives the connection that this side made, or what became of all attempts; never rejects. */
async function upgrade(
  node: Node,
  relayed: Connection,
  identity: Identity,
  steps: Steps,
  options: PunchOptions,
  signal: AbortSignal
): Promise<Way> {
  const { peerId } = steps
  const naming = ownAddrs(node, relayed, steps, options, signal)
  const announced = await dialAll(
    node,
    steps,
    dialable(parsed(identity.listen_addrs), peerId, options),
    DIAL_MS,
    signal
  )
  if (!Array.isArray(announced)) return { outcome: 'reversed', error: null, direct: announced }
  const own = await naming
  if (!identity.protocols.includes(DCUTR)) return { outcome: 'no_stream', error: `the peer does not speak ${DCUTR}` }
  const gone: Way = { outcome: 'failed', error: GONE }
  const isGone = (): boolean => signal.aborted || relayed.status !== 'open'
  let last = gone
  while (steps.attempts < MAX_ATTEMPTS && !isGone()) {
    steps.attempts++
    try {
      const { addrs, rttMs } = await exchange(relayed, own, steps, signal)
      await pause(rttMs / 2, signal)
      const startedAt = performance.now()
      const dialed = await dialAll(node, steps, dialable(addrs, peerId, options), DIAL_MS, signal)
      if (!Array.isArray(dialed)) return { outcome: 'success', error: null, direct: dialed }
      last = signal.aborted ? gone : outcomeOf(dialed)
      // the peer dials as well, and has as long for it
      await pause(startedAt + DIAL_MS - performance.now(), signal)
    } catch (error) {
      last = outcomeOfExchange(error)
    }
  }
  if (!isGone()) return last
  // its last dial may still get through
  await pause(GRACE_MS, signal)
  return last.outcome === 'protocol_error' ? gone : last
}

/** On a stream of its own, as go and js do it: a second exchange on one stream is more than they take. */
async function exchange(relayed: Connection, own: Multiaddr[], steps: Steps, runSignal: AbortSignal): Promise<Agreed> {
  const signal = AbortSignal.any([runSignal, AbortSignal.timeout(DIAL_MS)])
  let stream: Stream | undefined
  try {
    stream = await relayed.newStream(DCUTR, { signal, runOnLimitedConnection: true })
    tell(steps, 'stream_opened')
    const agreed = await callToPunch(stream, punchReader(stream), own, tellMessage(steps, 'sync_sent'), signal)
    await stream.close({ signal })
    return agreed
  } catch (error) {
    stream?.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}
