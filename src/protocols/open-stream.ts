import type { Connection, Stream } from '@libp2p/interface'
import { startLimit } from '../limit.ts'
import { streamFailure, unopened } from './send-failures.ts'
import { SEND_IDLE_MS } from './send-frames.ts'
import { StreamError } from './stream.ts'

export interface OpenOptions {
  /** How long the negotiation may take; 30 s by default. */
  idleMs?: number
  /** How many of this protocol may be open on one connection; 64 by default, as in libp2p 3.3. */
  atOnce?: number
}

/** A stream of its own; throws a Failure that says why there is none. */
export async function openStream(
  connection: Connection,
  protocol: string,
  runSignal: AbortSignal,
  { idleMs = SEND_IDLE_MS, atOnce }: OpenOptions = {}
): Promise<Stream> {
  // libp2p limits the negotiation only where no signal is given (libp2p 3.3)
  using limit = startLimit(idleMs, runSignal)
  try {
    return await connection.newStream(protocol, {
      signal: limit.signal,
      runOnLimitedConnection: true,
      ...(atOnce != null && { maxOutboundStreams: atOnce })
    })
  } catch (error) {
    runSignal.throwIfAborted()
    if (limit.passed) throw streamFailure(connection, new StreamError('idle', 'no stream was negotiated', error))
    throw unopened(connection, error, protocol)
  }
}
