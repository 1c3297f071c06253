import { once } from 'node:events'
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
  // `on`, because each further write fails again
  stdout.on('error', error => {
    if (!broken) failed(error)
    broken = true
  })
  stderr.on('error', () => {})
  const write = async (text: string): Promise<void> => {
    if (broken || stdout.write(text)) return
    // rejects when the stream fails, and then there is nothing left to wait for
    await once(stdout, 'drain').catch(() => {})
  }
  const { say, status } =
    options.json === true ? { say: jsonSayer(cmd, write), status: () => {} } : humanSayer(options, loadView, write)
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
        explain ??= await errorView(options)
        explain(event)
      }
      if (!(event.type === 'error' && options.json !== true)) await say(event)
    },
    stopping() {
      if (!stderr.isTTY) return
      // behind the ^C that the terminal shows
      stderr.write('\n')
      setTimeout(() => stderr.write('stopping (^C again to stop at once)\n'), 300)
    },
    status,
    async flush() {
      for (const stream of [stdout, stderr]) await new Promise<void>(resolve => stream.write('', () => resolve()))
    }
  }
}

type Sayer = (event: Event) => Promise<void>

function jsonSayer(cmd: string, write: (text: string) => Promise<void>): Sayer {
  return async ({ type, target, ...fields }) => {
    const head = { v: 1, type, time: new Date().toISOString(), t_ms: performance.now(), cmd, target: target ?? null }
    await write(`${jsonLine(rounded({ ...head, ...fields }))}\n`)
  }
}

function humanSayer(
  options: CommonOptions,
  load: () => Promise<{ default: View }>,
  write: (text: string) => Promise<void>
): { say: Sayer; status(): void } {
  let opened: Awaited<ReturnType<typeof openView>> | undefined
  let written: Promise<void> = Promise.resolve()
  return {
    async say(event) {
      opened ??= await openView(load, options, text => {
        written = write(text)
      })
      opened.draw(event, new Date())
      await written
    },
    status() {
      const line = opened?.draw.status?.()
      if (line != null) opened?.err.line(line)
    }
  }
}

async function openView(load: () => Promise<{ default: View }>, options: CommonOptions, write: (text: string) => void) {
  const [{ default: view }, { createPen, createStatus }] = await Promise.all([load(), import('./views/screen.ts')])
  const { stdout, stderr, env } = process
  const penOptions = { color: options.color, env }
  // a spinner would be drawn into the log
  const status = createStatus(stderr, options.debug ? { ...penOptions, env: { ...env, TERM: 'dumb' } } : penOptions)
  const paused = (to: (text: string) => void) => (text: string) => {
    status.pause()
    to(text)
  }
  const err = createPen(
    stderr,
    paused(text => void stderr.write(text)),
    penOptions
  )
  const draw = view({
    out: createPen(stdout, paused(write), penOptions),
    err,
    quiet: options.quiet === true,
    verbose: options.verbose === true,
    options: { ...options },
    status
  })
  return { draw, err }
}

async function errorView(options: CommonOptions): Promise<(event: Event) => void> {
  const [{ errorLines }, { createPen }] = await Promise.all([import('./views/errors.ts'), import('./views/screen.ts')])
  const pen = createPen(process.stderr, text => void process.stderr.write(text), {
    color: options.color,
    env: process.env
  })
  const attempts: Event<'dial.attempt'>[] = []
  return event => {
    if (event.type === 'dial.attempt') attempts.push(event)
    if (event.type !== 'error') return
    const tried = attempts.filter(attempt => attempt.target === event.target)
    for (const line of errorLines(event, tried, pen)) pen.line(line)
  }
}

/** A thousandth of a millisecond is what the clock can tell. */
function rounded(value: unknown): unknown {
  if (typeof value === 'number') return Math.round(value * 1000) / 1000
  if (Array.isArray(value)) return value.map(rounded)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, rounded(inner)]))
}
