import type { Connected } from './connect.ts'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import { safe } from './safe.ts'

type Ended = Pick<Required<Event<'connection.close'>>, 'by' | 'reason'>

const network = ['ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH', 'ENETDOWN', 'ENETRESET', 'EHOSTDOWN']

/**
 * Keeps a connection for some time and says when, why and by whom it ended. Throws Failure `connection_reset`, or
 * `relay_limit` through a relay, if it ended before.
 */
export async function* hold(
  { connection, peerId, addr, socket }: Connected,
  target: string,
  ms: number,
  signal: AbortSignal
): AsyncGenerator<Event<'connection.close'>> {
  const startedAt = performance.now()
  const over = Promise.withResolvers<Ended>()
  const timer = setTimeout(over.resolve, ms, { by: 'local', reason: 'held as long as was asked for' })
  const onAbort = (): void => over.resolve({ by: 'local', reason: 'interrupted' })
  signal.addEventListener('abort', onAbort)
  const onError = (error: NodeJS.ErrnoException): void => {
    const { code = '', message } = error
    over.resolve({ by: network.includes(code) ? 'network' : 'remote', reason: safe(code || message, 120) })
  }
  // behind a WebSocket libp2p 3.3 tells no reset from a close
  socket?.once('error', onError)
  const onClose = ({ error }: { error?: Error | undefined }): void => {
    if (error != null) onError(error)
    else over.resolve({ by: 'remote', reason: connection.limits == null ? 'closed' : 'the circuit was ended' })
  }
  connection.addEventListener('close', onClose)
  if (connection.status !== 'open') onClose({})
  if (signal.aborted) onAbort()

  const ended = await over.promise
  const durationMs = performance.now() - startedAt
  clearTimeout(timer)
  signal.removeEventListener('abort', onAbort)
  socket?.off('error', onError)
  connection.removeEventListener('close', onClose)
  yield { type: 'connection.close', target, peer_id: peerId, remote_addr: addr, duration_ms: durationMs, ...ended }
  if (ended.by === 'local') return signal.throwIfAborted()
  const who = ended.by === 'network' ? 'the network' : connection.limits == null ? 'the peer' : 'the relay'
  const held = `${(durationMs / 1000).toFixed(2)} s of ${ms / 1000} s`
  throw new Failure(
    connection.limits == null ? 'connection_reset' : 'relay_limit',
    `the connection was ended by ${who} after ${held} (${ended.reason})`,
    { addr, exitCode: 1, ...(connection.limits == null && { hint: 'it did work: look at the log of the other side' }) }
  )
}
