/** The exit code once stdout takes no more; says why, unless its reader has simply gone. */
export function exitCodeOf(error: NodeJS.ErrnoException): number {
  if (error.code === 'EPIPE') return 141
  process.stderr.write(`p2pctl: cannot write to stdout: ${error.code === 'ENOSPC' ? 'no space left' : error.message}\n`)
  return 3
}
