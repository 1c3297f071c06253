/**
 * --raw: stdin to a stream, and the stream to stdout. The one place where bytes meet stdout beside the events, which
 * then go to stderr: bytes do not travel as events.
 */
import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import { addAbortSignal } from 'node:stream'
import type { Connection, Stream } from '@libp2p/interface'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import { frame } from './protocols/framing.ts'
import { barrier, endOur, giveAll, MAX_FRAME_BYTES, takeAll, type Taker, whileOpen } from './protocols/pipe.ts'
import { openStream } from './protocols/open-stream.ts'
import { failure } from './protocols/send-failures.ts'
import { StreamError } from './protocols/stream.ts'
import { safe } from './safe.ts'

export interface RawOptions {
  protocol?: string
  raw?: boolean
  /** Each line of stdin is a frame behind its length, and each frame that comes is a line. */
  lp?: boolean
  /** Show what comes as hex. */
  hex?: boolean
  json?: boolean
}

/** Refuses what makes no sense together. */
export function checkRaw({ protocol, raw, lp, hex, json }: RawOptions): void {
  if (protocol != null && !/^\/[\x21-\x7e]+$/.test(protocol)) {
    throw wrong(`${safe(protocol)} is not a protocol ID`, 'a protocol ID looks like /echo/1.0.0')
  }
  if (raw !== true) {
    if (lp === true || hex === true) throw wrong('--lp and --hex need --raw')
    return
  }
  if (protocol == null) throw wrong('--raw needs --protocol ID')
  if (json === true) throw wrong("--raw writes the peer's bytes to stdout, and so cannot go with --json")
}

function wrong(message: string, hint?: string): Failure {
  return new Failure('invalid_option', message, { hint })
}

/** Opens a stream and is netcat on it. Ends when the peer ends its side; a file at stdin is still sent to its end. */
export async function* rawTo(
  connection: Connection,
  options: RawOptions,
  signal: AbortSignal
): AsyncGenerator<Event<'stream.open' | 'stream.close'>> {
  const protocol = options.protocol!
  const stream = await openStream(connection, protocol, signal)
  const about = { peer_id: connection.remotePeer.toString(), protocol }
  yield { type: 'stream.open', ...about }
  const piped = await rawOn(stream, options, { all: fstatSync(0).isFile(), first: true }, signal)
  if (piped.error == null) await barrier(connection, signal)
  yield { type: 'stream.close', ...about, ...piped.counts, error: piped.error?.message ?? null }
  if (piped.error != null) throw streamEnd(connection, piped.error)
}

interface Piped {
  counts: { in_bytes: number; out_bytes: number; duration_ms: number }
  /** How it ended, if not in order. */
  error: StreamError | null
}

/**
 * Joins a stream with stdin and stdout. `all`: stdin is sent to its end also after the peer has ended its side.
 * `first`: this side may end before the peer even when it has said nothing. Throws what is wrong on this side.
 */
export async function rawOn(
  stream: Stream,
  { lp = false, hex = false }: RawOptions,
  { all, first }: { all: boolean; first: boolean },
  signal: AbortSignal
): Promise<Piped> {
  const startedAt = performance.now()
  const heard = Promise.withResolvers<void>()
  const stop = new AbortController()
  const output = stdoutTaker({ lp, hex })
  let inBytes = 0
  let outBytes = 0
  const source = async function* (): AsyncGenerator<Uint8Array> {
    const stdin: AsyncIterable<Uint8Array> = addAbortSignal(signal, process.stdin)
    for await (const bytes of lp ? framed(linesOf(stdin)) : stdin) {
      outBytes += bytes.byteLength
      yield bytes
    }
    if (outBytes === 0 && !first) await heard.promise
  }
  const open = whileOpen(stream, AbortSignal.any([signal, stop.signal]))
  const giving = giveAll(stream, source(), open).catch(error => {
    // that the stream has ended the reader tells better, and after it has ended there is nobody to tell
    if (stop.signal.aborted || error instanceof StreamError) return
    stop.abort(error)
    stream.abort(error)
    throw error
  })
  // it is waited for only once the peer has ended
  giving.catch(() => {})
  let error: StreamError | null = null
  try {
    await takeAll(
      stream,
      bytes => {
        inBytes += bytes.byteLength
        return output.take(bytes)
      },
      lp,
      signal
    )
    heard.resolve()
    if (!all) stop.abort()
    await giving
    await endOur(stream).catch(() => {})
  } catch (cause) {
    signal.throwIfAborted()
    if (stop.signal.aborted && stop.signal.reason instanceof Failure) throw stop.signal.reason
    if (!(cause instanceof StreamError)) throw cause
    error = cause
    stream.abort(cause)
  } finally {
    heard.resolve()
    await output.end()
  }
  return {
    counts: { in_bytes: inBytes, out_bytes: outBytes, duration_ms: performance.now() - startedAt },
    error
  }
}

