import { fence } from '../safe.ts'

/** Lines below everything else, redrawn in place: for a live terminal only. */
export interface Footer {
  draw(lines: string[]): void
  /** Takes them away while something else is written, to whichever stream, and draws them again below it. */
  around(write: () => void): void
  /** Leaves them where they are, and draws no more. */
  release(): void
}

/** `maxLines` is asked at each drawing, since a terminal may be made smaller. */
export function createFooter(write: (text: string) => void, maxLines: () => number): Footer {
  let lines: string[] = []
  let drawn = 0
  let released = false
  const erase = (): string => (drawn > 0 ? `\x1b[${drawn}A\x1b[J` : '')
  const show = (before: string): void => {
    const shown = lines.length <= maxLines() ? lines : lines.slice(0, maxLines() - 1)
    const rest = lines.length - shown.length
    const all = rest > 0 ? [...shown, `… ${rest} more`] : shown
    const text = before + all.map(line => `${fence(line)}\n`).join('')
    drawn = all.length
    if (text !== '') write(text)
  }
  return {
    draw(next) {
      if (released || next.join('\n') === lines.join('\n')) return
      lines = next
      show(erase())
    },
    around(other) {
      if (drawn > 0 && !released) write(erase())
      other()
      if (!released && drawn > 0) show('')
    },
    release() {
      released = true
      drawn = 0
    }
  }
}
