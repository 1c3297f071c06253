import type { Connection } from '@libp2p/interface'
import type { Failure } from '../errors.ts'
import { openMs } from '../open-time.ts'
import { limitsOf } from './circuit-limits.ts'
import type { Tally } from './perf.ts'
import { failure } from './send-failures.ts'
import type { StreamError } from './stream.ts'

/** Why a measurement was cut short, and after how much. */
export function perfFailure(connection: Connection, cause: StreamError, tally: Tally): Failure {
  const peer = connection.remotePeer.toString()
  const after = `after ${tally.uploadBytes} bytes there and ${tally.downloadBytes} back`
  switch (cause.reason) {
    case 'reset':
      return failure(connection, 'stream_reset', `${peer} reset the stream ${after}`, {
        cause,
        hint: 'it may allow no more than this, or serve too many at once: look at what the other side says'
      })
    case 'idle':
      return failure(connection, 'io_timeout', `${peer} stopped ${after}: ${cause.message}`, { cause })
    case 'closed':
      return atLimit(connection, tally)
        ? failure(
            connection,
            'relay_limit',
            `the relay ended the circuit to ${peer} ${after}: ${limitWords(connection)}`,
            {
              cause,
              hint: 'measure less with --upload and --download, or a direct connection'
            }
          )
        : failure(connection, 'connection_reset', `the connection to ${peer} was closed ${after}`, { cause })
    case 'truncated':
    case 'malformed':
    case 'flooded':
      return failure(connection, 'malformed_answer', `${peer} does not keep to /perf/1.0.0: ${cause.message}`, {
        cause
      })
  }
}

/** What a circuit that is cut off within a frame keeps from us: the frame, and what noise and yamux put around it. */
const LOST_BYTES = 72 * 1024

/** A circuit ends without a reason: it is held to be the limit where that was nearly used up. */
function atLimit(connection: Connection, { uploadBytes, downloadBytes }: Tally): boolean {
  if (connection.limits == null) return false
  const { limit_bytes, limit_s } = limitsOf(connection)
  const openS = openMs(connection) / 1000
  return (
    (limit_bytes != null && Math.max(uploadBytes, downloadBytes) + LOST_BYTES > limit_bytes) ||
    (limit_s != null && openS + 1 > limit_s)
  )
}

function limitWords(connection: Connection): string {
  const { limit_bytes, limit_s } = limitsOf(connection)
  const limits = [limit_bytes == null ? null : `${limit_bytes} bytes each way`, limit_s == null ? null : `${limit_s} s`]
  return `it allows ${limits.filter(one => one != null).join(' and ')}`
}
