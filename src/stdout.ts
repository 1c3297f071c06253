import { fstatSync, statSync, writeSync } from 'node:fs'
import { devNull } from 'node:os'

/**
 * Writes a text that is there as a whole, and returns when it has left. process.stdout would load more of Node for it
 * than all else that help needs (Node 24: an eighth of a bare start).
 */
export function print(text: string): void {
  let rest = Buffer.from(text)
  try {
    while (rest.length > 0) rest = rest.subarray(writeSync(1, rest))
  } catch (error) {
    const failed = (cause: unknown): never => process.exit(exitCodeOf(cause as NodeJS.ErrnoException))
    // a pipe that another process has made non-blocking, and that is full
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') failed(error)
    process.stdout.on('error', failed)
    process.stdout.write(rest)
  }
}

/** How wide the terminal is that print() writes to; 80 where it is none. */
export function columns(): number {
  const out = fstatSync(1)
  // what is surely no terminal need not be looked at as one; Windows has no such file
  const mayBe = out.isCharacterDevice() && out.rdev !== statSync(devNull, { throwIfNoEntry: false })?.rdev
  return mayBe && process.stdout.isTTY ? process.stdout.columns : 80
}

/** The exit code once stdout takes no more; says why, unless its reader has simply gone. */
export function exitCodeOf(error: NodeJS.ErrnoException): number {
  if (error.code === 'EPIPE') return 141
  process.stderr.write(`p2pctl: cannot write to stdout: ${error.code === 'ENOSPC' ? 'no space left' : error.message}\n`)
  return 3
}
