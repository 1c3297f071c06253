import { addAbortSignal } from 'node:stream'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { checkWay } from '../gathering.ts'
import { MAX_MESSAGE_BYTES } from '../gossip.ts'
import { type PublishOptions, publishAll } from '../publishing.ts'
import { linesOf } from '../raw.ts'
import { checkTopic } from '../topic.ts'

export interface Options extends PublishOptions {
  /** The message; `-` stands for stdin. */
  text?: string
  /** Each line of stdin is a message. */
  lines?: boolean
}

export default async function* pub(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  check(options)
  const payloads = await payloadsOf(options, signal)
  yield* publishAll(options, payloads, signal)
}

function check({ topic, text, lines, bootstrap, ...way }: Options): void {
  const wrong = (message: string): Failure => new Failure('invalid_option', message, { hint: 'p2pctl help pubsub pub' })
  checkTopic(topic)
  checkWay({ bootstrap, ...way })
  if (lines === true && text != null && text !== '-') throw wrong('--lines reads stdin, and takes no text')
  if (lines !== true && text == null) throw wrong('there is nothing to publish: give a text, - for stdin, or --lines')
  if (bootstrap?.includes('-')) throw wrong('the peers and the messages cannot both come from stdin')
}

/** What is to be sent, each a message; what is known to be too large is refused before anybody is dialed. */
async function payloadsOf(
  { text, lines }: Options,
  signal: AbortSignal
): Promise<Iterable<Uint8Array> | AsyncIterable<Uint8Array>> {
  if (lines !== true && text !== '-') return [sized(Buffer.from(text!))]
  const stdin: AsyncIterable<Uint8Array> = addAbortSignal(signal, process.stdin)
  if (lines === true) return linesOf(stdin, MAX_MESSAGE_BYTES)
  const parts: Uint8Array[] = []
  let bytes = 0
  for await (const part of stdin) {
    parts.push(part)
    bytes += part.length
    if (bytes > MAX_MESSAGE_BYTES) break
  }
  return [sized(Buffer.concat(parts))]
}

function sized(payload: Uint8Array): Uint8Array {
  if (payload.length <= MAX_MESSAGE_BYTES) return payload
  throw new Failure('too_large', `a message is ${MAX_MESSAGE_BYTES} bytes at most, and this one is longer`, {
    phase: 'transfer',
    hint: 'gossipsub would drop it in silence, and the sender with it: send a file with p2pctl send -f'
  })
}
