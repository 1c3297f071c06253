import { type Connected, connect, type DialOptions } from './connect.ts'
import { Failure } from './errors.ts'
import { createQueue } from './flow.ts'
import type { PingStats, Said } from './events.ts'
import { type LoopWatch, STALL_MS } from './loop-delay.ts'
import type { Node } from './node.ts'
import { type Pace, paced } from './pace.ts'
import { openPinger, type Outcome, type Pinger } from './protocols/ping.ts'
import { newTally, statsOf } from './stats.ts'
import { failureEvent, missed, type Target } from './targets.ts'

export interface PingOptions extends DialOptions, Pace {
  /** A new connection for each ping. */
  fresh?: boolean
  /** Stop at the first pong. */
  once?: boolean
}

/** What became of one target. */
export interface Pinged {
  stats: PingStats
  failure?: Failure
}

const CLOSE_MS = 300

/** Pings one target until the signal or the count; what became of it is told to `done`, whatever happened. */
export async function* pingTarget(
  node: Node,
  target: Target,
  options: PingOptions,
  loop: LoopWatch,
  signal: AbortSignal,
  done: (pinged: Pinged) => void
): AsyncGenerator<Said> {
  const tally = newTally()
  const queue = createQueue<Said>()
  const all = new AbortController()
  const enough = new AbortController()
  const stop = AbortSignal.any([signal, enough.signal])
  const dialOptions = { ...options, identified: false }
  let connected: Connected | undefined
  let failure: Failure | undefined

  const record = async (seq: number, outcome: Outcome, by: Connected, connectStalled = false): Promise<void> => {
    tally.sent++
    if (outcome.type === 'timeout') {
      tally.timedOut++
      return await queue.push({ type: 'ping.timeout', target: target.text, seq, after_ms: outcome.afterMs })
    }
    if (outcome.type === 'fail') {
      const { reason, afterMs } = outcome
      tally[reason]++
      return await queue.push({ type: 'ping.fail', target: target.text, seq, reason, after_ms: afterMs })
    }
    const delay = loop.since(outcome.sentAt)
    const stalled = delay != null && delay >= STALL_MS
    tally.received++
    if (stalled) tally.stalled++
    else tally.times.push(outcome.rttMs)
    const taken = queue.push({
      type: 'ping.reply',
      target: target.text,
      seq,
      rtt_ms: outcome.rttMs,
      peer_id: by.peerId,
      addr: by.addr,
      ...(options.fresh && { connect_ms: by.totalMs }),
      ...(connectStalled && { connect_stalled: true }),
      ...(delay != null && { loop_delay_ms: delay }),
      ...(stalled && { stalled })
    })
    if (options.once) enough.abort()
    await taken
  }

  const pingOn = (pinger: Pinger, by: Connected) => async (seq: number) => {
    const onLate = (rttMs: number): void => {
      tally.late++
      void queue.push({ type: 'ping.late', target: target.text, seq, rtt_ms: rttMs })
    }
    await record(seq, await pinger.ping(options.timeout, stop, onLate), by)
  }

  const pingAnew = async (seq: number): Promise<void> => {
    const startedAt = performance.now()
    let own: Connected | undefined
    try {
      const dialing = connect(node, target, dialOptions, stop)
      let step = await dialing.next()
      for (; step.done !== true; step = await dialing.next()) await queue.push(step.value)
      own = step.value
      connected ??= own
      const stalled = (loop.since(startedAt) ?? 0) >= STALL_MS
      if (!stalled) tally.connects.push(own.totalMs)
      const pinger = openPinger(own.connection)
      const outcome = await pinger.ping(options.timeout, stop)
      await pinger.close()
      await record(seq, outcome, own, stalled)
    } catch (error) {
      if (!(error instanceof Failure) || isLasting(error)) throw error
      failure = error
      tally.sent++
      tally.unconnected++
      const after_ms = performance.now() - startedAt
      await queue.push({
        type: 'ping.fail',
        target: target.text,
        seq,
        reason: 'connect',
        after_ms,
        error: error.code
      })
    } finally {
      if (own != null) await close(own)
    }
  }

  try {
    let ping = pingAnew
    let pinger: Pinger | undefined
    if (!options.fresh) {
      connected = yield* connect(node, target, dialOptions, signal)
      pinger = openPinger(connected.connection)
      ping = pingOn(pinger, connected)
    }
    const running = paced(options, stop, ping).finally(() => all.abort())
    // it is awaited once everything has been said
    running.catch(() => {})
    yield* queue.items(all.signal)
    await running
    await pinger?.close()
  } catch (error) {
    // a stop ends the measurement and not the report; a ping that was under way then counts as never sent
    if (error instanceof Failure) failure = error
    else if (!stop.aborted) throw error
    else if (connected == null && signal.reason?.name === 'TimeoutError') failure = missed(target)
  } finally {
    enough.abort()
  }
  // with new connections some may fail
  if (tally.received > 0 && failure != null && !isLasting(failure)) failure = undefined
  if (failure != null) yield failureEvent(failure, target)
  if (connected != null && !options.fresh) await close(connected)
  done({ stats: statsOf(tally, connected?.totalMs ?? null), ...(failure && { failure }) })
}

/** Whether it would be the same at the next try. */
function isLasting({ code, exitCode }: Failure): boolean {
  return exitCode === 2 || code === 'protocol_not_supported' || code === 'no_transport' || code === 'no_addresses'
}

/** A peer that does not end its side in time is left: some sockets would else stay, half closed (libp2p 3.3). */
async function close({ connection }: Connected): Promise<void> {
  const { promise: closed, resolve } = Promise.withResolvers<void>()
  const over = new AbortController()
  // not AbortSignal.timeout(), which holds no process: of a connection that the peer has reset there may be no socket left
  const timer = setTimeout(() => over.abort(), CLOSE_MS)
  connection.addEventListener('close', () => resolve())
  over.signal.addEventListener('abort', () => resolve())
  await connection.close({ signal: over.signal }).catch(() => {})
  if (connection.status !== 'closed') await closed
  clearTimeout(timer)
  if (connection.status !== 'closed') connection.abort(new Error('done with this connection'))
}
