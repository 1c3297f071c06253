import { addAbortSignal } from 'node:stream'
import { connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { openNode } from '../node.ts'
import { sendItem } from '../protocols/send.ts'
import { failureEvent, readTargets, type TargetOptions, verdictOf } from '../targets.ts'

export interface Options extends DialOptions, TargetOptions {
  target: string
  /** The message; `-` stands for stdin. */
  text: string
  identity?: string
}

export default async function* send(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  if (options.target === '-' && options.text === '-') {
    throw new Failure('invalid_option', 'the target and the message cannot both come from stdin')
  }
  const targets = await readTargets([options.target], options)
  const [target] = targets
  if (targets.length > 1) throw new Failure('invalid_option', `send takes one target, not ${targets.length}`)
  const payload = await payloadOf(options.text, signal)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  try {
    const { connection } = yield* connect(node, target!, { ...options, identified: false }, signal)
    for await (const event of sendItem(connection, { kind: 'message', ...payload }, signal)) {
      yield { ...event, target: target!.text }
    }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    yield failureEvent(error, target!)
    yield verdictOf(targets, 0, [error])
    return
  }
  yield verdictOf(targets, 1, [])
}

type Payload = { size: number | null; source: AsyncIterable<Uint8Array> }

/** Read before the dial, up to this: a receiver waits for a slow typist no longer than for any other silent peer. */
const AHEAD_BYTES = 1 << 20

async function payloadOf(text: string, signal: AbortSignal): Promise<Payload> {
  if (text !== '-') {
    const bytes = Buffer.from(text)
    return { size: bytes.length, source: chunks([bytes]) }
  }
  const stdin: AsyncIterator<Uint8Array> = addAbortSignal(signal, process.stdin)[Symbol.asyncIterator]()
  const ahead: Uint8Array[] = []
  let size = 0
  while (size <= AHEAD_BYTES) {
    const next = await stdin.next()
    if (next.done === true) return { size, source: chunks(ahead) }
    ahead.push(next.value)
    size += next.value.length
  }
  return { size: null, source: chunks(ahead, stdin) }
}

async function* chunks(ahead: Uint8Array[], rest?: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* ahead
  if (rest != null) yield* { [Symbol.asyncIterator]: () => rest }
}
