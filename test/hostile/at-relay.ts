/** Who asks a relay for more than it gives, or has others wait in it. */
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import type { Connection, PeerId, Stream } from '@libp2p/interface'
import { decodeHop, HOP_PROTOCOL, STATUS, STOP_PROTOCOL, statusName } from '../../src/protocols/circuit.ts'
import { readFrame } from '../../src/protocols/framing.ts'
import { connectTo, RESERVE } from '../helpers/relay.ts'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { arrive, attacker, pour } from './at-peer.ts'

/** Asks on a stream of its own; the name of the status, or 'reset' where there was none. */
async function ask(connection: Connection, bytes: Uint8Array, ms: number): Promise<string> {
  const signal = AbortSignal.timeout(ms)
  try {
    const stream = await connection.newStream(HOP_PROTOCOL, { signal, maxOutboundStreams: 1000 })
    const told = readFrame(stream, { maxBytes: 4096, signal })
    told.catch(() => {})
    // the answer may come before all of a request has been taken
    void pour(stream, bytes)
    return statusName(decodeHop(await told).status ?? 0)
  } catch {
    return signal.aborted ? 'no answer' : 'reset'
  }
}

async function stranger(): Promise<PeerId> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
}

/** Makes a peer whose STOP streams are treated as told, with a reservation. */
async function reserved(target: Target, onStop: (stream: Stream) => void): Promise<PeerId> {
  const node = await attacker(target)
  await node.handle(STOP_PROTOCOL, onStop)
  const connection = await node.dial(multiaddr(target.addr))
  const status = await ask(connection, RESERVE, target.withinMs)
  if (status !== 'OK') throw new Error(`no reservation: ${status}`)
  return node.peerId
}

const row = (
  id: string,
  says: string,
  fate: AtRow['fate'],
  attack: AtRow['attack'],
  more: Partial<AtRow> = {}
): AtRow =>
  listenerRow('relay', {
    id,
    says,
    fate,
    attack,
    commands: ['relay', 'browser'],
    over: ['tcp'],
    withinMs: 5000,
    ...more
  })

const only = (statuses: string[], ...allowed: string[]): string => {
  const others = [...new Set(statuses)].filter(status => !allowed.includes(status))
  return others.length === 0 ? 'told the right status' : others.join()
}

export const relayRows: AtRow[] = [
  row('reserve-flood', 'asks 1,000 times for a reservation', 'told the right status', async target => {
    const connection = await arrive(target)
    const statuses: string[] = []
    for (let at = 0; at < 1000 && connection.status === 'open'; at += 20) {
      const asks = Array.from({ length: 20 }, () => ask(connection, RESERVE, target.withinMs))
      statuses.push(...(await Promise.all(asks)))
    }
    return only(statuses, 'OK', 'RESERVATION_REFUSED', 'RESOURCE_LIMIT_EXCEEDED', 'reset')
  }),
  row(
    'many-identities',
    '24 identities of one address reserve, of which 8 may',
    '8 at most',
    async target => {
      const source = target.newSource()
      const from: Target = { ...target, newSource: () => source }
      let granted = 0
      for (let at = 0; at < 24; at++) {
        const privateKey = await generateKeyPair('Ed25519')
        const connection = await arrive(from, { privateKey, identify: false }).catch(() => null)
        if (connection != null && (await ask(connection, RESERVE, target.withinMs)) === 'OK') granted++
      }
      return granted > 0 && granted <= 8 ? '8 at most' : `${granted} of them may`
    },
    { commands: ['relay'] }
  ),
  row(
    'connect-flood',
    'asks 1,000 times for circuits to peers that are not there',
    'told the right status',
    async target => {
      const connection = await arrive(target)
      const bytes = connectTo(await stranger())
      const statuses: string[] = []
      for (let at = 0; at < 1000 && connection.status === 'open'; at += 20) {
        const asks = Array.from({ length: 20 }, () => ask(connection, bytes, target.withinMs))
        statuses.push(...(await Promise.all(asks)))
      }
      return only(statuses, 'NO_RESERVATION', 'RESOURCE_LIMIT_EXCEEDED', 'reset')
    }
  ),
  row('connect-to-itself', 'asks for a circuit to itself', 'PERMISSION_DENIED', async target => {
    const node = await attacker(target)
    const connection = await node.dial(multiaddr(target.addr))
    await ask(connection, RESERVE, target.withinMs)
    return await ask(connection, connectTo(node.peerId), target.withinMs)
  }),
  row('connect-to-the-relay', 'asks for a circuit to the relay', 'NO_RESERVATION', async target => {
    return await ask(await arrive(target), connectTo(peerIdFromString(target.peerId)), target.withinMs)
  }),
  row('hop-4-mib', 'a request of 4 MiB', 'MALFORMED_MESSAGE', async target => {
    const connection = await arrive(target)
    return await ask(
      connection,
      Buffer.concat([Buffer.from('80808002', 'hex'), Buffer.alloc(4 << 20)]),
      target.withinMs
    )
  }),
  row('hop-garbage', 'a request that is no message', 'MALFORMED_MESSAGE', async target => {
    return await ask(await arrive(target), Buffer.concat([Buffer.of(64), Buffer.alloc(64, 0xff)]), target.withinMs)
  }),
  row('hop-endless-varint', 'a request whose length has no end', 'MALFORMED_MESSAGE', async target => {
    return await ask(await arrive(target), Buffer.alloc(65_536, 0x80), target.withinMs)
  }),
  row('hop-silent', 'opens 40 requests, and asks nothing', null, async target => {
    const connection = await arrive(target)
    for (let at = 0; at < 40; at++) {
      await connection.newStream(HOP_PROTOCOL, {
        maxOutboundStreams: 100,
        signal: AbortSignal.timeout(target.withinMs)
      })
    }
    await target.served
    return 'gone'
  }),
  row(
    'frozen-destination',
    'asks 30 times for a peer that never answers the relay, of which 16 may wait',
    'refused 14 times',
    async target => {
      const frozen = await reserved(target, () => {})
      const connection = await arrive(target)
      const statuses: string[] = []
      for (let at = 0; at < 30; at++) {
        void ask(connection, connectTo(frozen), target.withinMs).then(status => statuses.push(status))
      }
      await target.served
      return `refused ${statuses.filter(status => status === 'RESOURCE_LIMIT_EXCEEDED').length} times`
    },
    { commands: ['relay'] }
  ),
  row('never-reads', 'has 64 MiB sent to it through a circuit, and reads nothing', null, async target => {
    const waiting = Promise.withResolvers<Stream>()
    const never = await reserved(target, stream => {
      stream.pause()
      // an answer by hand, without reading: type STATUS, status OK
      stream.send(Buffer.from('0408012064', 'hex'))
      waiting.resolve(stream)
    })
    const connection = await arrive(target)
    const stream = await connection.newStream(HOP_PROTOCOL)
    const told = readFrame(stream, { maxBytes: 4096, signal: AbortSignal.timeout(target.withinMs) })
    await pour(stream, connectTo(never))
    const { status } = decodeHop(await told)
    if (status !== STATUS.OK) return statusName(status ?? 0)
    let over = false
    void target.served.then(() => {
      over = true
    })
    const some = Buffer.alloc(65_536)
    for (let sent = 0; sent < 1024 && !over && stream.status === 'open'; sent++) {
      await Promise.race([pour(stream, some), target.served])
    }
    return 'gone'
  })
]
