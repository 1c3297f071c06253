/** `listen --protocol ID`: what answers there is stdin and stdout, an echo, or for each stream a process or a TCP connection. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fstatSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import type { Connection, Stream } from '@libp2p/interface'
import { codeOfErrno } from './socket-failures.ts'
import { codes, Failure } from './errors.ts'
import type { Event } from './events.ts'
import { wordsFor } from './files.ts'
import { startLimit } from './limit.ts'
import { type Limits, limitTable } from './limits.ts'
import type { Node } from './node.ts'
import { connectOptions, type Place, parsePlace, placeText, remoteOf } from './place.ts'
import { barrier, endOur, giveAll, takeAll, whileOpen } from './protocols/pipe.ts'
import { joinSocket } from './protocols/socket.ts'
import { finish, StreamError, write } from './protocols/stream.ts'
import { checkRaw, type RawOptions, rawOn } from './raw.ts'
import { safe } from './safe.ts'
import { createSlots, type Slots } from './slots.ts'

export interface AnswerOptions extends RawOptions {
  echo?: boolean
  /** A command line for sh. */
  exec?: string
  /** `host:port`, or the path of a socket. */
  forward?: string
  /** Of --forward; 64 by default. */
  maxConnections?: number
}

interface Answer {
  /** Resolves when a stream of --raw, of which there is one, has ended and said so; with how, if not in order. */
  over: Promise<StreamError | null>
}

type Said = (event: Event<'stream.open' | 'stream.close'>) => Promise<void>
interface Counts {
  in_bytes: number
  out_bytes: number
  exit_code?: number | null
  tcp_addr?: string | null
  error?: StreamError | null
}

/** Streams that are answered at once; each may be a process. */
const MAX_STREAMS = 32
const MAX_CONNECTIONS = 64
/** So many more may wait for their turn, and so long: one end of a connection is gone before the other. */
const LINE = 256
const TURN_MS = 10_000
const CONNECT_MS = 10_000
const LINGER_BYTES = 1 << 22
const LINGER_MS = 5000

/** Whoever forwards to us opens a stream for each TCP connection, and some wait for their turn. */
export function answerLimits({ forward, maxConnections = MAX_CONNECTIONS }: AnswerOptions): Partial<Limits> {
  if (forward == null) return {}
  const streams = limitTable.streams.default + maxConnections + LINE
  return { streams, 'new-streams': streams }
}

/** Refuses what makes no sense together. */
export function checkAnswer(options: AnswerOptions): void {
  const { protocol, raw, echo, exec, forward } = options
  checkRaw(options)
  const ways = Object.entries({ raw, echo, exec, forward }).filter(([, way]) => way != null && way !== false)
  if (ways.length > 1) throw wrong('--raw, --echo, --exec and --forward answer the same streams: choose one')
  if (ways.length === 1 && protocol == null) throw wrong(`--${ways[0]![0]} needs --protocol ID`)
  if (ways.length === 0 && protocol != null) {
    throw wrong('--protocol needs --raw, --echo, --exec CMD or --forward HOST:PORT to answer it')
  }
  if (forward != null) parsePlace(forward, '--forward')
  if (exec === '') throw wrong('--exec needs a command')
}

function wrong(message: string): Failure {
  return new Failure('invalid_option', message, { hint: 'p2pctl help listen' })
}

/** Answers the streams of the protocol from now on, until the signal. */
export async function answer(node: Node, options: AnswerOptions, said: Said, signal: AbortSignal): Promise<Answer> {
  const protocol = options.protocol!
  const over = Promise.withResolvers<StreamError | null>()
  const most = options.raw === true ? 1 : MAX_STREAMS
  const { maxConnections = MAX_CONNECTIONS } = options
  const place = options.forward == null ? null : parsePlace(options.forward, '--forward')
  const slots = place == null ? createSlots(most, 0) : createSlots(maxConnections, LINE)
  const handler = async (stream: Stream, connection: Connection): Promise<void> => {
    if (slots.full || signal.aborted) return stream.abort(new Error('too many streams at once'))
    const leave = await waitFor(slots, stream, signal)
    if (leave == null) return
    const about = { peer_id: connection.remotePeer.toString(), protocol }
    const startedAt = performance.now()
    // told and not waited for: what comes meanwhile has to find its reader
    void said({ type: 'stream.open', ...about })
    const { error = null, ...counts } = await one(stream, connection, options, place, signal)
    const duration_ms = performance.now() - startedAt
    const ending = said({ type: 'stream.close', ...about, ...counts, duration_ms, error: error?.message ?? null })
    if (options.raw !== true) {
      leave()
      return await ending
    }
    if (error == null) await barrier(connection, signal)
    await ending
    over.resolve(error)
  }
  try {
    const limits = {
      maxInboundStreams: place == null ? MAX_STREAMS : maxConnections + LINE,
      runOnLimitedConnection: true
    }
    await node.libp2p.handle(protocol, handler, limits)
  } catch (cause) {
    throw new Failure('invalid_option', `${safe(protocol)} is spoken by listen itself`, {
      hint: 'choose another protocol ID',
      cause
    })
  }
  return { over: over.promise }
}

