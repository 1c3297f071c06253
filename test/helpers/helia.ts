import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { script } from './script.ts'

/** A Helia node in a process of its own. */
export interface HeliaPeer extends AsyncDisposable {
  peerId: string
  addrs: string[]
  /** One of the requests that helia-peer.ts answers. */
  ask<T = string>(what: string, text?: string): Promise<T>
}

export async function heliaPeer(...listen: string[]): Promise<HeliaPeer> {
  const child = spawn(process.execPath, [script('helia-peer'), ...listen], {
    stdio: ['pipe', 'pipe', 'inherit'],
    timeout: 120_000,
    killSignal: 'SIGKILL'
  })
  const pending = new Map<number, { resolve(answer: never): void; reject(error: Error): void }>()
  const lines = createInterface({ input: child.stdout })
  const [first] = (await once(lines, 'line')) as [string]
  lines.on('line', line => {
    const { id, answer, error } = JSON.parse(line)
    const waiting = pending.get(id)
    assert.ok(waiting, line)
    pending.delete(id)
    if (error == null) waiting.resolve(answer as never)
    else waiting.reject(new Error(error))
  })
  child.on('exit', () => {
    for (const { reject } of pending.values()) reject(new Error('the Helia node has ended'))
  })
  let id = 0
  return {
    ...(JSON.parse(first) as { peerId: string; addrs: string[] }),
    ask: (ask, text) =>
      new Promise((resolve, reject) => {
        pending.set(++id, { resolve, reject })
        child.stdin.write(`${JSON.stringify({ id, ask, text })}\n`)
      }),
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode != null || child.signalCode != null) return
      const exited = once(child, 'exit')
      // it ends with its stdin, and takes its folder along
      child.stdin.end()
      await exited
    }
  }
}
