import type { Connection } from '@libp2p/interface'
import type { Connected } from './connect.ts'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import { timeLimit } from './limit.ts'
import { safe } from './safe.ts'
import type { Target } from './targets.ts'

/** Negotiates protocols on a connection, one after another; gives the failure that names those that are not spoken. */
export async function* negotiate(
  { connection, peerId }: Connected,
  target: Target,
  protocols: string[],
  timeoutMs: number,
  signal: AbortSignal
): AsyncGenerator<Event<'dial.protocol'>, Failure | null> {
  const missing: string[] = []
  for (const protocol of protocols) {
    const startedAt = performance.now()
    const ok = await isSpoken(connection, protocol, timeoutMs, signal)
    if (!ok) missing.push(safe(protocol))
    const ms = performance.now() - startedAt
    yield { type: 'dial.protocol', target: target.text, peer_id: peerId, protocol, ok, ms }
  }
  if (missing.length === 0) return null
  return new Failure('protocol_not_supported', `the peer does not speak ${missing.join(', ')}`, { phase: 'protocol' })
}

/** Negotiates a protocol and sends nothing on it. */
export async function isSpoken(
  connection: Connection,
  protocol: string,
  timeoutMs: number,
  signal: AbortSignal
): Promise<boolean> {
  try {
    const late = timeLimit(timeoutMs)
    const stream = await connection.newStream(protocol, {
      signal: AbortSignal.any([signal, late]),
      runOnLimitedConnection: true
    })
    await stream.close({ signal: late })
    return true
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') return false
    throw new Failure('io_timeout', `no answer when asked for ${safe(protocol)}`, { phase: 'protocol', cause: error })
  }
}
