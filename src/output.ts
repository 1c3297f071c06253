import { once } from 'node:events'
import { lineOf } from './envelope.ts'
import { CONTRACT, type Event, type Start } from './events.ts'
import type { CommonOptions } from './run.ts'
import { jsonLine } from './safe.ts'
import { version } from './version.ts'
import type { View } from './views/screen.ts'

/** Where events go: NDJSON or a view on stdout, errors as sentences on stderr. */
export interface Output {
  /** Says an event; resolves once the reader of stdout has kept up, so that a slow one slows the command down. */
  event(event: Event | Start): Promise<void>
  /** Tells a person that ^C was heard. */
  stopping(): void
  /** Tells a person how it stands, in one line on stderr, where the view has something to tell. */
  status(): void
  /** Resolves when everything that was said has left the process. */
  flush(): Promise<void>
}

/** `failed` hears once when stdout can take no more: closed by its reader, or a full disk. */
export function createOutput(
  cmd: string,
  options: CommonOptions,
  loadView: () => Promise<{ default: View }>,
  failed: (error: NodeJS.ErrnoException) => void
): Output {
  const { stdout, stderr } = process
  let broken = false
  let started = false
  // help writes with nothing to finish; from here on a run does. `on`, because each further write fails again
  stdout.removeAllListeners('error')
  stdout.on('error', error => {
    if (!broken) failed(error)
    broken = true
  })
  stderr.on('error', () => {})
  let draining: Promise<void> | undefined
  const write = async (text: string): Promise<void> => {
    if (broken || stdout.write(text)) return
    // rejects when the stream fails, and then there is nothing left to wait for
    draining ??= once(stdout, 'drain').then(
      () => {},
      () => {}
    )
    await draining
    draining = undefined
  }
  const drawn: Drawn = { pause: () => {}, release: () => {}, status: () => {} }
  const say = options.json === true ? jsonSayer(cmd, write) : humanSayer(options, loadView, write, drawn)
  let explain: ((event: Event) => void) | undefined

  return {
    async event(event) {
      if (!started) {
        started = true
        const start = event.type === 'run.start' ? event : { type: 'run.start' as const, peer_id: null }
        await say({ contract: CONTRACT, version, ...start })
      }
      if (event.type === 'run.start') return
      if (event.type === 'dial.attempt' || event.type === 'error') {
        explain ??= await errorView(options).catch(() => bare)
        if (event.type === 'error') drawn.pause()
        explain(event)
      }
      if (!(event.type === 'error' && options.json !== true)) await say(event)
    },
    stopping() {
      // what a terminal shows of ^C would be counted as a line of it
      drawn.release()
      if (!stderr.isTTY) return
      // behind the ^C that the terminal shows
      stderr.write('\n')
      setTimeout(() => stderr.write('stopping (^C again to stop at once)\n'), 300)
    },
    status: () => drawn.status(),
    async flush() {
      for (const stream of [stdout, stderr]) await new Promise<void>(resolve => stream.write('', () => resolve()))
    }
  }
}

/** What moves on a terminal, and has to give way to other lines there. */
interface Drawn {
  /** The spinner. */
  pause(): void
  /** The footer. */
  release(): void
  /** One line of where things stand, for whoever asks with SIGQUIT. */
  status(): void
}

type Sayer = (event: Event) => Promise<void>

function jsonSayer(cmd: string, write: (text: string) => Promise<void>): Sayer {
  return async event => {
    await write(`${jsonLine(lineOf(cmd, event))}\n`)
  }
}

function humanSayer(
  options: CommonOptions,
  load: () => Promise<{ default: View }>,
  write: (text: string) => Promise<void>,
  drawn: Drawn
): Sayer {
  let draw: Awaited<ReturnType<typeof openView>> | undefined
  let written: Promise<void> = Promise.resolve()
  return async event => {
    const put = (text: string): void => {
      written = write(text)
    }
    draw ??= await openView(load, options, put, drawn)
    draw(event, new Date())
    await written
  }
}

async function openView(
  load: () => Promise<{ default: View }>,
  options: CommonOptions,
  write: (text: string) => void,
  drawn: Drawn
) {
  const [{ default: view }, { createPen, createStatus, isLive }, { createFooter }] = await Promise.all([
    load(),
    import('./views/screen.ts'),
    import('./views/footer.ts')
  ])
  const { stdout, stderr, env } = process
  const penOptions = { color: options.color, env }
  // a spinner would be drawn into the log
  const status = createStatus(stderr, options.debug ? { ...penOptions, env: { ...env, TERM: 'dumb' } } : penOptions)
  const footer = isLive(stdout, env) ? createFooter(write, () => Math.max(3, (stdout.rows ?? 24) - 3)) : null
  drawn.pause = status.pause
  if (footer != null) drawn.release = footer.release
  const paused = (to: (text: string) => void) => (text: string) => {
    status.pause()
    if (footer == null) to(text)
    else footer.around(() => to(text))
  }
  const err = createPen(
    stderr,
    paused(text => void stderr.write(text)),
    penOptions
  )
  const draw = view({
    // with --raw the result is what the peer sends, and stdout is for that alone
    out: options.raw === true ? err : createPen(stdout, paused(write), penOptions),
    err,
    quiet: options.quiet === true,
    verbose: options.verbose === true,
    options: { ...options },
    status,
    footer: footer?.draw
  })
  drawn.status = () => {
    const line = draw.status?.()
    if (line != null) err.line(line)
  }
  return draw
}

/** Where the words for more than the first line cannot be read, as without a descriptor to read them by. */
function bare(event: Event): void {
  if (event.type === 'error') process.stderr.write(`p2pctl: ${event.message}\n`)
}

async function errorView(options: CommonOptions): Promise<(event: Event) => void> {
  const [{ errorLines }, { createPen }] = await Promise.all([import('./views/errors.ts'), import('./views/screen.ts')])
  const pen = createPen(process.stderr, text => void process.stderr.write(text), {
    color: options.color,
    env: process.env
  })
  let attempts: Event<'dial.attempt'>[] = []
  let warned = false
  return event => {
    if (event.type === 'dial.attempt' && event.certificate_checked === false && !warned) {
      warned = true
      pen.line(
        `${pen.chalk.yellow('p2pctl:')} --insecure: the certificate was not checked, so anybody may have answered`
      )
    }
    // those of --each have a scope, and stand in a table of their own
    if (event.type === 'dial.attempt' && event.scope == null) attempts.push(event)
    // a dial that worked ends the story of those before it: the same target may be given, or dialed, more than once
    if (event.type !== 'error' && !(event.type === 'dial.attempt' && event.ok)) return
    const tried = attempts.filter(attempt => attempt.target === event.target)
    attempts = attempts.filter(attempt => attempt.target !== event.target)
    if (event.type !== 'error') return
    for (const line of errorLines(event, tried, pen)) pen.line(line)
  }
}
