import { open, rename, rm, stat } from 'node:fs/promises'
import { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { safe } from './safe.ts'
import { type Sample, svgOf } from './svg.ts'

/**
 * The picture of a run as a file. It is a result and no view of one: it is there with --json and -q as well, and when
 * it cannot be written that is the failure of the command.
 */
export interface Picture extends AsyncDisposable {
  see(said: Said): void
  /** Failure no_space or file_unwritable, not thrown, since there is more to say. */
  write(): Promise<Event<'chart.write'> | Failure>
}

/** A file beside the one to be is made at once, so that an hour of pings does not end in a folder that is not there. */
export async function openPicture(path: string): Promise<Picture> {
  const there = await stat(path).catch(() => null)
  // a device or a pipe is written to and not replaced
  const plain = there == null || there.isFile()
  const partial = plain ? `${path}.${process.pid}.part` : path
  const file = await open(partial, plain ? 'wx' : 'w', 0o644).catch(error => {
    throw failureOf(path, error)
  })
  const samples: Sample[] = []
  const startedAt = new Date()
  const started = performance.now()
  let title = ''
  return {
    see(said) {
      const at_ms = performance.now() - started
      if (said.type === 'connection.open')
        title = `${said.peer_id} via ${said.remote_addr.replace(/\/p2p\/[^/]+$/, '')}`
      if (said.type === 'ping.reply') {
        const { seq, rtt_ms, stalled } = said
        samples.push({ seq, at_ms: at_ms - rtt_ms, rtt_ms, fate: stalled ? 'stalled' : 'reply' })
      }
      if (said.type === 'ping.timeout') {
        samples.push({ seq: said.seq, at_ms: at_ms - said.after_ms, rtt_ms: null, fate: 'lost' })
      }
      if (said.type === 'ping.fail') {
        samples.push({ seq: said.seq, at_ms: at_ms - said.after_ms, rtt_ms: null, fate: 'failed' })
      }
      if (said.type === 'ping.late') {
        const missed = samples.findLast(({ seq }) => seq === said.seq)
        if (missed != null) Object.assign(missed, { rtt_ms: said.rtt_ms, fate: 'late' })
      }
    },
    async write() {
      try {
        const text = svgOf({ title, startedAt, samples })
        await file.writeFile(text)
        await file.close()
        if (plain) await rename(partial, path)
        return { type: 'chart.write', path, bytes: Buffer.byteLength(text) }
      } catch (error) {
        return failureOf(path, error)
      }
    },
    async [Symbol.asyncDispose]() {
      await file.close().catch(() => {})
      if (plain) await rm(partial, { force: true }).catch(() => {})
    }
  }
}

function failureOf(path: string, cause: unknown): Failure {
  const { code, message } = cause as NodeJS.ErrnoException
  const full = code === 'ENOSPC' || code === 'EDQUOT'
  // the file beside it is of no interest
  const why = full ? 'no space left' : safe(message.replaceAll(`.${process.pid}.part`, ''))
  return new Failure(full ? 'no_space' : 'file_unwritable', `cannot write ${safe(path)}: ${why}`, { cause })
}
