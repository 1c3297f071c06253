import { safe } from '../safe.ts'
import { bar, bytes, plural, roundDuration } from './format.ts'
import { viewOf } from './screen.ts'
import { sentWords } from './words.ts'

export default viewOf(({ out, err, status, quiet, verbose }) => {
  let startedAt = 0
  let sent = 0
  return {
    'run.start': () => {
      startedAt = performance.now()
      status('dialing')
    },
    'connection.open': () => status('sending'),
    'send.skip': ({ path, reason }) => {
      if (!quiet) err.line(`left out ${safe(path, 1024)}: ${reason === 'link' ? 'a link' : 'neither file nor folder'}`)
    },
    'send.progress': event => {
      const { name, bytes: count, total_bytes: total, bytes_per_s: rate } = event
      const what = name == null ? '' : `${safe(name, 40)}  `
      const speed = `${bytes(Math.round(rate))}/s`
      if (total == null || total === 0) return status(`${what}${bytes(count)}  ${speed}`)
      const share = count / total
      const left = rate > 0 ? `  eta ${roundDuration(((total - count) / rate) * 1000)}` : ''
      status(
        `${what}${bar(share * 24).padEnd(24)}  ${Math.floor(share * 100)}%  ${bytes(count)}/${bytes(total)}  ${speed}${left}`
      )
    },
    'send.done': event => {
      status(null)
      sent += event.bytes
      const now = performance.now()
      if (!quiet) out.line(sentWords(event, now - startedAt))
      startedAt = now
    },
    'stream.open': () => status(null),
    'stream.close': ({ in_bytes, out_bytes, duration_ms, error }) => {
      if (error == null && verbose) {
        err.line(`${bytes(out_bytes)} sent, ${bytes(in_bytes)} received in ${roundDuration(duration_ms)}`)
      }
    },
    'run.summary': ({ sent: files, received }) => {
      status(null)
      if (quiet || files == null || files === 1) return
      out.line(`${received} of ${plural(files, 'file')} confirmed, ${bytes(sent)}`)
    }
  }
})
