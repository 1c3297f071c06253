import { setFlagsFromString } from 'node:v8'
import { errorEvent, Failure } from '../errors.ts'
import type { PingStats, Said, Verdict } from '../events.ts'
import { merge } from '../flow.ts'
import { watchLoop } from '../loop-delay.ts'
import { openNode } from '../node.ts'
import { type Pinged, type PingOptions, pingTarget } from '../ping-target.ts'
import { lossOf } from '../stats.ts'
import { failureEvent, readTargets, type Target, type TargetOptions, verdictOf } from '../targets.ts'

export interface Options extends Omit<PingOptions, 'interval'>, TargetOptions, Bounds {
  target: string[]
  identity?: string
  /** From one ping to the next, in ms; 1 s by default, and 10 ms in a flood. */
  interval?: number
  deadline?: number
  /** How many targets of a finite run are pinged at the same time; 64 by default. */
  concurrency?: number
  /** How many of several targets have to hold; all by default. */
  minOk?: number
  /** Of the view. */
  histogram?: boolean
  chart?: boolean
  /** Where to write a picture of the round trips. */
  svg?: string
  /** Make a check file of what was seen. */
  emitCheck?: boolean
}

/** What has to hold; loss in percent, times in ms. */
interface Bounds {
  maxLoss?: number
  maxAvg?: number
  maxP95?: number
}

/** More connections at the same time than this are no measurement. */
const MAX_AT_ONCE = 256
const CONCURRENCY = 64

export default async function* ping(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  if (options.emitCheck !== true) return yield* pingAll(options, signal)
  const { withCheck } = await import('../check/emit.ts')
  yield* withCheck('ping', pingAll(options, signal), options.count == null ? {} : { count: options.count })
}

async function* pingAll(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const interval = options.interval ?? (options.flood ? 10 : 1000)
  const targets = await readTargets(options.target, options)
  const atOnce = check(options, interval, targets)
  // connections come and go faster than V8 looks at them again: a thousand took 290 MiB, of which 60 were in use (Node 24)
  if (targets.length > CONCURRENCY) setFlagsFromString('--semi-space-growth-factor=1')
  const { openPicture } = options.svg == null ? {} : await import('../picture.ts')
  await using picture = await openPicture?.(options.svg!)
  await using node = await openNode(options)
  using loop = watchLoop()
  yield { type: 'run.start', peer_id: node.peerId }
  const pinged = new Map<Target, Pinged>()
  const each = function* () {
    const all = { ...options, interval }
    for (const target of targets) {
      yield pingTarget(node, target, all, loop, signal, result => pinged.set(target, result))
    }
  }
  for await (const said of merge(each(), atOnce)) {
    picture?.see(said)
    yield said
  }

  const results = targets.map(target => resultOf(target, pinged.get(target), options))
  for (const { broken } of results) for (const event of broken) yield event
  let unwritten: Failure | undefined
  if (picture != null) {
    const written = await picture.write()
    if (written instanceof Failure) unwritten = written
    yield written instanceof Failure ? errorEvent(written) : written
  }
  const held = results.filter(({ ok }) => ok).length
  const failures = results.flatMap(({ failure }) => failure ?? [])
  const verdict: Verdict = {
    ...verdictOf(targets, held, failures, options.minOk),
    // what was measured is said all the same
    ...(unwritten && { ok: false, exit_code: unwritten.exitCode, reason: 'error' })
  }
  if (targets.length === 1) yield { ...verdict, ...results[0]!.stats }
  else {
    yield {
      ...verdict,
      targets: results.map(({ target, ok, stats, failure }) => ({
        target: target.text,
        ok,
        ...(failure && { error: failure.code }),
        ...stats
      }))
    }
  }
}

/** Options that do not go together; gives how many targets are pinged at the same time. */
function check(options: Options, interval: number, targets: Target[]): number {
  const { count, concurrency = CONCURRENCY, minOk = 0, flood, histogram, chart, svg } = options
  const refuse = (message: string, hint?: string): never => {
    throw new Failure('invalid_option', message, { hint })
  }
  if (interval > 0 && interval < 100 && !flood) {
    refuse('--interval is at least 100ms, and 10ms with -f', 'add -f to send a flood of pings to a peer of your own')
  }
  if (minOk > targets.length) refuse(`--min-ok ${minOk} is more than the targets, which are ${targets.length}`)
  if (targets.length > 1 && (histogram || chart || svg != null)) {
    refuse(`--histogram, --chart and --svg draw one target, not ${targets.length}`)
  }
  if (concurrency > MAX_AT_ONCE) refuse(`--concurrency is at most ${MAX_AT_ONCE}`)
  // each waits for its end, so that none may wait for another
  if (count != null) return concurrency
  if (targets.length > MAX_AT_ONCE) {
    refuse(
      `${targets.length} targets without a --count, and ${MAX_AT_ONCE} at most can be pinged at the same time`,
      'give a --count, or fewer targets'
    )
  }
  return MAX_AT_ONCE
}

interface Result {
  target: Target
  ok: boolean
  stats: PingStats
  failure: Failure | undefined
  /** The bounds that do not hold. */
  broken: Said[]
}

const NOTHING: PingStats = { sent: 0, received: 0, loss_pct: lossOf(0, 0), connect_ms: null, rtt_ms: null }

function resultOf(target: Target, pinged: Pinged | undefined, options: Options): Result {
  const { stats, failure } = pinged ?? { stats: NOTHING }
  const { count, deadline, once, maxLoss } = options
  // as ping(8): any reply will do, but with a count and a deadline all of them are wanted
  const wanted = count != null && deadline != null && !once && maxLoss == null ? count : 1
  const broken = failure == null && pinged != null ? brokenBounds(options, stats) : []
  return {
    target,
    stats,
    failure: failure ?? broken[0],
    ok: failure == null && broken.length === 0 && stats.received >= wanted,
    broken: broken.map(one => failureEvent(one, target))
  }
}

function brokenBounds({ maxLoss, maxAvg, maxP95 }: Bounds, { loss_pct, received, rtt_ms }: PingStats): Failure[] {
  const broken: Failure[] = []
  const hold = (option: string, what: string, most: number | undefined, found: number | undefined, unit: string) => {
    if (most == null || (found != null && found <= most)) return
    const value = found == null ? 'unknown' : `${Number(found.toFixed(3))}${unit}`
    const expected = `${what} of ${most}${unit} at most`
    const message =
      found == null
        ? `the ${what} is not known, and ${option} wants ${most}${unit} at most`
        : `the ${what} of ${value} is more than ${option} ${most}${unit}`
    const hint = found == null ? 'every reply was taken while this machine stood still' : undefined
    broken.push(new Failure('assertion_failed', message, { expected, actual: value, hint }))
  }
  hold('--max-loss', 'loss', maxLoss, loss_pct, '%')
  if (received > 0) {
    hold('--max-avg', 'average', maxAvg, rtt_ms?.mean, 'ms')
    hold('--max-p95', 'p95', maxP95, rtt_ms?.p95, 'ms')
  }
  return broken
}
