/** Very many messages: does each arrive, once and in order, and what does that cost? */
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { finished } from 'node:stream/promises'
import { mib, round } from './figures.ts'
import { startFleet } from './fleet.ts'
import { payloadOf } from './peers.ts'
import { peakRssBytes, rssBytes, startServed } from './served.ts'

export interface MessagesResult {
  messages: number
  bytes_each: number
  received: number
  /** Lost, twice, out of order, or with another content. */
  wrong: number
  seconds: number
  messages_per_s: number
  sender_peak_mib?: number
  receiver_peak_mib: number
}

const BYTES = 100
const LISTEN = ['listen', '-l', '/ip4/127.0.0.1/tcp/0']
const PROTOCOL = '/load/messages/1.0.0'

/** One stream, its messages length-prefixed: `send --raw --lp` to `listen --raw --lp`, lines of stdin to lines of stdout. */
export async function linesOfOneStream(count: number): Promise<MessagesResult> {
  const way = ['--protocol', PROTOCOL, '--raw', '--lp']
  await using listener = startServed([...LISTEN, ...way], { raw: true })
  const addr = await listener.addr()
  await using sender = startServed(['send', addr, ...way], { raw: true })
  const startedAt = performance.now()
  const peaks = watchPeaks([sender.child.pid!, listener.child.pid!])
  let received = 0
  let wrong = 0
  const lines = createInterface({ input: listener.child.stdout! })
  lines.on('line', line => {
    if (line !== payloadOf(received++, BYTES).toString()) wrong++
  })
  const stdin = sender.child.stdin!
  for (let seq = 0; seq < count; ) {
    let chunk = ''
    for (const until = Math.min(count, seq + 1000); seq < until; seq++) chunk += `${payloadOf(seq, BYTES)}\n`
    if (!stdin.write(chunk)) await once(stdin, 'drain')
  }
  stdin.end()
  // it has nothing to say, and so ends its side as soon as the sender has
  listener.child.stdin!.end()
  await Promise.all([once(sender.child, 'exit'), finished(listener.child.stdout!)])
  const seconds = (performance.now() - startedAt) / 1000
  const [senderPeak, receiverPeak] = peaks()
  return {
    messages: count,
    bytes_each: BYTES,
    received,
    wrong: wrong + Math.abs(count - received),
    seconds: round(seconds),
    messages_per_s: round(count / seconds, 0),
    sender_peak_mib: mib(senderPeak!),
    receiver_peak_mib: mib(receiverPeak!)
  }
}

/** A stream for each message, each with its receipt, on one connection: what `send -f FOLDER` does for each file. */
export async function streamsOfMessages(count: number, limits: string[] = []): Promise<MessagesResult> {
  await using listener = startServed([...LISTEN, '--json', ...limits.flatMap(limit => ['--limit', limit])])
  const addr = (await listener.next('listen.ready')).addrs[0]!
  let received = 0
  let wrong = 0
  listener.hear(event => {
    if (event.type !== 'message.received') return
    if (event.text !== payloadOf(received++, BYTES).toString()) wrong++
  })
  await using sender = startFleet()
  const startedAt = performance.now()
  const { confirmed } = await sender.ask('send', { addr, kind: 'message', from: 0, count, bytes: BYTES })
  const seconds = (performance.now() - startedAt) / 1000
  const peak = peakRssBytes(listener.child.pid!)
  // what was confirmed was said before
  await listener.stop()
  return {
    messages: count,
    bytes_each: BYTES,
    received,
    wrong: wrong + Math.abs(confirmed - received) + count - confirmed,
    seconds: round(seconds),
    messages_per_s: round(count / seconds, 0),
    receiver_peak_mib: mib(peak)
  }
}

const EVERY_MS = 250

/** The most memory that each of the processes has had until it is asked; they may be gone by then. */
export function watchPeaks(pids: number[]): () => number[] {
  const peaks = pids.map(() => 0)
  const look = (): void => {
    for (const [index, pid] of pids.entries()) {
      try {
        peaks[index] = Math.max(peaks[index]!, rssBytes(pid), peakRssBytes(pid))
      } catch {
        // it has ended
      }
    }
  }
  const timer = setInterval(look, EVERY_MS)
  return () => {
    clearInterval(timer)
    return peaks
  }
}
