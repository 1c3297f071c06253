/** Identify, asked once and read by ourselves: libp2p 3.3 fails all of it for one bad field, and drops a bad record. */
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { reader } from 'protons-runtime'
import { concat } from 'uint8arrays'
import { addrIn } from '../addr.ts'
import { Failure } from '../errors.ts'
import type { Event, FieldsOf } from '../events.ts'
import { startLimit } from '../limit.ts'
import { safe } from '../safe.ts'
import { StreamError, streamReader } from './stream.ts'

/** https://github.com/libp2p/specs/tree/master/identify */
export const IDENTIFY = '/ipfs/id/1.0.0'

/** go-libp2p's figures: a message, and how many of them make one answer. */
const MAX_MESSAGE_BYTES = 8192
const MAX_MESSAGES = 10

/** How long the end of a connection may take to be told after a stream could not be opened. */
const TOLD_MS = 500

export type Identity = Omit<FieldsOf<'peer.identify'>, 'peer_id'>

/** Asks the peer who it is. Null where it does not speak identify; throws Failure in phase identify. */
export async function identify(connection: Connection, signal: AbortSignal): Promise<Identity | null> {
  let stream: Stream | undefined
  try {
    stream = await connection.newStream(IDENTIFY, { signal, runOnLimitedConnection: true })
    const frames = streamReader(stream, {
      maxFrameBytes: MAX_MESSAGE_BYTES,
      maxBufferedBytes: MAX_MESSAGE_BYTES * MAX_MESSAGES
    })
    const parts: Uint8Array[] = []
    for (let part = await frames.read(signal); part != null; part = await frames.read(signal)) {
      if (parts.push(part) > MAX_MESSAGES) throw new StreamError('flooded', 'more than 10 messages')
    }
    frames.detach()
    await stream.close({ signal })
    // fields of one message may be spread over several: in protobuf, joining the bytes merges the messages
    return await decode(concat(parts), connection.remotePeer)
  } catch (error) {
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') return null
    if (stream == null) await endOf(connection, signal)
    const gone = connection.status !== 'open' || (error instanceof StreamError && error.reason === 'closed')
    const text = error instanceof Error ? error.message : String(error)
    throw gone
      ? new Failure('connection_reset', 'the peer closed the connection in the identify phase', {
          phase: 'identify',
          hint: 'it let this peer in and sent it away: it may be at its connection limit, or its gater refuses this peer',
          cause: error
        })
      : new Failure('identify_failed', `identify failed: ${safe(text)}`, { phase: 'identify', cause: error })
  }
}

/** Waits a moment for the end of a connection: that it takes no stream may be told earlier (libdatachannel 0.33). */
async function endOf(connection: Connection, runSignal: AbortSignal): Promise<void> {
  using limit = startLimit(TOLD_MS, runSignal)
  await new Promise<void>(resolve => {
    limit.signal.addEventListener('abort', () => resolve(), { once: true })
    connection.addEventListener('close', () => resolve(), { once: true })
    if (limit.signal.aborted || connection.status !== 'open') resolve()
  })
}

export function identityEvent(peerId: string, identity: Identity): Event<'peer.identify'> {
  return { type: 'peer.identify', peer_id: peerId, ...identity }
}

async function decode(bytes: Uint8Array, peer: PeerId): Promise<Identity> {
  const message = reader(bytes)
  const identity: Identity = {
    agent_version: null,
    protocol_version: null,
    observed_addr: null,
    listen_addrs: [],
    protocols: [],
    signed_record: null
  }
  while (message.pos < message.len) {
    const tag = message.uint32()
    switch (tag) {
      case field(2):
        identity.listen_addrs.push(...addrIn(message.bytes()).map(String))
        break
      case field(3):
        identity.protocols.push(message.string())
        break
      case field(4):
        identity.observed_addr = addrIn(message.bytes())[0]?.toString() ?? null
        break
      case field(5):
        identity.protocol_version = message.string()
        break
      case field(6):
        identity.agent_version = message.string()
        break
      case field(8):
        identity.signed_record = await openRecord(message.bytes(), peer)
        break
      default:
        message.skipType(tag & 7)
    }
  }
  return identity
}

/** The tag of a length-delimited field. */
function field(number: number): number {
  return (number << 3) | 2
}

/** Valid only if the signature holds and both the key and the record are those of the peer that sent it. */
async function openRecord(bytes: Uint8Array, peer: PeerId): Promise<Identity['signed_record']> {
  const { PeerRecord, RecordEnvelope } = await import('@libp2p/peer-record')
  try {
    const record = PeerRecord.createFromProtobuf(RecordEnvelope.createFromProtobuf(bytes).payload)
    const addrs = record.multiaddrs.map(addr => addr.toString())
    const seq = Number(record.seqNumber)
    try {
      const envelope = await RecordEnvelope.openAndCertify(bytes, PeerRecord.DOMAIN)
      const valid = record.peerId.equals(peer) && peer.publicKey?.equals(envelope.publicKey) === true
      return { valid, seq, addrs }
    } catch {
      return { valid: false, seq, addrs }
    }
  } catch {
    return { valid: false, seq: null, addrs: [] }
  }
}
