import { PeerRecord, RecordEnvelope } from '@libp2p/peer-record'
import { multiaddr } from '@multiformats/multiaddr'
import { writer } from 'protons-runtime'
import { frame } from '../../src/protocols/framing.ts'
import { plainNode } from './plain-node.ts'
import type { PrivateKey, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'

const utf8 = new TextEncoder()

/** The fields of an identify message, by their numbers: bytes or text, as a stranger may put them. */
export function identifyMessage(fields: [number, Uint8Array | string][]): Uint8Array {
  const w = writer()
  for (const [number, value] of fields) {
    w.uint32((number << 3) | 2).bytes(typeof value === 'string' ? utf8.encode(value) : value)
  }
  return w.finish()
}

/** A signed peer record of `addrs`, by `key`, for whoever it names. */
export async function signedRecord(key: PrivateKey, addrs: string[], names = key): Promise<Uint8Array> {
  const record = new PeerRecord({
    peerId: peerIdFromPrivateKey(names),
    multiaddrs: addrs.map(addr => multiaddr(addr)),
    seqNumber: 7n
  })
  return (await RecordEnvelope.seal(record, key)).marshal()
}

/** A peer that answers identify by hand. */
export async function identifiedBy(privateKey: PrivateKey | undefined, answer: (stream: Stream) => void) {
  const node = await plainNode({ identify: false, ...(privateKey && { libp2p: { privateKey } }) })
  await node.handle('/ipfs/id/1.0.0', stream => answer(stream))
  return node
}

/** Answers with these messages, each behind its length, and ends. */
export function says(...messages: Uint8Array[]): (stream: Stream) => void {
  return stream => {
    for (const message of messages) stream.send(frame(message))
    void stream.close()
  }
}
