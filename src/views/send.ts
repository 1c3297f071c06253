import { bar, bytes, roundDuration } from './format.ts'
import { viewOf } from './screen.ts'

export default viewOf(({ out, status, quiet }) => {
  let startedAt = 0
  return {
    'run.start': () => {
      startedAt = performance.now()
      status('dialing')
    },
    'connection.open': () => status('sending'),
    'send.progress': event => {
      const { bytes: count, total_bytes: total, bytes_per_s: rate } = event
      const speed = `${bytes(Math.round(rate))}/s`
      if (total == null || total === 0) return status(`${bytes(count)}  ${speed}`)
      const share = count / total
      const left = rate > 0 ? `  eta ${roundDuration(((total - count) / rate) * 1000)}` : ''
      status(
        `${bar(share * 24).padEnd(24)}  ${Math.floor(share * 100)}%  ${bytes(count)}/${bytes(total)}  ${speed}${left}`
      )
    },
    'send.done': ({ bytes: count, sha256 }) => {
      status(null)
      const time = roundDuration(performance.now() - startedAt)
      if (!quiet) out.line(`sent ${bytes(count)} in ${time}, sha256 ${sha256.slice(0, 12)}…, confirmed by the receiver`)
    },
    'run.summary': () => status(null)
  }
})
