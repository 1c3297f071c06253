import { once } from 'node:events'
import { Failure } from '../errors.ts'
import type { Event, Said } from '../events.ts'
import { bytesOf } from '../payload.ts'
import { safe } from '../safe.ts'
import { type SubscribeOptions, subscribe } from '../subscribing.ts'
import { checkTopic } from '../topic.ts'

export interface Options extends SubscribeOptions {
  topic: string[]
  /** The bytes of each message to stdout, and nothing else. */
  raw?: boolean
  json?: boolean
}

export default async function* sub(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const topics = [...new Set(options.topic)]
  for (const topic of topics) checkTopic(topic)
  if (options.raw === true && options.json === true) {
    throw new Failure('invalid_option', "--raw writes the peers' bytes to stdout, and so cannot go with --json")
  }
  for await (const said of subscribe(options, topics, signal)) {
    if (options.raw === true && said.type === 'message.received') await writeRaw(said)
    yield said
  }
}

/** The bytes and a newline into a pipe or a file; a line that is safe to look at on a terminal. */
async function writeRaw(event: Event<'message.received'>): Promise<void> {
  const { stdout } = process
  const bytes = bytesOf(event)
  const line = stdout.isTTY ? safe(bytes.toString()) : Buffer.concat([bytes, Buffer.from('\n')])
  if (!stdout.write(stdout.isTTY ? `${line}\n` : line)) await once(stdout, 'drain').catch(() => {})
}
