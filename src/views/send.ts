import { safe } from '../safe.ts'
import { bar, bytes, plural, roundDuration } from './format.ts'
import { viewOf } from './screen.ts'

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
    'send.done': ({ name, bytes: count, sha256, resumed_bytes: resumed }) => {
      status(null)
      sent += count
      const time = roundDuration(performance.now() - startedAt)
      startedAt = performance.now()
      if (quiet) return
      const size = `${name == null ? '' : `${safe(name, 1024)}, `}${bytes(count)}`
      const hash = `sha256 ${sha256.slice(0, 12)}…, confirmed by the receiver`
      const before = resumed == null ? '' : `, ${bytes(resumed)} of it before`
      out.line(resumed === count ? `there already: ${size}, ${hash}` : `sent ${size} in ${time}${before}, ${hash}`)
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
