import type { Failure } from './errors.ts'
import type { Event, Said } from './events.ts'
import { openReplacement } from './replaced-file.ts'
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

/** Opened at once, so that an hour of pings does not end in a folder that is not there. */
export async function openPicture(path: string): Promise<Picture> {
  const file = await openReplacement(path)
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
      const text = svgOf({ title, startedAt, samples })
      const failure = await file.write(text)
      return failure ?? { type: 'chart.write', path, bytes: Buffer.byteLength(text) }
    },
    [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]()
  }
}
