/**
 * /perf/1.0.0, both sides. The client says how many bytes it wants back, sends its own and ends its side; only then does
 * the server send. https://github.com/libp2p/specs/blob/master/perf/perf.md
 */
import { randomBytes } from 'node:crypto'
import type { Connection, Stream, StreamHandler } from '@libp2p/interface'
import type { Event } from '../events.ts'
import { createQueue, orAbort } from '../flow.ts'
import { startLimit } from '../limit.ts'
import { openStream } from './open-stream.ts'
import { perfFailure } from './perf-failures.ts'
import { endOur, takeAll } from './pipe.ts'
import { StreamError, streamReader, write } from './stream.ts'

export const PERF_PROTOCOL = '/perf/1.0.0'

/** So many bytes, or as many as go in a time. */
export type Amount = { bytes: number } | { ms: number }

export interface Work {
  upload: Amount
  download: Amount
}

/** What has been measured so far; it stands also where the measurement was cut short. */
export interface Tally {
  uploadBytes: number
  downloadBytes: number
  /** From the first byte to the first sign of the server that it has read all; null before that, or without an upload. */
  uploadMs: number | null
  /** From there, or without an upload from the start, to the last byte that counts. */
  downloadMs: number | null
  durationMs: number
}

export interface ServerOptions {
  /** Of one stream, each way. */
  maxBytes: number
  /** Of one stream. */
  maxMs: number
  said(event: Event<'stream.open' | 'stream.close'>): Promise<void>
}

/** Of all peers together; of one connection it is half. */
const MAX_STREAMS = 4
export const perfHandlerOptions = { maxInboundStreams: MAX_STREAMS / 2, runOnLimitedConnection: true }

const INTERVAL_MS = 1000
/** Neither side waits longer for the other to move. */
const IDLE_MS = 30_000
/** Asked for where the time is to end it: nobody can send as much. */
const ENDLESS = 2n ** 64n - 1n
/** Of what it is made nobody looks at, and what compresses links finds nothing in it. */
const CHUNK = randomBytes(1 << 16)

export function newTally(): Tally {
  return { uploadBytes: 0, downloadBytes: 0, uploadMs: null, downloadMs: null, durationMs: 0 }
}

/**
 * Measures on one stream, and says about once a second what went; what it all comes to is kept in the tally. Throws a
 * Failure, or the reason of the signal.
 */
export async function* measure(
  connection: Connection,
  work: Work,
  tally: Tally,
  signal: AbortSignal,
  idleMs: number = IDLE_MS
): AsyncGenerator<Event<'perf.interval'>> {
  const stream = await openStream(connection, PERF_PROTOCOL, signal, { idleMs })
  using watch = watchIdle(signal, idleMs)
  const queue = createQueue<Event<'perf.interval'>>()
  const over = new AbortController()
  const meter = startMeter(wants(work.upload) ? 'upload' : 'download', tally, event => void queue.push(event))
  const startedAt = performance.now()
  const running = exchange(stream, work, tally, { startedAt, turn: meter.turn, moved: watch.moved }, watch.signal)
    .finally(() => {
      tally.durationMs = performance.now() - startedAt
      meter.end()
      over.abort()
    })
    .catch(error => {
      stream.abort(error instanceof Error ? error : new Error('stopped'))
      throw error
    })
  // it is awaited once every interval has been said
  running.catch(() => {})
  try {
    yield* queue.items(over.signal)
    await running
  } catch (error) {
    signal.throwIfAborted()
    throw error instanceof StreamError ? perfFailure(connection, error, tally) : error
  }
}

function wants(amount: Amount): boolean {
  return 'ms' in amount || amount.bytes > 0
}

interface Clock {
  startedAt: number
  /** The upload is over. */
  turn(): void
  moved(): void
}

async function exchange(
  stream: Stream,
  { upload, download }: Work,
  tally: Tally,
  { startedAt, turn, moved }: Clock,
  signal: AbortSignal
): Promise<void> {
  const head = Buffer.alloc(8)
  head.writeBigUInt64BE('ms' in download ? ENDLESS : BigInt(download.bytes))
  await write(stream, head, signal)
  const uploadEnd = 'ms' in upload ? startedAt + upload.ms : Number.POSITIVE_INFINITY
  let left = 'ms' in upload ? Number.POSITIVE_INFINITY : upload.bytes
  while (left > 0 && performance.now() < uploadEnd) {
    const part = CHUNK.subarray(0, Math.min(left, CHUNK.byteLength))
    await write(stream, part, signal)
    left -= part.byteLength
    tally.uploadBytes += part.byteLength
    moved()
  }
  await orAbort(endOur(stream), signal)

  using time = startTime('ms' in download ? download.ms : null, signal)
  const begin = (): void => {
    if (time.startedAt != null) return
    time.start(performance.now())
    tally.uploadMs = time.startedAt! - startedAt
    turn()
  }
  if (!wants(upload)) time.start(startedAt)
  try {
    await takeAll(
      stream,
      bytes => {
        begin()
        tally.downloadBytes += bytes.byteLength
        moved()
        if ('bytes' in download && tally.downloadBytes > download.bytes) {
          throw new StreamError('flooded', `it sent more than the ${download.bytes} bytes that it was asked for`)
        }
        return undefined
      },
      false,
      time.signal
    )
    // the end is the sign where no byte was wanted
    begin()
    const wanted = 'ms' in download ? ENDLESS : download.bytes
    if (tally.downloadBytes < wanted) {
      throw new StreamError('truncated', `it ended after ${tally.downloadBytes} of ${wanted} bytes`)
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!time.signal.aborted) throw error
    stream.abort(new Error('the time is over'))
  } finally {
    if (wants(download) && time.startedAt != null) tally.downloadMs = performance.now() - time.startedAt
  }
}

