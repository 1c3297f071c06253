import type { BrowserOptions } from '../browser/from-browser.ts'
import { refuseForBrowsers } from '../browser/refuse.ts'
import { connect } from '../connect.ts'
import { dialEach } from '../each.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { readExpectations, unmet } from '../expect.ts'
import { hold } from '../hold.ts'
import { negotiate } from '../negotiate.ts'
import { type Node, openNode } from '../node.ts'
import { upgrade } from '../upgrade.ts'
import { failureEvent, missed, readTargets, type Target, type TargetOptions, verdictOf } from '../targets.ts'

export interface Options extends Omit<BrowserOptions, 'concurrency'>, TargetOptions {
  target: string[]
  /** Protocol IDs to negotiate. */
  protocol?: string[]
  /** Go for a direct connection to a peer behind a relay. */
  punch?: boolean
  punchPort?: number
  punchPrivate?: boolean
  /** How long to keep the connection, in ms. */
  hold?: number
  /** Every address on its own. */
  each?: boolean
  /** Of a connection through a relay make a direct one. */
  upgrade?: boolean
  concurrency?: number
  /** Every address on its own, from the pages of a browser. */
  fromBrowser?: boolean
  /** What those pages may dial, by rule and offline. */
  browserVerdict?: boolean
  /** Make a check file of what was seen. */
  emitCheck?: boolean
}

/** Nodes at once, each with a handshake to compute: more would measure this machine. */
const CONCURRENCY = 8

export default async function* dial(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  if (options.emitCheck !== true) return yield* dialAll(options, signal)
  const { withCheck } = await import('../check/emit.ts')
  yield* withCheck('dial', dialAll(options, signal), options.protocol == null ? {} : { protocol: options.protocol })
}

async function* dialAll(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const expectations = readExpectations(options)
  refuseNonsense(options)
  const targets = await readTargets(options.target, options)
  if (options.browserVerdict === true) {
    const { judge } = await import('../browser/judge.ts')
    return yield* judge(targets, options.pageFrom, options.any === true)
  }
  if (options.fromBrowser === true) {
    const { dialFromBrowser } = await import('../browser/from-browser.ts')
    return yield* dialFromBrowser(targets, { concurrency: CONCURRENCY, ...options }, signal)
  }
  if (options.each === true || options.announced === true) {
    return yield* dialEach(targets, { concurrency: CONCURRENCY, ...options }, signal)
  }
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const failures: Failure[] = []
  let held = 0
  for (const target of targets) {
    try {
      const unheld = yield* dialTarget(node, target, options, expectations, signal)
      if (unheld.length === 0) held++
      failures.push(...unheld)
      for (const failure of unheld) yield failureEvent(failure, target)
    } catch (error) {
      if (error instanceof Failure) {
        failures.push(error)
        yield failureEvent(error, target)
      } else {
        if (targets.length === 1) throw error
        if (signal.reason?.name !== 'TimeoutError') break
        yield failureEvent(missed(target), target)
      }
    }
  }
  yield verdictOf(targets, held, failures)
}

function refuseNonsense(options: Options): void {
  refuseForBrowsers(options)
  const many = [options.each, options.announced, options.fromBrowser, options.browserVerdict].includes(true)
  if (options.punch !== true && (options.punchPort != null || options.punchPrivate === true)) {
    throw new Failure(
      'invalid_option',
      `${options.punchPort == null ? '--punch-private' : '--punch-port'} needs --punch`
    )
  }
  if (options.punch === true && options.upgrade === true) {
    throw new Failure('invalid_option', 'choose --punch or --upgrade: each makes a direct connection in its own way')
  }
  const [option] = Object.entries({
    '--hold': options.hold,
    '--protocol': options.protocol,
    '--upgrade': options.upgrade,
    '--punch': options.punch,
    '--emit-check': options.emitCheck
  }).flatMap(([name, value]) => (value == null ? [] : name))
  if (many && option != null) {
    throw new Failure('invalid_option', `${option} is for one connection, and ${manyBy(options)} makes many`, {
      hint: 'dial the address that is meant alone'
    })
  }
  if (options.any === true && !many) {
    throw new Failure('invalid_option', '--any is for --each, --announced and --from-browser', {
      hint: 'without them the first address that works is enough anyway'
    })
  }
}

function manyBy({ each, announced, fromBrowser }: Options): string {
  return fromBrowser === true ? '--from-browser' : each === true && announced !== true ? '--each' : '--announced'
}

/** Gives what did not hold of a connection that was made. */
async function* dialTarget(
  node: Node,
  target: Target,
  options: Options,
  expectations: ReturnType<typeof readExpectations>,
  signal: AbortSignal
): AsyncGenerator<Said, Failure[]> {
  await using puncher =
    options.punch === true ? await (await import('../punch-dialer.ts')).openPuncher(node, target, options) : null
  const first = yield* connect(node, target, { ...options, identified: true }, signal)
  const connected = options.upgrade === true ? yield* upgrade(node, first, target, options, signal) : first
  const unheld = unmet(expectations, connected)
  if (puncher != null) {
    const direct = yield* puncher.observe(connected, signal)
    if (direct instanceof Failure) unheld.push(direct)
    else connected.connection = direct
  }
  const missing = yield* negotiate(connected, target, options.protocol ?? [], options.timeout, signal)
  if (missing != null) unheld.push(missing)
  // what is not who or what was expected is not kept
  if (options.hold != null && unheld.length === 0) yield* hold(connected, target.text, options.hold, signal)
  return unheld
}
