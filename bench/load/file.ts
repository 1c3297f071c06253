/** A large file to somebody who reads slowly: is all of it there, and does nobody hold more of it in memory than its share? */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MIB, mib, round } from './figures.ts'
import { watchPeaks } from './messages.ts'
import { startServed } from './served.ts'

export interface FileResult {
  bytes: number
  exact: boolean
  seconds: number
  mib_per_s: number
  sender_peak_mib: number
  receiver_peak_mib: number
  /** The most that had been taken of the sender and not been given by the receiver yet. */
  most_under_way_mib?: number
}

const LISTEN = ['listen', '-l', '/ip4/127.0.0.1/tcp/0']
const CHUNK = Buffer.alloc(256 * 1024)
const STALL_MS = 500

/**
 * A stream, stdin of `send --raw` to stdout of `listen --raw`. Nobody reads before the sender has come to a stand;
 * then so many MiB a second are read.
 */
export async function streamToSlowReader(bytes: number, mibPerS: number): Promise<FileResult> {
  const way = ['--protocol', '/load/file/1.0.0', '--raw']
  await using listener = startServed([...LISTEN, ...way], { raw: true })
  const addr = await listener.addr()
  await using sender = startServed(['send', addr, ...way], { raw: true })
  const peaks = watchPeaks([sender.child.pid!, listener.child.pid!])
  const startedAt = performance.now()
  const given = createHash('sha256')
  const taken = createHash('sha256')
  const stalled = Promise.withResolvers<void>()
  let [written, read, underWay] = [0, 0, 0]
  const give = async (): Promise<void> => {
    const stdin = sender.child.stdin!
    while (written < bytes) {
      // no two chunks are the same, so that one that is lost or twice is seen
      const chunk = Buffer.from(CHUNK.subarray(0, Math.min(CHUNK.length, bytes - written)))
      chunk.writeDoubleLE(written, 0)
      given.update(chunk)
      written += chunk.length
      if (stdin.write(chunk)) continue
      const timer = setTimeout(stalled.resolve, STALL_MS)
      await once(stdin, 'drain')
      clearTimeout(timer)
    }
    stdin.end()
    stalled.resolve()
  }
  const take = async (): Promise<void> => {
    await stalled.promise
    const from = performance.now()
    for await (const chunk of listener.child.stdout!) {
      underWay = Math.max(underWay, written - read)
      taken.update(chunk)
      read += chunk.length
      const early = (read / MIB / mibPerS) * 1000 - (performance.now() - from)
      if (early > 10) await delay(early)
    }
  }
  listener.child.stdin!.end()
  await Promise.all([give(), take()])
  const [senderPeak, receiverPeak] = peaks()
  const seconds = (performance.now() - startedAt) / 1000
  return {
    bytes,
    exact: read === bytes && given.digest('hex') === taken.digest('hex'),
    seconds: round(seconds),
    mib_per_s: round(bytes / MIB / seconds),
    sender_peak_mib: mib(senderPeak!),
    receiver_peak_mib: mib(receiverPeak!),
    most_under_way_mib: mib(underWay)
  }
}

const STOPPED_MS = 300
const RUNNING_MS = 700

/** A file, `send -f` to `listen --recv`, where the receiver is stopped for three tenths of the time. */
export async function fileToSlowReceiver(bytes: number): Promise<FileResult> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-load-'))
  try {
    const path = join(folder, 'sparse')
    // a hole: it is read as zeros, and takes no room on the disk
    writeFileSync(path, '')
    truncateSync(path, bytes)
    const room = ['--max-file', `${bytes}`, '--max-total', `${bytes + MIB}`, '--keep-free', '1']
    await using listener = startServed([...LISTEN, '--json', '--recv', folder, ...room])
    const addr = (await listener.next('listen.ready')).addrs[0]!
    const received = listener.next('file.received')
    await using sender = startServed(['send', addr, '-f', path, '--name', 'received', '--json'])
    const done = sender.next('send.done')
    const peaks = watchPeaks([sender.child.pid!, listener.child.pid!])
    const startedAt = performance.now()
    const over = new AbortController()
    const slowing = slow(listener.child.pid!, over.signal)
    const [file, { sha256 }] = await Promise.all([received, done])
    over.abort()
    await slowing
    const seconds = (performance.now() - startedAt) / 1000
    const [senderPeak, receiverPeak] = peaks()
    return {
      bytes: file.bytes,
      exact: file.sha256 === sha256 && statSync(file.path).size === bytes,
      seconds: round(seconds),
      mib_per_s: round(bytes / MIB / seconds),
      sender_peak_mib: mib(senderPeak!),
      receiver_peak_mib: mib(receiverPeak!)
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Stops and continues a process until the signal, and leaves it running. */
async function slow(pid: number, signal: AbortSignal): Promise<void> {
  try {
    while (!signal.aborted) {
      process.kill(pid, 'SIGSTOP')
      await delay(STOPPED_MS)
      process.kill(pid, 'SIGCONT')
      await delay(RUNNING_MS, undefined, { signal })
    }
  } catch {
    // it is over, or the process is
  }
}
