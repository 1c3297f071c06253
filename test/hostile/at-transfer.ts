/** Who sends messages and files to a server that takes them, and lies about them. */
import { randomBytes } from 'node:crypto'
import { decodeReceiverFrame, encodeSenderFrame, KIND, SEND_PROTOCOL, STATUS } from '../../src/protocols/send-frames.ts'
import { streamReader } from '../../src/protocols/stream.ts'
import { bytesOf, data, end, sha256 } from '../helpers/send-peers.ts'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { arrive, pour } from './at-peer.ts'
import type { Connection } from '@libp2p/interface'

/** Sends the frames; the status of the receipt, or 'closed' where there was none. */
async function receiptOf(connection: Connection, pieces: Iterable<Uint8Array>, withinMs: number): Promise<string> {
  const signal = AbortSignal.timeout(withinMs)
  try {
    const stream = await connection.newStream(SEND_PROTOCOL, { runOnLimitedConnection: true, signal })
    const reader = streamReader(stream)
    const told = (async (): Promise<string> => {
      for (;;) {
        const frame = await reader.read(signal)
        if (frame == null) return 'closed'
        const { receipt } = decodeReceiverFrame(frame)
        if (receipt != null) return Object.entries(STATUS).find(([, code]) => code === receipt.status)![0]
      }
    })()
    let over = false
    const done = (): void => {
      over = true
    }
    told.then(done, done)
    for (const piece of pieces) {
      if (over || stream.status !== 'open') break
      await Promise.race([pour(stream, piece), told.catch(() => {})])
    }
    void stream.close({ signal }).catch(() => {})
    return await told
  } catch {
    return signal.aborted ? 'served' : 'closed'
  }
}

const offer = (size: number | undefined, name = 'a.bin'): Uint8Array =>
  encodeSenderFrame({ offer: { kind: KIND.FILE, name, size } })
const note = (size?: number): Uint8Array => encodeSenderFrame({ offer: { kind: KIND.MESSAGE, size } })
const hello = bytesOf('hello')

const sends = (
  id: string,
  says: string,
  fate: AtRow['fate'],
  pieces: () => Iterable<Uint8Array>,
  more: Partial<AtRow> = {}
): AtRow =>
  listenerRow('transfer', {
    id,
    says,
    fate,
    over: ['tcp', 'ws', 'circuit'],
    withinMs: 5000,
    attack: async target => await receiptOf(await arrive(target), pieces(), target.withinMs),
    ...more
  })

/** `mib` of it: 4 are too large for a file, and less than what is thrown out as a flood. */
function* endless(mib: number): Generator<Uint8Array> {
  const some = data(randomBytes(65_536))
  for (let sent = 0; sent < 16 * mib; sent++) yield some
}

/** Names that would leave the folder, hide in it or be a device, and what else a name should not be. */
const NAMES = [
  ...['../x', '/etc/x', 'a/../../b', '..\\x', 'C:x', 'CON', '', '.', '..', 'x\0y', '-rf', 'x ', 'x.'],
  ...['.ssh/authorized_keys', 'n'.repeat(300), 'x\x1b[2J', 'x\u202etxt']
]

export const transferRows: AtRow[] = [
  sends('less-than-offered', 'offers 500 bytes, and sends 5', 'MALFORMED', () => [offer(500), data(hello), end(hello)]),
  sends('more-than-offered', 'offers 1 byte, and sends 5', 'MALFORMED', () => [offer(1), data(hello), end(hello)]),
  sends('wrong-hash', 'says another hash than that of what it sends', 'HASH_MISMATCH', () => [
    offer(5),
    data(hello),
    encodeSenderFrame({ end: { size: 5, sha256: sha256(bytesOf('other')) } })
  ]),
  sends('too-large', 'offers 2^50 bytes', 'TOO_LARGE', () => [offer(2 ** 50)]),
  sends('endless-file', 'a file without a size or an end', 'TOO_LARGE', function* () {
    yield offer(undefined)
    yield* endless(4)
  }),
  sends('ignores-the-window', 'a file of 64 MiB without a size, whatever the answer is', null, function* () {
    yield offer(undefined)
    yield* endless(64)
  }),
  sends('endless-message', 'a message without an end', 'TOO_LARGE', function* () {
    yield note()
    yield* endless(4)
  }),
  sends('garbage', '64 KiB of random bytes instead of an offer', 'MALFORMED', () => [
    Buffer.concat([Buffer.from('80f003', 'hex'), randomBytes(65_536)])
  ]),
  sends('endless-varint', 'a frame whose length has no end', 'MALFORMED', () => [Buffer.alloc(65_536, 0x80)]),
  listenerRow('transfer', {
    id: 'stops',
    says: 'begins four files, and says no more',
    fate: null,
    async attack(target) {
      const connection = await arrive(target)
      for (let at = 0; at < 4; at++) {
        const stream = await connection.newStream(SEND_PROTOCOL)
        await pour(stream, Buffer.concat([offer(500, `stops-${at}`), data(hello)]))
      }
      await target.served
      return 'gone'
    }
  }),
  listenerRow('transfer', {
    id: 'hostile-names',
    says: `files with names as ../x, CON and 300 letters`,
    fate: 'in the folder, or not taken',
    withinMs: 5000,
    async attack(target) {
      const connection = await arrive(target)
      const fates = new Set<string>()
      for (const name of NAMES) {
        fates.add(await receiptOf(connection, [offer(5, name), data(hello), end(hello)], target.withinMs))
      }
      const wrong = [...fates].filter(fate => !['OK', 'REFUSED', 'EXISTS', 'MALFORMED'].includes(fate))
      return wrong.length === 0 && target.outside().length === 0
        ? 'in the folder, or not taken'
        : [...wrong, ...target.outside()].join()
    }
  }),
  listenerRow('transfer', {
    id: 'tiny-messages',
    says: '10,000 messages of one byte, as fast as it can',
    fate: null,
    async attack(target) {
      const connection = await arrive(target)
      const message = Buffer.concat([note(1), data(Buffer.of(0x61)), end(Buffer.of(0x61))])
      await manyMessages(target, connection, message)
      return 'gone'
    }
  })
]

async function manyMessages(target: Target, connection: Connection, message: Uint8Array): Promise<void> {
  let served = false
  void target.served.then(() => {
    served = true
  })
  for (let sent = 0; sent < 10_000 && !served && connection.status === 'open'; sent += 4) {
    await Promise.allSettled(Array.from({ length: 4 }, () => receiptOf(connection, [message], target.withinMs)))
  }
}
