import { constants } from 'node:os'
import { errorEvent, Failure } from './errors.ts'
import type { Command, Event, Verdict } from './events.ts'
import { systemFailure } from './files.ts'
import { orAbort } from './flow.ts'
import { leave } from './leave.ts'
import { type Limits, limitsOf } from './limits.ts'
import { createOutput, type Output } from './output.ts'
import { fence, safe } from './safe.ts'
import { exitCodeOf } from './stdout.ts'
import type { View } from './views/screen.ts'

/** What every command takes. */
export interface CommonOptions {
  json?: boolean | undefined
  quiet?: boolean | undefined
  verbose?: boolean | undefined
  /** stdout carries the bytes of a peer, so that everything else goes to stderr. */
  raw?: boolean | undefined
  /** libp2p's log namespaces, or true for the usual ones. */
  debug?: string | boolean | undefined
  color: 'auto' | 'always' | 'never'
  /** The whole run, in ms. */
  deadline?: number | undefined
  /** What peers may cost, of those that say how long an end may take. */
  limit?: Partial<Limits> | undefined
}

export interface Run<O> {
  cmd: string
  command: () => Promise<{ default: Command<O> }>
  view: () => Promise<{ default: View }>
  options: O & CommonOptions
  /** It has no end of its own, so a signal is its normal end. */
  untilStopped: boolean
  /** What SIGHUP is: an end, or the command's own to take. */
  hangup?: 'ends' | 'reloads'
}

type Stop =
  | { by: 'signal'; signal: NodeJS.Signals }
  | { by: 'deadline' }
  | { by: 'output'; error: NodeJS.ErrnoException }
  | { by: 'bug'; error: unknown }

const SIGNALS: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** After a stop, how long a command may take to finish its sentence: servers are gone within 2 s, unless told otherwise. */
const GRACE_MS = 1900

/** What is left of the sentence once the connections are closed. */
const SUMMARY_MS = 500

/** One command's life, from its options to the end of the process. */
export async function run<O>({ cmd, command, view, options, untilStopped, hangup }: Run<O>): Promise<void> {
  prepareDebug(options.debug)
  const stopper = new AbortController()
  let stop: Stop | undefined
  const limits = limitsOf(options.limit)
  const graceMs = Math.max(GRACE_MS, (options.limit?.['stop-in-order'] ?? 0) + SUMMARY_MS)
  const stopBy = (why: Stop): void => {
    stop ??= why
    // so that a command can tell a person's ^C from a time that is over
    stopper.abort(new DOMException(why.by, why.by === 'deadline' ? 'TimeoutError' : 'AbortError'))
  }
  const output = createOutput(cmd, options, view, error => stopBy({ by: 'output', error }))
  const onSignal = (signal: NodeJS.Signals): void => {
    if (stop != null) dieOf(signal)
    output.stopping()
    stopBy({ by: 'signal', signal })
    // as a second signal would: nobody may be reading stdout any more
    setTimeout(dieOf, limits['stop-hard'], signal)
  }
  const ends = SIGNALS.filter(signal => signal !== 'SIGHUP' || hangup !== 'reloads')
  for (const signal of ends) process.on(signal, onSignal)
  // as ping(8) does on ^\\
  process.on('SIGQUIT', () => output.status())
  process.on('uncaughtException', error => stopBy({ by: 'bug', error }))
  // a promise that nobody will settle would else end the process quietly, with 0
  process.on('beforeExit', () => stopBy({ by: 'bug', error: new Error('nothing is left to wait for') }))
  const deadline = options.deadline == null ? undefined : setTimeout(stopBy, options.deadline, { by: 'deadline' })

  let verdict: Verdict | undefined
  let failure: Failure | undefined
  try {
    verdict = await follow(command, options, output, stopper.signal, graceMs)
  } catch (error) {
    // ask the signal, not the error's name, whether we were interrupted
    if (error instanceof Failure || !stopper.signal.aborted) failure = toFailure(error)
  }
  clearTimeout(deadline)

  const how = [untilStopped, options.deadline] as const
  let end = conclude(stop, verdict, failure, ...how)
  try {
    if (end.failure != null) await output.event(errorEvent(end.failure))
    if (end.failure != null && options.debug) process.stderr.write(`${stackOf(end.failure)}\n`)
    await output.event(end.summary)
  } catch (error) {
    // the module that would say it cannot be read
    end = conclude(stop, verdict, end.failure ?? toFailure(error), ...how)
    process.stderr.write(`p2pctl: ${end.failure!.message}\n`)
  }
  await output.flush()

  if (stop?.by === 'output') leave(exitCodeOf(stop.error))
  if (end.summary.signal != null) return dieOf(end.summary.signal as NodeJS.Signals)
  // not a return: libp2p leaves timers behind that would hold the process for a second (libp2p 3.3)
  leave(end.summary.exit_code ?? 1)
}

