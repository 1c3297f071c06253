import type { Event } from '../../src/events.ts'
import { errorLines } from '../../src/views/errors.ts'
import { createPen, type Pen, type Screen, type View } from '../../src/views/screen.ts'

export interface Look {
  /** A terminal of 80 columns; else a pipe. */
  live?: boolean
  columns?: number
  quiet?: boolean
  verbose?: boolean
  options?: Record<string, unknown>
}

export interface Drawn {
  out: string[]
  err: string[]
  /** Both, in the order in which they were drawn. */
  lines: string[]
  /** What the spinner says, one text after another; null takes it away. */
  spinner: (string | null)[]
}

/** 05:33:07, in whatever zone the tests run. */
const AT = new Date(2026, 0, 2, 5, 33, 7)

function penTo(lists: string[][], { live = false, columns = 80 }: Look): Pen {
  const stream = { isTTY: live, columns: live ? columns : 0 }
  // what was measured while drawing is no part of what is drawn
  const write = (text: string): void => {
    const line = text.slice(0, -1).replace(/(, time |^ready in |^sent .* in )[\d.]+ m?s/, '$1TIME')
    for (const list of lists) list.push(line)
  }
  return createPen(stream as NodeJS.WriteStream, write, { color: 'never', env: {} })
}

/** What a view draws of some events, without colour. */
export function draw(view: View, events: Event[], look: Look = {}): Drawn {
  const drawn: Drawn = { out: [], err: [], lines: [], spinner: [] }
  const screen: Screen = {
    out: penTo([drawn.out, drawn.lines], look),
    err: penTo([drawn.err, drawn.lines], look),
    quiet: look.quiet === true,
    verbose: look.verbose === true,
    ...(look.options != null && { options: look.options }),
    status: text => void drawn.spinner.push(text)
  }
  const show = view(screen)
  for (const event of events) show(event, AT)
  return drawn
}

/** An error as a person reads it. */
export function drawError(event: Event<'error'>, tried: Event<'dial.attempt'>[] = [], look: Look = {}): string[] {
  const lines: string[] = []
  const pen = penTo([lines], look)
  for (const line of errorLines(event, tried, pen)) pen.line(line)
  return lines
}