function streamEnd(connection: Connection, error: StreamError): Failure {
  const peer = connection.remotePeer.toString()
  if (error.reason === 'reset') return failure(connection, 'stream_reset', `${peer} reset the stream`)
  if (error.reason === 'closed') {
    return failure(
      connection,
      'connection_reset',
      `the connection to ${peer} was closed before it had ended the stream`
    )
  }
  return failure(connection, 'protocol_not_supported', `${peer} sent what is not length-prefixed: ${error.message}`)
}

/** The lines of the chunks, without their ends. Throws Failure on one that is longer than `maxBytes`. */
export async function* linesOf(chunks: AsyncIterable<Uint8Array>, maxBytes = MAX_FRAME_BYTES): AsyncGenerator<Buffer> {
  let rest = Buffer.alloc(0)
  for await (const chunk of chunks) {
    rest = Buffer.concat([rest, chunk])
    let from = 0
    for (let at = rest.indexOf(10); at >= 0; at = rest.indexOf(10, from)) {
      if (at - from > maxBytes) throw tooLong(maxBytes)
      yield rest.subarray(from, at)
      from = at + 1
    }
    rest = rest.subarray(from)
    if (rest.byteLength > maxBytes) throw tooLong(maxBytes)
  }
  if (rest.byteLength > 0) yield rest
}

async function* framed(lines: AsyncIterable<Buffer>): AsyncGenerator<Uint8Array> {
  for await (const line of lines) yield frame(line)
}

function tooLong(maxBytes: number): Failure {
  return new Failure('too_large', `a line on stdin is longer than a frame, ${maxBytes} bytes`, {
    phase: 'transfer',
    hint: 'send shorter lines'
  })
}

/** Writes to stdout what comes: as it is into a pipe or a file, line by line and escaped on a terminal, or as hex. */
function stdoutTaker({ lp, hex }: { lp: boolean; hex: boolean }): { take: Taker; end(): Promise<void> } {
  const { stdout } = process
  const put = (bytes: Uint8Array | string): Promise<unknown> | undefined =>
    bytes.length === 0 || stdout.write(bytes) ? undefined : once(stdout, 'drain').catch(() => {})
  const flushed = (): Promise<void> => new Promise(resolve => stdout.write('', () => resolve()))
  if (hex) {
    let offset = 0
    const take: Taker = bytes => {
      const rows = hexRows(bytes, offset)
      offset += bytes.byteLength
      return put(rows)
    }
    return { take, end: flushed }
  }
  if (!stdout.isTTY) return { take: bytes => put(lp ? Buffer.concat([bytes, Buffer.from('\n')]) : bytes), end: flushed }
  const decoder = new TextDecoder()
  let rest = ''
  const shown = (line: string): string => `${safe(line.replace(/\r$/, ''), MAX_LINE)}\n`
  return {
    take: bytes => {
      const lines = (rest + decoder.decode(bytes, { stream: true }) + (lp ? '\n' : '')).split('\n')
      rest = lines.pop()!
      if (rest.length > MAX_LINE) lines.push(rest.slice(0, MAX_LINE))
      rest = rest.length > MAX_LINE ? rest.slice(MAX_LINE) : rest
      return put(lines.map(shown).join(''))
    },
    end: async () => {
      if (rest !== '') void put(shown(rest))
      await flushed()
    }
  }
}

const MAX_LINE = 65_536
const ROW = 16

/** `00000010  68 65 6c 6c 6f                                   hello`, 16 bytes a row. */
export function hexRows(bytes: Uint8Array, offset: number): string {
  let rows = ''
  for (let at = 0; at < bytes.byteLength; at += ROW) {
    const row = Buffer.from(bytes.subarray(at, at + ROW))
    const hex = [...row].map(byte => byte.toString(16).padStart(2, '0')).join(' ')
    const text = row.toString('latin1').replace(/[^ -~]/g, '.')
    rows += `${(offset + at).toString(16).padStart(8, '0')}  ${hex.padEnd(ROW * 3 - 1)}  ${text}\n`
  }
  return rows
}
