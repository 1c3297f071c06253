import { Chalk, type ChalkInstance } from 'chalk'
import type { Event, EventType } from '../events.ts'
import { fence } from '../safe.ts'

/** Where a view draws: results on `out`, progress and notes on `err`. */
export interface Screen {
  out: Pen
  err: Pen
  /** Results and errors only. */
  quiet: boolean
  verbose: boolean
  /** What else was asked for, for options that are of the view alone. */
  options?: Readonly<Record<string, unknown>>
  /** A spinner with a text while something is awaited, on a terminal only; null takes it away. */
  status(text: string | null): void
  /** Draws these lines below all others, in place of those before, on a terminal only. */
  footer?: ((lines: string[]) => void) | undefined
}

/** One stream as a view sees it. What peers said must have gone through `safe()` before it comes here. */
export interface Pen {
  line(text: string): void
  chalk: ChalkInstance
  /** A terminal that may be redrawn. */
  live: boolean
  columns: number
}

/** What a person sees of a command: gets every event but errors, `run.start` first and `run.summary` last. */
export type View = (screen: Screen) => Draw

export interface Draw {
  (event: Event, at: Date): void
  /** How it stands, in a line, for who asks with SIGQUIT. */
  status?: (() => string | null) | undefined
}

/** What is drawn of each event type; nothing of those that are not in it. */
export type Handlers = { [T in EventType]?: (event: Event<T>, at: Date) => void }

export interface PenOptions {
  color: 'auto' | 'always' | 'never'
  env: NodeJS.ProcessEnv
}

type Output = Pick<NodeJS.WriteStream, 'isTTY' | 'columns'>

/** Whether cursor codes may be written: a terminal with columns, not TERM=dumb, not in CI. */
export function isLive(stream: Output, env: NodeJS.ProcessEnv): boolean {
  return stream.isTTY === true && stream.columns > 0 && env.TERM !== 'dumb' && (env.CI ?? '') === ''
}

/** One decision for each stream, handed to chalk, which reads neither NO_COLOR nor our flag (chalk 6). */
export function hasColor(stream: Output, { color, env }: PenOptions): boolean {
  if (color !== 'auto') return color === 'always'
  if ((env.NO_COLOR ?? '') !== '') return false
  if (env.FORCE_COLOR != null) return env.FORCE_COLOR !== '0' && env.FORCE_COLOR !== 'false'
  return isLive(stream, env)
}

export function createPen(stream: Output, write: (text: string) => void, options: PenOptions): Pen {
  return {
    line: text => write(`${fence(text)}\n`),
    chalk: new Chalk({ level: hasColor(stream, options) ? 1 : 0 }),
    live: isLive(stream, options.env),
    // what is no terminal has no width to keep to
    columns: stream.isTTY !== true ? Infinity : stream.columns > 0 ? stream.columns : 80
  }
}

interface Spinner {
  text: string
  start(): unknown
  stop(): unknown
}

/** A spinner on stderr where that is a live terminal, else nothing. ora is loaded only when it spins. */
export function createStatus(stream: NodeJS.WriteStream, options: PenOptions): Screen['status'] & { pause(): void } {
  const live = isLive(stream, options.env)
  let spinner: Spinner | null = null
  let wanted: string | null = null
  let spinning = false
  const show = async (): Promise<void> => {
    const { default: ora } = await import('ora')
    // discardStdin makes ^C dead on a terminal, and succeed() writes colour into a pipe (ora 9.4)
    spinner ??= ora({ stream, discardStdin: false, color: hasColor(stream, options) ? 'cyan' : false, isEnabled: true })
    if (wanted == null) return
    spinner.text = wanted
    spinner.start()
    spinning = true
  }
  // only when it spins: stopping one that does not writes cursor codes all the same (ora 9.4)
  const stop = (): void => {
    if (spinning) spinner?.stop()
    spinning = false
  }
  const status = (text: string | null): void => {
    if (!live) return
    wanted = text
    if (text != null) void show()
    else stop()
  }
  return Object.assign(status, { pause: stop })
}

/** A view from a table: one function for each event type that it draws. */
export function viewOf(table: (screen: Screen) => Handlers & Pick<Draw, 'status'>): View {
  return screen => {
    const { status, ...handlers } = table(screen)
    const drawers = handlers as Partial<Record<EventType, (event: Event, at: Date) => void>>
    return Object.assign((event: Event, at: Date) => drawers[event.type]?.(event, at), { status })
  }
}