/** Says what the command yields, until it ends, or until a stop has been ignored for too long. */
async function follow<O>(
  load: Run<O>['command'],
  options: O,
  output: Output,
  signal: AbortSignal,
  graceMs: number
): Promise<Verdict | undefined> {
  const { default: command } = await load()
  const events = command(options, signal)[Symbol.asyncIterator]()
  const overdue = new AbortController()
  signal.addEventListener('abort', () => setTimeout(() => overdue.abort(signal.reason), graceMs))
  let verdict: Verdict | undefined
  for (;;) {
    // not Promise.race with one promise for all of them, which would hold on to every event that there ever was
    const next = await orAbort(events.next(), overdue.signal)
    if (next.done === true) return verdict
    if (next.value.type === 'run.summary') verdict = next.value
    else await output.event(next.value)
  }
}

interface End {
  summary: Event<'run.summary'>
  failure?: Failure | undefined
}

/** The exit code and the words of the summary, from one place so that they agree. */
function conclude(
  stop: Stop | undefined,
  verdict: Verdict | undefined,
  thrown: Failure | undefined,
  untilStopped: boolean,
  deadlineMs: number | undefined
): End {
  const { type: _, ok: held = true, exit_code: named, reason, ...rest } = verdict ?? {}
  let failure = stop?.by === 'bug' ? toFailure(stop.error) : thrown
  if (stop?.by === 'deadline' && verdict == null) {
    failure = new Failure('deadline', `no conclusion within the deadline of ${deadlineMs! / 1000} s`)
  }
  const signal = stop?.by === 'signal' && !untilStopped && failure == null ? stop.signal : null
  const code = failure?.exitCode ?? named ?? (held ? 0 : 1)
  const stopped = stop?.by === 'signal' ? 'interrupted' : stop?.by === 'deadline' ? 'deadline' : undefined
  return {
    failure,
    summary: {
      type: 'run.summary',
      ok: signal == null && code === 0,
      reason: failure != null && failure.code !== 'deadline' ? 'error' : (stopped ?? reason ?? 'complete'),
      exit_code: signal == null ? code : null,
      signal,
      ...rest
    }
  }
}

function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  const system = systemFailure(error)
  if (system != null) return system
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return new Failure('internal', `unexpected error: ${safe(text)}`, { cause: error })
}

function stackOf(failure: Failure): string {
  const { cause } = failure
  const stack = cause instanceof Error ? `${failure.stack}\ncaused by ${cause.stack}` : `${failure.stack}`
  return stack
    .split('\n')
    .map(line => safe(line))
    .join('\n')
}

/** So that a shell sees a death by this signal, and a script stops where it would: exit(130) is not the same. */
function dieOf(signal: NodeJS.Signals): void {
  for (const name of SIGNALS) process.removeAllListeners(name)
  process.kill(process.pid, signal)
  // the first process of a container does not die of its own signals
  if (process.pid === 1) process.exit(128 + constants.signals[signal])
}

/** libp2p's logs, only when asked for, and fenced: what a peer says can be in them. */
function prepareDebug(debug: string | boolean | undefined): void {
  // with it, noise would log private keys (libp2p-noise 17)
  delete process.env.DUMP_SESSION_KEYS
  delete process.env.DEBUG
  if (debug == null || debug === false) return
  process.env.DEBUG = debug === true ? 'libp2p:*' : debug
  const { stderr } = process
  const write = stderr.write.bind(stderr)
  stderr.write = (chunk: string | Uint8Array, ...rest: unknown[]) => {
    const lines = String(chunk).split('\n').map(fence)
    return write(lines.join('\n'), ...(rest as []))
  }
}
