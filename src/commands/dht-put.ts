import { buffer as readAll } from 'node:stream/consumers'
import { parseRecordKey } from '../dht-keys.ts'
import { type DhtOptions, findKeepers, leaveWith, readSeeds } from '../dht-query.ts'
import { validate } from '../dht-records.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { openNode } from '../node.ts'
import type { KadAnswer } from '../protocols/kad.ts'
import { safe } from '../safe.ts'

export interface Options extends DhtOptions {
  key: string
  /** `-` reads it from stdin. */
  value: string
}

/** Longer ones are taken by nobody. */
const MAX_VALUE_BYTES = 1 << 16

export default async function* dhtPut(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const target = options.key
  const recordKey = parseRecordKey(target)
  const seeds = await readSeeds(options)
  const value = options.value === '-' ? await readAll(process.stdin) : Buffer.from(options.value)
  if (value.length > MAX_VALUE_BYTES) {
    throw new Failure('too_large', `a value of ${value.length} bytes`, {
      hint: `${MAX_VALUE_BYTES} bytes at most`,
      exitCode: 2
    })
  }
  const { valid, problem } = await validate(recordKey, value)
  if (valid === false) {
    throw new Failure('invalid_option', `the value cannot stand under ${safe(target)}: ${problem}`, {
      hint: 'every node checks it, and would refuse'
    })
  }
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const { key } = recordKey
  const keepers = yield* findKeepers(node, seeds, key, { ...options, target }, signal)
  // a node that takes a record sends it back
  const keeps = ({ record }: KadAnswer): string | null =>
    record != null && value.equals(record.value) ? null : 'answered with something else than the record'
  const what = {
    type: 'dht.put',
    target,
    requests: [{ rpc: 'put_value', key, record: { key, value } } as const],
    keeps
  } as const
  const kept = yield* leaveWith(keepers, what, options, signal)
  yield { type: 'run.summary', ok: true, target, peers: kept }
}
