import type { Connection } from '@libp2p/interface'
import { type Code, Failure, type FailureOptions } from '../errors.ts'
import { safe } from '../safe.ts'
import { type ReceiverFrame, SEND_PROTOCOL, STATUS } from './send-frames.ts'
import { StreamError } from './stream.ts'
import { toString as encode } from 'uint8arrays'

const askThem = 'look at what the other side says'

/** What went wrong with the stream, or with what the receiver wrote on it. */
export function streamFailure(connection: Connection, cause: StreamError): Failure {
  const peer = connection.remotePeer.toString()
  switch (cause.reason) {
    case 'reset':
    case 'truncated':
      return failure(connection, 'stream_reset', `${peer} reset the stream before it had confirmed`, { cause })
    case 'idle':
      return failure(connection, 'io_timeout', `${peer} stopped answering: ${cause.message}`, { cause })
    case 'closed':
      return failure(connection, 'connection_reset', `the connection to ${peer} was closed before it had confirmed`, {
        cause,
        ...limitHint(connection)
      })
    case 'malformed':
    case 'flooded':
      return failure(connection, 'malformed_answer', `${peer} does not keep to ${SEND_PROTOCOL}: ${cause.message}`, {
        cause
      })
  }
}

/** Why no stream came of it. */
export function unopened(connection: Connection, cause: unknown, protocol = SEND_PROTOCOL): Failure {
  const name = cause instanceof Error ? cause.name : ''
  const peer = connection.remotePeer.toString()
  if (name === 'UnsupportedProtocolError') {
    return failure(connection, 'protocol_not_supported', `${peer} does not speak ${safe(protocol)}`, { cause })
  }
  const before = `before a stream of ${safe(protocol)} was open`
  return /Reset|EOF/.test(name) && connection.status === 'open'
    ? failure(connection, 'stream_reset', `${peer} reset it ${before}`, { cause })
    : failure(connection, 'connection_reset', `the connection to ${peer} was closed ${before}`, {
        cause,
        ...limitHint(connection)
      })
}

/** A relay's limit looks the same from here. */
function limitHint({ limits }: Connection): FailureOptions {
  return limits == null ? {} : { hint: 'relayed connections are short and small: look at the limits with dial -v' }
}

/** Returns where the receipt says that the receiver has just these bytes, else throws what it says instead. */
export function checkReceipt(
  connection: Connection,
  receipt: NonNullable<ReceiverFrame['receipt']>,
  sent: number,
  sha256: Uint8Array | undefined
): void {
  const peer = connection.remotePeer.toString()
  const detail = receipt.detail === '' ? '' : `: ${safe(receipt.detail, 200)}`
  const expected = toHex(sha256)
  const actual = toHex(receipt.sha256)
  switch (receipt.status) {
    case STATUS.OK:
      if (sha256 === undefined) {
        throw streamFailure(connection, new StreamError('malformed', 'a receipt for an item that has not ended'))
      }
      if (receipt.size === sent && actual === expected) return
      throw failure(
        connection,
        'hash_mismatch',
        `${peer} received ${receipt.size} bytes with sha256 ${actual}, ${sent} with ${expected} were sent`,
        { expected, actual }
      )
    case STATUS.HASH_MISMATCH:
      throw failure(connection, 'hash_mismatch', `what ${peer} received is not what was sent${detail}`, {
        expected,
        actual
      })
    case STATUS.TOO_LARGE: {
      const most = receipt.max_size === undefined ? '' : `, which takes ${receipt.max_size} bytes at most`
      throw failure(connection, 'too_large', `too large for ${peer}${most}${detail}`)
    }
    // the codes of these two have the exit code of a failure on this machine
    case STATUS.NO_SPACE:
      throw failure(connection, 'no_space', `no space left at ${peer}${detail}`, { exitCode: 1, hint: askThem })
    case STATUS.EXISTS:
      throw failure(connection, 'file_exists', `${peer} has it already${detail}`, {
        exitCode: 1,
        hint: 'choose another name'
      })
    case STATUS.REFUSED:
      throw failure(connection, 'receiver_refused', `${peer} refused${detail}`)
    case STATUS.MALFORMED:
      throw failure(connection, 'receiver_refused', `${peer} could not read what was sent${detail}`)
    case STATUS.BUSY:
      throw failure(connection, 'receiver_refused', `${peer} is busy${detail}`, { hint: 'try again in a while' })
    case STATUS.INTERNAL:
      throw failure(connection, 'receiver_refused', `${peer} failed to take it${detail}`, { hint: askThem })
    default:
      throw failure(connection, 'receiver_refused', `${peer} refused with status ${receipt.status}${detail}`)
  }
}

export function changedItem(size: number, than: 'more' | 'less'): Failure {
  return new Failure('file_unreadable', `the source gave ${than} than the ${size} bytes that were offered`, {
    phase: 'transfer',
    hint: 'send it again once it no longer changes'
  })
}

export function failure(connection: Connection, code: Code, message: string, options?: FailureOptions): Failure {
  return new Failure(code, message, { phase: 'transfer', addr: connection.remoteAddr.toString(), ...options })
}

export function toHex(bytes: Uint8Array | undefined): string {
  return bytes === undefined ? '' : encode(bytes, 'hex')
}
