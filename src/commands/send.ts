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
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  try {
    const { connection } = yield* connect(node, target!, { ...options, identified: false }, signal)
    for await (const event of sendItem(connection, { kind: 'message', ...payloadOf(options.text) }, signal)) {
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

function payloadOf(text: string): { size: number | null; source: AsyncIterable<Uint8Array> } {
  if (text === '-') return { size: null, source: process.stdin }
  const bytes = Buffer.from(text)
  return {
    size: bytes.length,
    source: (async function* () {
      yield bytes
    })()
  }
}