/** Its turn, or null where the stream or the time is gone by then. Nothing of it is read meanwhile. */
async function waitFor(slots: Slots, stream: Stream, signal: AbortSignal): Promise<(() => void) | null> {
  using limit = startLimit(TURN_MS, whileOpen(stream, signal))
  return await slots.take(limit.signal).catch(error => {
    stream.abort(error)
    return null
  })
}

async function one(
  stream: Stream,
  connection: Connection,
  options: AnswerOptions,
  place: Place | null,
  signal: AbortSignal
): Promise<Counts> {
  if (options.raw === true) {
    // a terminal has no end of its own, and whoever types has nobody to type to
    const all = process.stdin.isTTY !== true || fstatSync(0).isFile()
    const { counts, error } = await rawOn(stream, options, { all, first: false }, signal)
    return { ...counts, error }
  }
  const counts: Counts = { in_bytes: 0, out_bytes: 0 }
  try {
    if (place != null) await joinWith(place, stream, counts, signal)
    else if (options.exec == null) await echo(stream, counts, signal)
    else await run(options.exec, stream, connection, counts, signal)
    await finish(stream, LINGER_BYTES, LINGER_MS)
  } catch (cause) {
    const error = cause instanceof StreamError ? cause : new StreamError('closed', 'listen was stopped', cause)
    stream.abort(error)
    counts.error = error
  }
  return counts
}

async function echo(stream: Stream, counts: Counts, signal: AbortSignal): Promise<void> {
  const open = whileOpen(stream, signal)
  const taker = async (bytes: Uint8Array): Promise<void> => {
    counts.in_bytes += bytes.byteLength
    await write(stream, bytes, open)
    counts.out_bytes += bytes.byteLength
  }
  await takeAll(stream, taker, false, signal)
  await endOur(stream)
}

/** A TCP connection of its own to the place that was given, and to no other whatever the peer says. */
async function joinWith(place: Place, stream: Stream, counts: Counts, signal: AbortSignal): Promise<void> {
  const socket = await connectTo(place, whileOpen(stream, signal))
  counts.tcp_addr = remoteOf(socket)
  const passed = (way: 'in' | 'out', bytes: number): void => {
    counts[`${way}_bytes`] += bytes
  }
  await joinSocket(stream, socket, passed, signal)
}

async function connectTo(place: Place, signal: AbortSignal): Promise<Socket> {
  using limit = startLimit(CONNECT_MS, signal)
  const socket = connect({ ...connectOptions(place), allowHalfOpen: true, noDelay: true, keepAlive: true })
  try {
    await once(socket, 'connect', { signal: limit.signal })
    return socket
  } catch (cause) {
    socket.destroy()
    if (signal.aborted) throw signal.reason
    const code = limit.passed ? 'io_timeout' : codeOfErrno(cause)
    const says = code == null ? wordsFor(cause) : codes[code].says
    throw new StreamError('closed', `cannot connect to ${placeText(place)}: ${says}`, cause)
  }
}

/** One process, its stdin and stdout joined with the stream. It and what it has started do not outlive the stream. */
async function run(
  command: string,
  stream: Stream,
  { remotePeer, remoteAddr }: Connection,
  counts: Counts,
  signal: AbortSignal
): Promise<void> {
  const child = spawn('sh', ['-c', command], {
    stdio: ['pipe', 'pipe', 'inherit'],
    // a group of its own, which can be ended as a whole
    detached: true,
    env: { ...process.env, P2PCTL_PEER_ID: remotePeer.toString(), P2PCTL_REMOTE_ADDR: remoteAddr.toString() }
  })
  if (child.pid == null) {
    const [cause] = await once(child, 'error')
    throw new StreamError('closed', `cannot start sh: ${wordsFor(cause)}`, cause)
  }
  const exited = once(child, 'exit').catch(() => [null])
  const kill = (): void => {
    try {
      process.kill(-child.pid!, 'SIGKILL')
    } catch {
      // all of it has ended
    }
  }
  // one that reads no more, or could not be started, takes nothing; its end tells
  child.stdin.on('error', () => {})
  const open = whileOpen(stream, signal)
  open.addEventListener('abort', kill, { once: true })
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for await (const bytes of child.stdout) {
      counts.out_bytes += bytes.byteLength
      yield bytes
    }
  }
  const taking = takeAll(
    stream,
    bytes => {
      counts.in_bytes += bytes.byteLength
      if (!child.stdin.writable) return undefined
      // called also where it fails
      return new Promise(resolve => child.stdin.write(bytes, resolve))
    },
    false,
    open
  ).then(() => child.stdin.end())
  // a peer that went away ends the giving as well
  taking.catch(kill)
  try {
    await giveAll(stream, source(), open)
    counts.exit_code = (await exited)[0]
    if (child.pid == null) throw new StreamError('closed', 'the command could not be started')
  } finally {
    open.removeEventListener('abort', kill)
    kill()
  }
}
