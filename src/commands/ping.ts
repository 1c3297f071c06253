import { type Connected, connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { PingStats, Said } from '../events.ts'
import { merge, pause } from '../flow.ts'
import { type Node, openNode } from '../node.ts'
import { openPinger, type Outcome } from '../protocols/ping.ts'
import { pingStats } from '../stats.ts'
import { failureEvent, missed, readTargets, type Target, type TargetOptions, verdictOf } from '../targets.ts'

export interface Options extends DialOptions, TargetOptions {
  target: string[]
  identity?: string
  /** Without it, until the signal. */
  count?: number
  /** From one ping to the next, in ms. */
  interval: number
  deadline?: number
}

/** What became of one target. */
interface Result {
  stats: PingStats
  ok: boolean
  failure?: Failure
}

export default async function* ping(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const targets = await readTargets(options.target, options)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const results = new Map<Target, Result>()
  yield* merge(targets.map(target => pingTarget(node, target, options, signal, result => results.set(target, result))))

  const all = targets.map(target => ({ target: target.text, ...results.get(target)! }))
  const verdict = verdictOf(
    targets,
    all.filter(({ ok }) => ok).length,
    all.flatMap(({ failure }) => failure ?? [])
  )
  const [only] = all
  if (targets.length === 1) yield { ...verdict, ...only!.stats }
  else {
    yield {
      ...verdict,
      targets: all.map(({ target, ok, stats, failure }) => ({
        target,
        ok,
        ...(failure && { error: failure.code }),
        ...stats
      }))
    }
  }
}

async function* pingTarget(
  node: Node,
  target: Target,
  options: Options,
  signal: AbortSignal,
  done: (result: Result) => void
): AsyncGenerator<Said> {
  const times: number[] = []
  let sent = 0
  let connected: Connected | undefined
  let failure: Failure | undefined
  try {
    connected = yield* connect(node, target, { ...options, identified: false }, signal)
    const pinger = openPinger(connected.connection)
    const startedAt = performance.now()
    while (options.count == null || sent < options.count) {
      // on schedule, and not an interval after the last reply
      if (!(await pause(startedAt + sent * options.interval - performance.now(), signal))) break
      const outcome = await pinger.ping(options.timeout, signal)
      sent++
      if (outcome.type === 'reply') times.push(outcome.rttMs)
      yield pingEvent(sent, outcome, connected, target)
    }
    await pinger.close()
  } catch (error) {
    // a stop ends the measurement and not the report; a ping that was under way then counts as never sent
    if (error instanceof Failure) {
      failure = error
      yield failureEvent(error, target)
    } else if (!signal.aborted) throw error
    else if (connected == null && signal.reason.name === 'TimeoutError') {
      failure = missed(target)
      yield failureEvent(failure, target)
    }
  }
  const { count, deadline } = options
  // as ping(8): any reply will do, but with a count and a deadline all of them are wanted
  const wanted = count != null && deadline != null ? count : 1
  const stats = pingStats(sent, times, connected?.totalMs ?? null)
  done({ stats, ok: failure == null && times.length >= wanted, ...(failure && { failure }) })
}

function pingEvent(seq: number, outcome: Outcome, { peerId, addr }: Connected, { text }: Target): Said {
  switch (outcome.type) {
    case 'reply':
      return { type: 'ping.reply', target: text, seq, rtt_ms: outcome.rttMs, peer_id: peerId, addr }
    case 'timeout':
      return { type: 'ping.timeout', target: text, seq, after_ms: outcome.afterMs }
    case 'fail':
      return { type: 'ping.fail', target: text, seq, reason: outcome.reason, after_ms: outcome.afterMs }
  }
}
