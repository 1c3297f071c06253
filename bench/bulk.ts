/** What the rows of send, relay and messages have in common: servers to send to, and a folder in memory for what is sent. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { cleanEnv } from '../test/helpers/cli.ts'
import { MIB } from './load/figures.ts'
import { cpuMs, type Served, startServed } from './load/served.ts'
import { eventsOf, measureP2pctl } from './processes.ts'

/** How long it took, and the CPU time of the side that had more to do. */
export interface Moved {
  ms: number
  cpuMs: number
}

export interface Folder extends Disposable {
  path: string
  inbox: string
}

const MEMORY = '/dev/shm'
const PLACE = ['-l', '/ip4/127.0.0.1/tcp/0', '--json']
export const plainBulk = join(import.meta.dirname, 'plain-bulk.ts')

/** In memory where the system has that: a disk has other things to do, and is none of ours. */
export function newFolder(): Folder {
  const path = mkdtempSync(join(existsSync(MEMORY) ? MEMORY : tmpdir(), 'p2pctl-bench-'))
  const inbox = join(path, 'inbox')
  mkdirSync(inbox)
  return { path, inbox, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

/** `listen --recv`, and its address: the first, or through the relay that it is reached by. */
export async function startReceiver(
  { inbox }: Folder,
  ...options: string[]
): Promise<{ receiver: Served; addr: string } & AsyncDisposable> {
  const room = ['--max-file', '2GiB', '--max-total', '32GiB', '--keep-free', '1', '--overwrite']
  const receiver = startServed(['listen', ...PLACE, '--recv', inbox, ...room, ...options])
  const [addr] = (await receiver.next('listen.ready')).addrs
  return { receiver, addr: addr!, [Symbol.asyncDispose]: () => receiver[Symbol.asyncDispose]() }
}

/** A script that prints one line, and then serves until it is disposed. */
export async function startScript(
  script: string,
  ...args: string[]
): Promise<{ line: string; pid: number } & AsyncDisposable> {
  const child = spawn(process.execPath, [script, ...args], { env: cleanEnv(), stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(child, 'exit')
  const [line] = await once(createInterface({ input: child.stdout }), 'line')
  return {
    line,
    pid: child.pid!,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    }
  }
}

/** `send -f`, as it says how fast that was; a start is no part of it but of its CPU time. */
export async function sendFile(file: string, addr: string, receiver: Served): Promise<Moved> {
  const before = cpuMs(receiver.child.pid!)
  const sent = await measureP2pctl(['send', addr, '-f', file])
  const [done] = eventsOf(sent.stdout, 'send.done')
  const theirs = cpuMs(receiver.child.pid!) - before
  return { ms: (done!.bytes / done!.bytes_per_s!) * 1000, cpuMs: Math.max(sent.cpuMs, theirs) }
}

/** MiB a second, of the round that the rest of the machine held up least. */
export function rate(bytes: number, rounds: Moved[], by: keyof Moved): number {
  return bytes / MIB / (Math.min(...rounds.map(one => one[by])) / 1000)
}
