/** Records of the DHT: whether one may stand under its key, and which of several is the best. */
import type { Event } from './events.ts'
import { idBytes, type RecordKey } from './dht-keys.ts'
import { ipnsProblem } from './protocols/ipns.ts'
import type { KadRecord } from './protocols/kad.ts'

export interface Validity {
  /** Null where nobody here can tell. */
  valid: boolean | null
  problem: string | null
  /** Of two valid records the one with the greater number is the newer one. */
  sequence: bigint
}

export async function validate({ namespace, peerId }: RecordKey, value: Uint8Array): Promise<Validity> {
  if (namespace === 'pk') return verdict(await publicKeyProblem(peerId!, value), 0n)
  if (namespace === 'ipns') {
    const { problem, sequence } = await ipnsProblem(peerId!, value)
    return verdict(problem, sequence)
  }
  return { valid: null, problem: null, sequence: 0n }
}

function verdict(problem: string | null, sequence: bigint): Validity {
  return { valid: problem == null, problem, sequence }
}

async function publicKeyProblem(peerId: string, value: Uint8Array): Promise<string | null> {
  const { publicKeyFromProtobuf } = await import('@libp2p/crypto/keys')
  try {
    const { bytes } = publicKeyFromProtobuf(value).toMultihash()
    return Buffer.compare(bytes, idBytes(peerId)) === 0 ? null : 'it is the public key of another peer'
  } catch {
    return 'it is no public key'
  }
}

type Value = Omit<Event<'dht.record'>, 'type' | 'key' | 'target'>

/** Counts how many nodes keep which value. */
export interface Ballot {
  count(record: KadRecord): Promise<void>
  readonly voters: number
  /** The chosen one first. */
  values(): Value[]
}

/** Different values of one key that are kept apart: more are nodes that make them up. */
const MAX_VALUES = 16

export function openBallot(key: RecordKey): Ballot {
  const values = new Map<string, Value & { sequence: bigint }>()
  let voters = 0
  return {
    async count(record) {
      const misplaced = Buffer.compare(record.key, key.key) !== 0
      const id = `${misplaced}${Buffer.from(record.value).toString('base64')}`
      const known = values.get(id)
      if (known == null && values.size >= MAX_VALUES) return
      voters++
      if (known != null) known.peers++
      else {
        const { valid, problem, sequence } = misplaced
          ? { valid: false, problem: 'it belongs under another key', sequence: 0n }
          : await validate(key, record.value)
        const time_received = dateOf(record.timeReceived)
        values.set(id, { ...textOf(record.value), peers: 1, time_received, valid, problem, sequence, chosen: false })
      }
    },
    get voters() {
      return voters
    },
    values: () => {
      // the newest; where nobody can tell, what most nodes keep
      const order = [...values.values()].sort(
        (a, b) =>
          Number(b.valid !== false) - Number(a.valid !== false) ||
          Number(b.sequence > a.sequence) - Number(b.sequence < a.sequence) ||
          b.peers - a.peers
      )
      return order.map(({ sequence: _, ...value }, index) => ({
        ...value,
        chosen: index === 0 && value.valid !== false
      }))
    }
  }
}

function dateOf(text: string | undefined): string | null {
  const date = new Date(text ?? '')
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}

/** As text where it is UTF-8, else as base64. */
function textOf(bytes: Uint8Array): { text?: string; base64?: string; bytes: number } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), bytes: bytes.length }
  } catch {
    return { base64: Buffer.from(bytes).toString('base64'), bytes: bytes.length }
  }
}
