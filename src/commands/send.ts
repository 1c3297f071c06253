import { addAbortSignal } from 'node:stream'
import type { Connection } from '@libp2p/interface'
import { connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Said, Verdict } from '../events.ts'
import { idleTimeOf } from '../limit.ts'
import { openNode } from '../node.ts'
import { openItem, type Outgoing, outgoing } from '../outbox.ts'
import { type Item, sendItem } from '../protocols/send.ts'
import { checkRaw, type RawOptions, rawTo } from '../raw.ts'
import { safe } from '../safe.ts'
import { failureEvent, readTargets, type Target, type TargetOptions, verdictOf } from '../targets.ts'

export interface Options extends DialOptions, TargetOptions, RawOptions {
  target: string
  /** The message; `-` stands for stdin. */
  text?: string
  identity?: string
  /** Files and folders; `-` stands for stdin. */
  file?: string[]
  /** What the receiver is to call the one file. */
  name?: string
  resume?: boolean
}

export default async function* send(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  check(options)
  const targets = await readTargets([options.target], options)
  const [target] = targets
  if (targets.length > 1) throw wrong(`send takes one target, not ${targets.length}`)
  const { files, skipped } = options.file == null ? { files: [], skipped: [] } : await outgoing(options.file, options)
  const payload = options.text == null ? null : await payloadOf(options.text, signal)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  yield* skipped
  let verdict = verdictOf(targets, 1, [])
  try {
    const { connection } = yield* connect(node, target!, { ...options, identified: false }, signal)
    if (options.raw === true) yield* rawTo(connection, options, signal)
    else if (payload != null) yield* sendOne(connection, { kind: 'message', ...payload }, target!, options, signal)
    else verdict = yield* sendFiles(connection, files, target!, options, signal)
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    yield failureEvent(error, target!)
    verdict = verdictOf(targets, 0, [error])
  }
  yield verdict
}

async function* sendOne(
  connection: Connection,
  item: Item,
  { text }: Target,
  { timeout }: Options,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const sending = sendItem(connection, item, signal, { idleMs: idleTimeOf(timeout) })
  for await (const event of sending) yield { ...event, target: text }
}

// not within the loop below: there `await using`, as esbuild 0.28 lowers it, throws the error of the round before again
async function* sendFile(
  connection: Connection,
  file: Outgoing,
  target: Target,
  options: Options,
  signal: AbortSignal
): AsyncGenerator<Said> {
  await using opened = await openItem(file, options.resume ?? false, signal)
  yield* sendOne(connection, opened.item, target, options, signal)
}

/** One after another. A file that is refused does not keep the next one from being sent; a broken connection does. */
async function* sendFiles(
  connection: Connection,
  files: Outgoing[],
  target: Target,
  options: Options,
  signal: AbortSignal
): AsyncGenerator<Said, Verdict> {
  const failures: Failure[] = []
  let received = 0
  for (const file of files) {
    try {
      yield* sendFile(connection, file, target, options, signal)
      received++
    } catch (error) {
      if (!(error instanceof Failure)) throw error
      failures.push(error)
      const event = failureEvent(error, target)
      yield files.length === 1 ? event : { ...event, message: `${safe(file.name)}: ${error.message}` }
      if (connection.status !== 'open') break
    }
  }
  const [only] = failures
  const ok = received === files.length
  const verdict = { type: 'run.summary', target: target.text, ok, sent: files.length, received } as const
  if (only == null) return { ...verdict, exit_code: 0 }
  return { ...verdict, exit_code: files.length === 1 ? only.exitCode : 1, reason: 'error' }
}

/** Refuses what makes no sense together, before anything is read or dialed. */
function check(options: Options): void {
  const { target, text, file, name, resume, protocol, raw } = options
  const stdins = [target, text, ...(file ?? [])].filter(given => given === '-').length
  if (raw === true) {
    if (text != null || file != null) throw wrong('--raw sends stdin, and takes no text and no files')
    if (target === '-') throw wrong('the target cannot come from stdin, which --raw sends')
  } else {
    if (text != null && file != null) throw wrong('send takes a text or files, not both')
    if (text == null && file == null) throw wrong('there is nothing to send', 'give a text, - for stdin, or -f FILE')
    if (protocol != null) throw wrong('--protocol needs --raw')
  }
  if (file == null && (name != null || resume === true)) throw wrong('--name and --resume are for files, -f FILE')
  if (file != null && name != null && file.length > 1) throw wrong('--name is for one file')
  if (target === '-' && text === '-') throw wrong('the target and the message cannot both come from stdin')
  if (stdins > 1) throw wrong('stdin can be used once only')
  checkRaw(options)
}

function wrong(message: string, hint?: string): Failure {
  return new Failure('invalid_option', message, { hint: hint ?? 'p2pctl help send' })
}

/** Read before the dial, up to this: a receiver waits for a slow typist no longer than for any other silent peer. */
const AHEAD_BYTES = 1 << 20

async function payloadOf(text: string, signal: AbortSignal): Promise<Pick<Item, 'size' | 'source'>> {
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