/** A signal that is aborted so long after the start, where there is an end. */
function startTime(ms: number | null, runSignal: AbortSignal) {
  const over = new AbortController()
  let timer: NodeJS.Timeout | undefined
  let startedAt: number | undefined
  return {
    signal: AbortSignal.any([runSignal, over.signal]),
    get startedAt() {
      return startedAt
    },
    start(at: number): void {
      startedAt = at
      if (ms != null) timer = setTimeout(() => over.abort(), ms)
    },
    [Symbol.dispose]: () => clearTimeout(timer)
  }
}

function startMeter(first: 'upload' | 'download', tally: Tally, said: (event: Event<'perf.interval'>) => void) {
  let direction = first
  let since = performance.now()
  let before = { ...tally }
  const say = (): void => {
    const now = performance.now()
    const duration_ms = now - since
    const upload_bytes = tally.uploadBytes - before.uploadBytes
    const download_bytes = tally.downloadBytes - before.downloadBytes
    since = now
    before = { ...tally }
    const bytes_per_s = ((upload_bytes + download_bytes) / Math.max(duration_ms, 1e-3)) * 1000
    said({ type: 'perf.interval', direction, upload_bytes, download_bytes, duration_ms, bytes_per_s })
  }
  // what is left of a second at an end counts too, so that the intervals add up to the whole
  const rest = (): void => {
    if (tally.uploadBytes > before.uploadBytes || tally.downloadBytes > before.downloadBytes) say()
  }
  const timer = setInterval(say, INTERVAL_MS)
  return {
    turn(): void {
      rest()
      direction = 'download'
      since = performance.now()
      timer.refresh()
    },
    end(): void {
      clearInterval(timer)
      rest()
    }
  }
}

/** A signal that is aborted with the run, or once nothing has moved for too long. */
function watchIdle(runSignal: AbortSignal, idleMs: number = IDLE_MS) {
  const stop = new AbortController()
  const idle = new StreamError('idle', `nothing moved for ${idleMs / 1000} s`)
  const timer = setTimeout(() => stop.abort(idle), idleMs)
  const interrupt = (): void => stop.abort(runSignal.reason)
  runSignal.addEventListener('abort', interrupt)
  if (runSignal.aborted) interrupt()
  return {
    signal: stop.signal,
    moved: (): void => void timer.refresh(),
    [Symbol.dispose]: () => {
      clearTimeout(timer)
      runSignal.removeEventListener('abort', interrupt)
      stop.abort()
    }
  }
}

/** Serves measurements until the signal: a few at once, each within its limits, and refuses others with a reset. */
export function servePerf(options: ServerOptions, signal: AbortSignal): StreamHandler {
  let serving = 0
  return async (stream, connection) => {
    if (serving >= MAX_STREAMS || signal.aborted) return stream.abort(new Error('too many measurements at once'))
    serving++
    const about = { peer_id: connection.remotePeer.toString(), protocol: PERF_PROTOCOL }
    const startedAt = performance.now()
    const counts = { in_bytes: 0, out_bytes: 0 }
    let error: string | null = null
    void options.said({ type: 'stream.open', ...about })
    try {
      await serveOne(stream, counts, options, signal)
    } catch (cause) {
      error = signal.aborted ? 'listen was stopped' : (cause as Error).message
      stream.abort(cause as Error)
    }
    serving--
    const duration_ms = performance.now() - startedAt
    await options.said({ type: 'stream.close', ...about, ...counts, duration_ms, error })
  }
}

async function serveOne(
  stream: Stream,
  counts: { in_bytes: number; out_bytes: number },
  { maxBytes, maxMs }: ServerOptions,
  signal: AbortSignal
): Promise<void> {
  using limit = startLimit(maxMs, signal)
  using watch = watchIdle(limit.signal)
  const reader = streamReader(stream)
  const head = await reader.readExactly(8, watch.signal)
  if (head === null) throw new StreamError('truncated', 'it did not say how many bytes it wants')
  const wanted = Buffer.from(head).readBigUInt64BE()
  if (wanted !== ENDLESS && wanted > maxBytes) {
    throw new StreamError('malformed', `refused: it asked for ${wanted} bytes, and ${maxBytes} are allowed`)
  }
  for (let some = await reader.readSome(watch.signal); some !== null; some = await reader.readSome(watch.signal)) {
    counts.in_bytes += some.byteLength
    watch.moved()
    if (counts.in_bytes > maxBytes) throw new StreamError('flooded', `refused: it sent more than ${maxBytes} bytes`)
  }
  const most = wanted === ENDLESS ? maxBytes : Number(wanted)
  try {
    while (counts.out_bytes < most) {
      const part = CHUNK.subarray(0, Math.min(most - counts.out_bytes, CHUNK.byteLength))
      await write(stream, part, watch.signal)
      counts.out_bytes += part.byteLength
      watch.moved()
    }
  } catch (error) {
    // a client that measures for a time ends it like this; over QUIC it just reads no more
    if (wanted === ENDLESS && error instanceof StreamError && ['reset', 'closed'].includes(error.reason)) return
    throw error
  }
  if (wanted === ENDLESS) throw new StreamError('malformed', `refused: more than ${maxBytes} bytes`)
  await orAbort(endOur(stream), watch.signal)
}
