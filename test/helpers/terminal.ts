import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { constants } from 'node:os'
import { bin, cleanEnv } from './cli.ts'

/** What is needed to have a terminal: a reason to skip, or false. */
export const noTerminal =
  spawnSync('python3', ['-c', 'import pty']).status === 0 ? false : 'python3 with pty is missing'

// the size is set before p2pctl starts, and what is typed goes to the line discipline, which makes ^C a signal
const host = `
import fcntl, os, pty, select, struct, sys, termios
columns = int(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24 if columns else 0, columns, 0, 0))
    os.execvp(sys.argv[2], sys.argv[2:])
watched = [terminal, 0]
while True:
    ready, _, _ = select.select(watched, [], [])
    if 0 in ready:
        typed = os.read(0, 1024)
        if typed: os.write(terminal, typed)
        else: watched.remove(0)
    if terminal in ready:
        try: shown = os.read(terminal, 65536)
        except OSError: break
        if not shown: break
        os.write(1, shown)
sys.stderr.write(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
`

export interface Shown {
  /** Every byte that came to the terminal, one character each. */
  bytes: string
  text: string
  code: number | null
  signal: NodeJS.Signals | null
}

export interface TerminalOptions {
  columns?: number
  env?: Record<string, string>
  /** A command instead of p2pctl with the arguments. */
  command?: string
}

export interface Terminal extends AsyncDisposable {
  /** Resolves once this has been shown, with all that was until then. */
  shows(text: string): Promise<string>
  type(text: string): void
  done: Promise<Shown>
}

/** p2pctl with all three streams on a terminal. */
export function openTerminal(args: string[], { columns = 80, env = {}, command }: TerminalOptions = {}): Terminal {
  const argv = command == null ? [process.execPath, bin, ...args] : [command, ...args]
  const child = spawn('python3', ['-c', host, String(columns), ...argv], {
    env: cleanEnv({ TERM: 'xterm-256color', ...env }),
    timeout: 60_000,
    killSignal: 'SIGKILL'
  })
  let bytes = ''
  let ended = false
  let status = ''
  const waiting = new Set<() => void>()
  const wake = (): void => {
    for (const resume of waiting) resume()
    waiting.clear()
  }
  child.stdout.setEncoding('latin1').on('data', chunk => {
    bytes += chunk
    wake()
  })
  child.stderr.on('data', chunk => {
    status += chunk
  })
  child.stdin.on('error', () => {})
  const done = once(child, 'close').then((): Shown => {
    ended = true
    wake()
    const code = Number(status)
    if (status === '' || Number.isNaN(code)) throw new Error(`the terminal failed: ${status}`)
    const signals = Object.entries(constants.signals) as [NodeJS.Signals, number][]
    const signal = signals.find(([, number]) => number === -code)?.[0] ?? null
    return { bytes, text: Buffer.from(bytes, 'latin1').toString(), code: code < 0 ? null : code, signal }
  })
  return {
    done,
    type: text => void child.stdin.write(text),
    async shows(text) {
      const wanted = Buffer.from(text).toString('latin1')
      while (!bytes.includes(wanted)) {
        if (ended) throw new Error(`ended without ${JSON.stringify(text)}: ${JSON.stringify(bytes)}`)
        await new Promise<void>(resume => waiting.add(resume))
      }
      return Buffer.from(bytes, 'latin1').toString()
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode == null && child.signalCode == null) child.kill('SIGKILL')
      await done.catch(() => {})
    }
  }
}

/** What is left on the screen at the end: the lines, as a terminal that is wide enough draws them. */
export function screenOf(text: string): { lines: string[]; cursor: boolean } {
  const lines: string[][] = [[]]
  let row = 0
  let column = 0
  let cursor = true
  for (const [token, final, number] of tokens(text)) {
    const count = Number(number || 1)
    if (token === '\r') column = 0
    else if (token === '\n') lines[++row] ??= []
    else if (final === 'G') column = count - 1
    else if (final === 'A') row = Math.max(0, row - count)
    else if (final === 'B') row += count
    else if (final === 'K') lines[row] = number === '' || number === '0' ? lines[row]!.slice(0, column) : []
    else if (number === '?25') cursor = final === 'h'
    // a frame is drawn at once
    else if (number === '?2026') continue
    else if (final === undefined) {
      const line = lines[row]!
      while (line.length < column) line.push(' ')
      line[column++] = token
    } else if (final !== 'm') throw new Error(`an escape sequence that p2pctl has no use for: ${JSON.stringify(token)}`)
  }
  return { lines: lines.map(line => line.join('').trimEnd()), cursor }
}

/** Characters and escape sequences, the latter with their last letter and what stands before it. */
function* tokens(text: string): Generator<[token: string, final?: string, number?: string]> {
  for (const match of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|./gsu)) yield [match[0], match[2], match[1]]
}
