import { type Connected, connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { idleTimeOf } from '../limit.ts'
import { openNode } from '../node.ts'
import { type Amount, measure, newTally, type Tally, type Work } from '../protocols/perf.ts'
import { failureEvent, readTargets, type Target, type TargetOptions, verdictOf } from '../targets.ts'

export interface Options extends DialOptions, TargetOptions {
  target: string
  identity?: string
  /** In bytes. */
  upload?: number
  download?: number
  /** As much as goes in so many ms, each way. */
  duration?: number
  only?: 'upload' | 'download'
}

const DURATION_MS = 5000

export default async function* perf(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const work = workOf(options)
  const targets = await readTargets([options.target], options)
  const [target] = targets
  if (targets.length > 1) throw new Failure('invalid_option', `perf takes one target, not ${targets.length}`)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  let verdict = verdictOf(targets, 1, [])
  try {
    const connected = yield* connect(node, target!, { ...options, identified: false }, signal)
    yield* measured(connected, work, target!, options, signal)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    yield failureEvent(error, target!)
    verdict = verdictOf(targets, 0, [error])
  }
  yield verdict
}

/** What was measured is said also where something cut it short. */
async function* measured(
  { connection, peerId, addr }: Connected,
  work: Work,
  { text }: Target,
  { timeout }: Options,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const tally = newTally()
  const done = (complete: boolean): Event<'perf.done'> => doneEvent({ peer_id: peerId, addr, complete }, tally, text)
  try {
    for await (const event of measure(connection, work, tally, signal, idleTimeOf(timeout)))
      yield { ...event, target: text }
  } catch (error) {
    if (tally.uploadBytes + tally.downloadBytes > 0) yield done(false)
    throw error
  }
  yield done(true)
}

function doneEvent(
  about: Pick<Event<'perf.done'>, 'peer_id' | 'addr' | 'complete'>,
  { uploadBytes, uploadMs, downloadBytes, downloadMs, durationMs }: Tally,
  target: string
): Event<'perf.done'> {
  const rate = (bytes: number, ms: number | null): number | null =>
    ms == null ? null : (bytes / Math.max(ms, 1e-3)) * 1000
  return {
    type: 'perf.done',
    target,
    ...about,
    upload_bytes: uploadBytes,
    download_bytes: downloadBytes,
    duration_ms: durationMs,
    upload_ms: uploadMs,
    upload_bytes_per_s: rate(uploadBytes, uploadMs),
    download_ms: downloadMs,
    download_bytes_per_s: rate(downloadBytes, downloadMs)
  }
}

/** Refuses what makes no sense together. */
function workOf({ upload, download, duration, only }: Options): Work {
  const wrong = (message: string, hint?: string): Failure => new Failure('invalid_option', message, { hint })
  if (upload != null || download != null) {
    if (duration != null)
      throw wrong('--duration measures for a time, --upload and --download so many bytes: choose one')
    if (only != null) throw wrong('--only is for --duration', `give --${only} alone`)
    return { upload: { bytes: upload ?? 0 }, download: { bytes: download ?? 0 } }
  }
  const amount = (direction: 'upload' | 'download'): Amount =>
    only == null || only === direction ? { ms: duration ?? DURATION_MS } : { bytes: 0 }
  return { upload: amount('upload'), download: amount('download') }
}
