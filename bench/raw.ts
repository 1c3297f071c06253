/** The processes of echo.ts. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { measure } from './processes.ts'

const echo = join(import.meta.dirname, 'echo.ts')

/** A server that echoes what comes on a bare socket, and goes with the stack; its port. */
export async function startEcho(stack: AsyncDisposableStack): Promise<number> {
  const child = spawn(process.execPath, [echo, 'serve'], { stdio: ['ignore', 'pipe', 'inherit'] })
  stack.defer(() => void child.kill('SIGKILL'))
  const [port] = await once(createInterface({ input: child.stdout! }), 'line')
  return Number(port)
}

/** Of 32 bytes, one after another, in ms. */
export async function rawRoundTrips(port: number, count: number): Promise<number[]> {
  return JSON.parse((await measure([echo, 'ping', String(port), String(count)])).stdout)
}
