/** The side of a hole punch that called: it answers, dials when it is told to, and watches what comes of it. */
import type { Connection, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { relayPart } from './addr.ts'
import { type Connected, type DialOptions, openEvent } from './connect.ts'
import { Failure } from './errors.ts'
import type { Said } from './events.ts'
import { createQueue } from './flow.ts'
import { listenOn, type Node } from './node.ts'
import { answerPunch, DCUTR, MAX_ATTEMPTS, type OnMessage, punchReader } from './protocols/dcutr.ts'
import { StreamError, type StreamReader } from './protocols/stream.ts'
import { safe } from './safe.ts'
import { listenAddrs } from './serve.ts'
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
import type { Target } from './targets.ts'

export interface DialerOptions extends PunchOptions, Pick<DialOptions, 'timeout'> {
  /** Where the peer may dial back: a port that the router forwards, or any. */
  punchPort?: number | undefined
}

export interface Puncher extends AsyncDisposable {
  /**
   * Says each step until a direct connection is there or nothing is left to try, then what became of it. Gives the
   * direct connection, or the Failure.
   */
  observe(relayed: Connected, signal: AbortSignal): AsyncGenerator<Said, Connection | Failure>
}

interface End {
  outcome: Outcome
  error: string | null
  direct?: Connection
}

/**
 * Gets ready before the dial, since the peer sees at once whether /libp2p/dcutr is spoken and where this node listens.
 */
export async function openPuncher(node: Node, target: Target, options: DialerOptions): Promise<Puncher> {
  const { peerId } = target
  if (peerId == null || relayPart(target.addr) == null) {
    throw new Failure('invalid_option', `--punch is for a peer behind a relay, and ${safe(target.text)} is none`, {
      hint: 'give RELAY/p2p/RELAY-PEER-ID/p2p-circuit/p2p/PEER-ID',
      target: target.text
    })
  }
  if (node.components.transportManager.getListeners().length === 0) {
    for (const addr of listenAddrs({ tcp: options.punchPort ?? true })) await listenOn(node, addr)
  }
  const over = new AbortController()
  const queue = createQueue<Said>()
  const say: Steps['say'] = event => void queue.push({ ...event, target: target.text })
  const steps: Steps = { peerId, startedAt: 0, attempts: 0, underway: false, say }
  const own = Promise.withResolvers<Multiaddr[]>()
  const dialedAt = performance.now()
  let end: End = { outcome: 'no_stream', error: `the peer did not open ${DCUTR}` }
  let endedAt = 0
  let timer: NodeJS.Timeout | undefined

  const settle = (how: End): void => {
    if (over.signal.aborted) return
    clearTimeout(timer)
    end = how
    endedAt = performance.now()
    over.abort()
  }
  /** Nothing more is expected after this long. */
  const wait = (ms: number): void => {
    clearTimeout(timer)
    if (!over.signal.aborted) timer = setTimeout(() => settle(end), Math.max(0, ms))
  }
  const onOpen = ({ detail: connection }: CustomEvent<Connection>): void => {
    if (connection.remotePeer.toString() !== peerId) return
    if (isRelayed(connection)) {
      steps.startedAt = performance.now()
      own.resolve(ownAddrs(node, connection, steps, options, over.signal))
      connection.addEventListener('close', () => {
        if (!steps.underway) end = { outcome: end.outcome, error: GONE }
        wait(GRACE_MS)
      })
    } else if (connection.direction === 'inbound') {
      tell(steps, 'inbound', { addrs: [connection.remoteAddr.toString()], ok: true })
      settle({ outcome: steps.underway ? 'success' : 'reversed', error: null, direct: connection })
    }
  }

  /** One exchange and the dials that follow it; false where the peer has ended the stream instead. */
  const round = async (stream: Stream, frames: StreamReader, onMessage: OnMessage): Promise<boolean> => {
    const agreed = await answerPunch(stream, frames, own.promise, onMessage, over.signal)
    if (agreed == null) return false
    const syncedAt = performance.now()
    const attempt = steps.attempts
    const dialed = await dialAll(node, steps, dialable(agreed.addrs, peerId, options), options.timeout, over.signal)
    if (!Array.isArray(dialed)) {
      settle({ outcome: 'success', error: null, direct: dialed })
      return false
    }
    // where the next one has begun already, it is for that to say what follows
    if (over.signal.aborted || steps.attempts !== attempt) return true
    end = outcomeOf(dialed)
    // the peer dials as well and may yet get through; before the last attempt it may also begin another
    const theirs = syncedAt + DIAL_MS - performance.now()
    wait(attempt < MAX_ATTEMPTS ? options.timeout : theirs)
    return true
  }

  const onStream = async (stream: Stream, connection: Connection): Promise<void> => {
    const wanted = isRelayed(connection) && connection.direction === 'outbound'
    if (!wanted || connection.remotePeer.toString() !== peerId || steps.attempts >= MAX_ATTEMPTS) {
      return stream.abort(new Error('no hole punch is wanted here'))
    }
    const frames = punchReader(stream)
    const tellIt = tellMessage(steps, 'connect_sent')
    let between = false
    clearTimeout(timer)
    steps.attempts++
    end = { outcome: 'failed', error: GONE }
    tell(steps, 'stream_opened')
    const onMessage: OnMessage = (step, fields) => {
      clearTimeout(timer)
      if (between) steps.attempts++
      between = false
      tellIt(step, fields)
    }
    try {
      // the specification goes on with the same stream, go and js open another
      while (steps.attempts <= MAX_ATTEMPTS && (await round(stream, frames, onMessage))) between = true
      await stream.close()
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
      if (over.signal.aborted || (between && !isMalformed(error))) return
      end = outcomeOfExchange(error)
      wait(steps.attempts < MAX_ATTEMPTS ? options.timeout : 0)
    }
  }

  node.libp2p.addEventListener('connection:open', onOpen)
  await node.libp2p.handle(DCUTR, onStream, { maxInboundStreams: 2, runOnLimitedConnection: true })

  return {
    async *observe({ connection, identity }, signal) {
      const onAbort = (): void => over.abort()
      signal.addEventListener('abort', onAbort)
      if (signal.aborted) onAbort()
      if (steps.attempts === 0) wait(options.timeout)
      const announced = dialable(parsed(identity?.listen_addrs ?? []), peerId, options)
      const dialing = dialAll(node, { ...steps, attempts: 0 }, announced, options.timeout, over.signal).then(dialed => {
        if (!Array.isArray(dialed)) settle({ outcome: 'direct_dial', error: null, direct: dialed })
      })
      try {
        yield* queue.items(over.signal)
        signal.throwIfAborted()
      } finally {
        signal.removeEventListener('abort', onAbort)
        over.abort()
        await dialing
      }
      const { error, direct } = end
      // the protocol may be first to come to an address that was known without it
      const known = announced.some(addr => direct != null && addr.equals(direct.remoteAddr))
      const outcome = known ? 'direct_dial' : end.outcome
      const relayedMs = steps.startedAt - dialedAt
      const directMs = direct == null ? null : endedAt - steps.startedAt
      yield {
        type: 'punch.result',
        target: target.text,
        peer_id: peerId,
        outcome,
        attempts: steps.attempts,
        relayed_ms: relayedMs,
        direct_ms: directMs,
        addr: direct?.remoteAddr.toString() ?? null,
        error
      }
      if (direct == null) return failureOf(target, outcome, steps.attempts, error ?? '')
      yield { ...upgradeEvent(connection, direct, relayedMs, directMs!), target: target.text }
      yield { ...openEvent(direct), target: target.text }
      return direct
    },
    async [Symbol.asyncDispose]() {
      over.abort()
      clearTimeout(timer)
      node.libp2p.removeEventListener('connection:open', onOpen)
      await node.libp2p.unhandle(DCUTR)
    }
  }
}

function isMalformed(error: unknown): boolean {
  return error instanceof StreamError && error.reason === 'malformed'
}

function failureOf(target: Target, outcome: Outcome, attempts: number, error: string): Failure {
  const how = attempts === 0 ? '' : ` after ${attempts} attempt${attempts === 1 ? '' : 's'}`
  const message = `no direct connection to ${target.peerId}${how}: ${outcome} (${safe(error, 160)})`
  return new Failure('punch_failed', message, {
    phase: 'connect',
    target: target.text,
    addr: target.addr.toString(),
    ...(outcome === 'no_stream' && {
      hint: 'it may be without hole punching, or know no public address of its own: with p2pctl it is listen --punch'
    })
  })
}
