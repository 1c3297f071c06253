/** Every address of some targets on its own, so that one that works hides none that fails. */
import { multiaddr, type Multiaddr } from '@multiformats/multiaddr'
import { isPrivate, scopeOf, transportOf, withPeerId } from './addr.ts'
import { lookUp } from './addresses.ts'
import { connect, type DialOptions, furthest, labelOf } from './connect.ts'
import { type Code, Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { type Answer, type ExpectOptions, readExpectations, unmet } from './expect.ts'
import { merge } from './flow.ts'
import { fromHere } from './from-here.ts'
import { openNode } from './node.ts'
import type { OfferOptions } from './offers.ts'
import { identityEvent } from './protocols/identify.ts'
import { leftOut } from './reach.ts'
import { safe } from './safe.ts'
import { failureEvent, type Target, verdictOf } from './targets.ts'

export interface EachOptions extends DialOptions, ExpectOptions, OfferOptions {
  identity?: string
  /** Not the target's own addresses, but those that the peer behind it announces. */
  announced?: boolean
  /** One address that works is enough for a target. */
  any?: boolean
  /** How many addresses are dialed at once, each by a node of its own. */
  concurrency: number
}

/** How addresses are dialed: by nodes of this process, or by the pages of a browser. */
export interface Way {
  /** Why an address is not dialed, which is no fault of the peer; null if it is. */
  skips(addr: Multiaddr, announcedOver: Multiaddr | null): Promise<string | null>
  /** Whatever takes time and is not the peer's, before any clock runs. */
  warmUp(addrs: Multiaddr[]): Promise<void>
  /** Each dial of one address, from a standing start. One that works is enough for the address. */
  dial(job: Dialing, signal: AbortSignal): AsyncGenerator<Dialed>
}

export interface Dialing {
  target: Target
  addr: Multiaddr
  resolveMs: number | null
}

export interface Dialed {
  event: Event<'dial.attempt'>
  /** Who answered; null where nobody did. */
  answer: Answer | null
  failure: Failure | null
}

/** One target on its way: what is to be dialed for it, and what came of it. */
interface Plan {
  target: Target
  peerId: string | null
  jobs: Job[]
  /** Announced addresses beyond those that are dialed. */
  leftOut: number
  failure: Failure | null
}

interface Job {
  plan: Plan
  addr: Multiaddr
  resolveMs: number | null
  /** Why it is not dialed from here; null if it is. */
  skipped: string | null
  /** Looking it up failed. */
  lost: Failure | null
  failures: Failure[]
  done: boolean
}

/** A peer may announce thousands of addresses in one message: whom it names must not be dialed without end. */
const MOST_ANNOUNCED = 32

/**
 * Dials each address of each target from a fresh node. Yields the attempts as they end, then what became of each target,
 * the failures, and the verdict. What this machine cannot dial is skipped, and does not count.
 */
export async function* dialEach(
  targets: Target[],
  options: EachOptions,
  signal: AbortSignal,
  way: Way = fromHere(options)
): AsyncGenerator<Said> {
  const plans = targets.map((target): Plan => ({ target, peerId: target.peerId, jobs: [], leftOut: 0, failure: null }))
  const expectations = readExpectations(options)
  yield* merge(
    plans.map(plan => prepare(plan, way, options, signal)),
    options.concurrency
  )
  const jobs = plans.flatMap(plan => plan.jobs)
  await way.warmUp(jobs.filter(({ done }) => !done).map(({ addr }) => addr))
  yield* merge(
    jobs.map(job => dialOne(job, way, options, expectations, signal)),
    options.concurrency
  )
  for (const plan of plans) yield targetEvent(plan, options)
  // what is known has been said; the rest was not come to
  signal.throwIfAborted()
  const failures: Failure[] = []
  for (const plan of plans) {
    for (const failure of holds(plan, options) ? [] : failuresOf(plan, options)) {
      failures.push(failure)
      yield failureEvent(failure, plan.target)
    }
  }
  yield verdictOf(targets, plans.filter(plan => holds(plan, options)).length, failures)
}

/** Finds out what is to be dialed for a target. */
async function* prepare(plan: Plan, way: Way, options: EachOptions, signal: AbortSignal): AsyncGenerator<Said> {
  try {
    if (options.announced === true) yield* askForAddrs(plan, way, options, signal)
    else yield* addJobs(plan, plan.target.addr, null, way, options, signal)
  } catch (error) {
    if (error instanceof Failure) plan.failure = error
    else if (!signal.aborted) throw error
  }
}

/** Dials the target as it was given, and takes the addresses that the peer says it has. */
async function* askForAddrs(plan: Plan, way: Way, options: EachOptions, signal: AbortSignal): AsyncGenerator<Said> {
  await using node = await openNode(options)
  const { connection, peerId, identity } = yield* connect(node, plan.target, { ...options, identified: true }, signal)
  plan.peerId = peerId
  if (identity == null) {
    throw new Failure('protocol_not_supported', `${peerId} does not speak identify, so it announces no address`, {
      phase: 'identify'
    })
  }
  const signed = identity.signed_record?.valid === true ? identity.signed_record.addrs : []
  const all = [...identity.listen_addrs, ...signed].map(addr => withPeerId(multiaddr(addr), peerId).toString())
  const addrs = [...new Set(all)]
  if (addrs.length === 0) throw new Failure('no_addresses', `${peerId} announces no address`, { phase: 'identify' })
  plan.leftOut = Math.max(0, addrs.length - MOST_ANNOUNCED)
  for (const addr of addrs.slice(0, MOST_ANNOUNCED)) {
    try {
      yield* addJobs(plan, multiaddr(addr), connection.remoteAddr, way, options, signal)
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      const job = { plan, addr: multiaddr(addr), resolveMs: null, skipped: null, lost: error, failures: [error] }
      plan.jobs.push({ ...job, done: true })
    }
  }
}

async function* addJobs(
  plan: Plan,
  addr: Multiaddr,
  announcedOver: Multiaddr | null,
  way: Way,
  options: EachOptions,
  signal: AbortSignal
): AsyncGenerator<Said> {
  // one that the peer says it has beside those that are wanted; a target of the other family is a mistake
  const by = announcedOver == null ? null : leftOut(addr, options)
  const byStranger = announcedOver != null && !isPrivate(announcedOver)
  // what is skipped needs no look-up
  const isRuledOut = by != null || (byStranger && options.allowPrivate !== true && isPrivate(addr))
  const asIs = { addrs: [addr], resolveMs: null }
  const { addrs, resolveMs } = isRuledOut
    ? asIs
    : yield* lookUp({ text: plan.target.text, addr, byStranger }, options, signal)
  for (const found of addrs) {
    const skipped = await way.skips(found, announcedOver)
    plan.jobs.push({ plan, addr: found, resolveMs, skipped, lost: null, failures: [], done: skipped != null })
  }
}

async function* dialOne(
  job: Job,
  way: Way,
  options: EachOptions,
  expectations: ReturnType<typeof readExpectations>,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const place = { number: job.plan.jobs.indexOf(job) + 1, of: job.plan.jobs.length, scope: scopeOf(job.addr) }
  if (job.skipped != null || job.lost != null) {
    yield { ...undialed(job), ...place, ...announcedFields(job.lost, options) }
    return
  }
  const { target } = job.plan
  const found: Failure[][] = []
  try {
    for await (const { event, answer, failure } of way.dial({ ...job, target }, signal)) {
      found.push([...(failure == null ? [] : [failure]), ...(answer == null ? [] : unmet(expectations, answer))])
      job.failures = found.find(failures => failures.length === 0) ?? found[0]!
      job.done = true
      yield { ...event, ...place, ...announcedFields(failure, options) }
      const identity = answer?.identity
      // of several addresses, which one it was
      const addr = job.addr.toString()
      if (identity != null) yield { ...identityEvent(answer!.peerId, identity), target: target.text, addr }
    }
  } catch (error) {
    if (!signal.aborted) throw error
  }
}

function undialed({ plan, addr, skipped, lost }: Job): Event<'dial.attempt'> {
  const phases = { resolve_ms: null, connect_ms: null, security_ms: null, muxer_ms: null, identify_ms: null }
  const error = lost == null ? null : { code: lost.code, phase: lost.phase ?? null, message: lost.message }
  return {
    type: 'dial.attempt',
    target: plan.target.text,
    addr: addr.toString(),
    transport: transportOf(addr),
    ok: false,
    phases,
    total_ms: 0,
    security: null,
    muxer: null,
    limited: false,
    error,
    skipped
  }
}

/** With these somebody is there, though it be before there is a connection. */
const answered: Code[] = ['security_failed', 'tls_cert_invalid']

/** An announced address is stale if nobody answers there, and not if somebody answers who is at fault. */
function announcedFields(failure: Failure | null, { announced }: EachOptions) {
  if (announced !== true) return {}
  const nobody = failure != null && ['resolve', 'connect', 'relay'].includes(failure.phase ?? '')
  return { announced: true, stale: nobody && !answered.includes(failure.code) }
}

function countsOf({ jobs }: Plan) {
  const counted = jobs.filter(({ skipped }) => skipped == null)
  const working = counted.filter(({ done, failures }) => done && failures.length === 0).length
  return { counted: counted.length, working, failed: counted.length - working, skipped: jobs.length - counted.length }
}

function holds(plan: Plan, options: EachOptions): boolean {
  const { counted, working } = countsOf(plan)
  return plan.failure == null && working > 0 && (options.any === true || working === counted)
}

function targetEvent(plan: Plan, options: EachOptions): Event<'dial.target'> {
  const { working, failed, skipped } = countsOf(plan)
  return {
    type: 'dial.target',
    target: plan.target.text,
    ok: holds(plan, options),
    peer_id: plan.peerId,
    working,
    failed,
    skipped,
    ...(options.announced === true && { left_out: plan.leftOut })
  }
}

/** Why a target did not hold: one failure for all addresses that cannot be dialed, and each expectation once. */
function failuresOf(plan: Plan, options: EachOptions): Failure[] {
  if (plan.failure != null) return [plan.failure]
  const { counted } = countsOf(plan)
  const label = labelOf(plan.target)
  if (counted === 0) {
    const reasons = [...new Set(plan.jobs.map(({ skipped }) => skipped))].join('; ')
    const hint = 'try it from another machine, or give another address'
    return [new Failure('no_addresses', `no address of ${label} can be dialed from here: ${safe(reasons)}`, { hint })]
  }
  const all = plan.jobs.flatMap(({ failures }) => failures)
  if (counted === 1) return all
  const ofDialing = all.filter(({ code, phase }) => phase != null || code !== 'assertion_failed')
  const unexpected = new Map(all.filter(one => !ofDialing.includes(one)).map(one => [one.message, one]))
  if (ofDialing.length === 0) return [...unexpected.values()]
  const worst = furthest(ofDialing)
  const whose = options.announced === true ? 'addresses announced by' : 'addresses of'
  const message = `${ofDialing.length} of ${counted} ${whose} ${label} do not work`
  // codes 4 to 7 are for one address; of several the answer is that some do not work
  const { code, phase, hint, addr, expected, actual } = worst
  return [new Failure(code, message, { phase, hint, addr, expected, actual, exitCode: 1 }), ...unexpected.values()]
}
