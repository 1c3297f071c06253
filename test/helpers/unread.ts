/** A listener whose stdout nobody reads any more, so that it cannot say the end of its sentence. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { bin, cleanEnv, run } from './cli.ts'

/** More than a pipe holds, as one event. */
const LONG = 'x'.repeat(900_000)

export async function unreadListener(...args: string[]): Promise<AsyncDisposable & { child: ChildProcess }> {
  const child = spawn(process.execPath, [bin, 'listen', '-l', '/ip4/127.0.0.1/tcp/0', ...args, '--json'], {
    env: cleanEnv(),
    stdio: ['ignore', 'pipe', 'ignore']
  })
  let text = ''
  const lines = child.stdout.setEncoding('utf8')
  while (!text.includes('listen.ready')) text += (await once(lines, 'data'))[0]
  lines.pause()
  const { addrs } = JSON.parse(text.trim().split('\n').at(-1)!)
  await run(['send', addrs[0], '-', '-w', '2'], { stdin: LONG })
  return { child, [Symbol.asyncDispose]: async () => void child.kill('SIGKILL') }
}
