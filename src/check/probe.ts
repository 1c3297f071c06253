/** What a check does on the network: the same as the command of its name. */
import { transportOf } from '../addr.ts'
import { connect, type DialOptions } from '../connect.ts'
import { dialEach } from '../each.ts'
import type { PingStats, Said } from '../events.ts'
import { watchLoop } from '../loop-delay.ts'
import { negotiate } from '../negotiate.ts'
import { type NodeOptions, openNode } from '../node.ts'
import type { OfferOptions } from '../offers.ts'
import { pingTarget } from '../ping-target.ts'
import type { Target } from '../targets.ts'
import { transportFor } from '../transports.ts'
import type { Check, Settings } from './plan.ts'
import { listenIn } from './probe-pubsub.ts'

/** What the command line says of every check; what the file says comes first. */
export interface ProbeOptions extends DialOptions, OfferOptions, Pick<NodeOptions, 'mayDial' | 'hosts'> {
  identity?: string
}

/** What a check has seen, as the events of its command, with the figures of a ping in a run.summary. */
export async function* probe(check: Check, given: ProbeOptions, signal: AbortSignal): AsyncGenerator<Said> {
  const { settings, target, text } = check
  const options = optionsOf(settings, given)
  if (check.kind === 'pubsub') return yield* listenIn(text, settings, options, signal)
  if (check.kind === 'ping') return yield* pingIt(target!, settings, options, signal)
  if (check.kind === 'dial') return yield* dialIt(target!, settings, options, signal)
  const { lookAtRelay } = await import('../relay-look.ts')
  const through = settings.through == null ? null : String(settings.through)
  yield* lookAtRelay(target!, through, { ...options, measureLimits: settings.measure_limits === true }, signal)
}

/**
 * Opens a node and loads what the checks need, so that the first of them is not charged for reading our code. Throws
 * Failure for keys and certificates that cannot be used.
 */
export async function warmUp(checks: Check[], options: ProbeOptions): Promise<void> {
  await using node = await openNode(options)
  const kinds = new Set(checks.map(({ target }) => target && transportFor(transportOf(target.addr))))
  // one that is missing here is the failure of those checks that need it
  for (const kind of kinds) if (kind != null) await node.use(kind).catch(() => {})
}

function optionsOf(settings: Settings, given: ProbeOptions): ProbeOptions {
  const { timeout, transport, security, muxer, ipv4, ipv6, direct_only, relayed_only } = settings
  const own = { timeout, transport, security, muxer, ipv4, ipv6, directOnly: direct_only, relayedOnly: relayed_only }
  const said = Object.entries(own).filter(([, value]) => value !== undefined)
  return { ...given, ...Object.fromEntries(said) } as ProbeOptions
}

/** Addresses at once, each with a node of its own. */
const EACH_AT_ONCE = 4

async function* dialIt(
  target: Target,
  settings: Settings,
  options: ProbeOptions,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const announced = settings.announced === true
  if (settings.each === true || announced) {
    return yield* dialEach([target], { ...options, announced, concurrency: EACH_AT_ONCE }, signal)
  }
  await using node = await openNode(options)
  const connected = yield* connect(node, target, { ...options, identified: true }, signal)
  const protocols = (settings.protocol ?? []) as string[]
  const missing = yield* negotiate(connected, target, protocols, options.timeout, signal)
  if (missing != null) throw missing
}

export const COUNT = 3
export const INTERVAL_MS = 200

async function* pingIt(
  target: Target,
  settings: Settings,
  options: ProbeOptions,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const { count = COUNT, interval = INTERVAL_MS, fresh = false } = settings
  const pings = { ...options, count: Number(count), interval: Number(interval), fresh: fresh === true }
  await using node = await openNode(options)
  using loop = watchLoop()
  let stats: PingStats | undefined
  yield* pingTarget(node, target, pings, loop, signal, pinged => {
    stats = pinged.stats
  })
  yield { type: 'run.summary', ok: true, target: target.text, ...stats }
}
