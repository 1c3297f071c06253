import { serveAutonat } from '../autonat.ts'
import { type AnswerOptions, answer, answerLimits, checkAnswer } from '../answer.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue, whereThereIsRoom } from '../flow.ts'
import { type InboxOptions, openInbox } from '../inbox.ts'
import { type MeetOptions, openAnswerer, prepareMeeting, whileMeeting } from '../meet.ts'
import { type Monitor, type MonitorOptions, openMonitor } from '../monitor.ts'
import { type Node, openNode } from '../node.ts'
import { contentOf } from '../payload.ts'
import { pong } from '../protocols/pong.ts'
import { receiveItems, SEND_PROTOCOL, sendHandlerOptions } from '../protocols/send.ts'
import { type Held, reserve, whileKept } from '../reserve.ts'
import { endNode, listenAddrs, listenOnAll, MAX_WAITING, namesAddrs, type ServeOptions, serve } from '../serve.ts'
import { readTargets } from '../targets.ts'
import { listenOverWebrtc } from '../webrtc.ts'

export interface Options extends ServeOptions, AnswerOptions, MeetOptions, MonitorOptions {
  /** Relays to be reachable through. */
  circuit?: string[]
  /** And be dialable over WebRTC through them. */
  webrtc?: boolean
  /** STUN servers for WebRTC. */
  stun?: string[]
  /** Go for a direct connection to whoever comes through them. */
  punch?: boolean
  punchPrivate?: boolean
  /** The largest message that is taken, in bytes. */
  maxMessage: number
  /** A folder for files; without it none is taken. */
  recv?: string
  overwrite?: boolean
  rename?: boolean
  maxFile?: number
  maxTotal?: number
  /** Percent of the disk. */
  keepFree?: number
  /** What else is answered. */
  serve?: ('autonat' | 'perf')[]
  /** Of one measurement: bytes each way, and ms. */
  maxPerf?: number
  maxPerfTime?: number
}

/** To reach a relay. */
const TIMEOUT_MS = 10_000

export default async function* listen(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  check(options)
  await using monitor = await openMonitor(options, signal)
  yield* monitor.over(listening(options, monitor, signal))
}

async function* listening(options: Options, monitor: Monitor, signal: AbortSignal): AsyncGenerator<Said> {
  // with a relay alone this is a peer that nobody can dial, as one behind a NAT
  const hidden = options.circuit != null && !namesAddrs(options)
  // to be punched it needs a port that the caller can dial
  const addrs = hidden ? (options.punch === true ? listenAddrs({ tcp: true }) : []) : listenAddrs(options)
  const relays = options.circuit == null ? [] : await readTargets(options.circuit)
  const meeting = await prepareMeeting(options)
  const { echo } = await import('@libp2p/echo')
  const queue = createQueue<Said>()
  await using inbox = options.recv == null ? null : await openInbox(inboxOptions(options, options.recv, queue.push))
  await using node = await openNode({
    ...options,
    ...meeting.nodeOptions,
    services: { ...meeting.nodeOptions.services, ping: pong(), echo: echo({ runOnLimitedConnection: true }) },
    mayConnect: () => queue.size < MAX_WAITING,
    onRefused: whereThereIsRoom(queue),
    limit: { ...answerLimits(options), ...options.limit }
  })
  yield { type: 'run.start', peer_id: node.peerId }
  const onMessage = (message: { peerId: string; protocol: string; bytes: Uint8Array }): Promise<void> =>
    queue.push({
      type: 'message.received',
      peer_id: message.peerId,
      protocol: message.protocol,
      ...contentOf(message.bytes)
    })
  await node.libp2p.handle(
    SEND_PROTOCOL,
    receiveItems({ maxMessageBytes: options.maxMessage, onMessage, onFile: inbox?.onFile }),
    sendHandlerOptions
  )
  if (options.serve?.includes('autonat')) await serveAutonat(node, queue.push)
  if (options.serve?.includes('perf')) await servePerf(node, options, queue.push, signal)
  const over = new AbortController()
  const end = AbortSignal.any([signal, over.signal])
  let broken = false
  if (options.protocol != null) {
    const answered = await answer(node, options, queue.push, signal)
    void answered.over.then(error => {
      broken = error != null
      over.abort()
    })
  }
  await listenOnAll(node, addrs, options)
  if (options.webrtc === true) await listenOverWebrtc(node)
  const dialing = { timeout: TIMEOUT_MS, identified: false, insecure: options.insecure, limit: options.limit }
  const held: Held[] = []
  for (const relay of relays) {
    try {
      held.push(yield* reserve(node, relay, dialing, signal))
    } catch (error) {
      throw error instanceof Failure ? unserved(error) : error
    }
  }
  const onIdentify =
    options.punch === true
      ? (await import('../punch-listener.ts')).puncherFor(node, options, event => void queue.push(event), end)
      : undefined
  await using _ = await openAnswerer(node, meeting)
  const serving = whileMeeting(node, meeting, serve(node, queue, options, end, { onIdentify, monitor }))
  const connections = yield* whileKept(node, held, dialing, serving)
  over.abort()
  yield* endNode(node, queue)
  yield { type: 'run.summary', ok: !broken, connections }
}

function check(options: Options): void {
  checkAnswer(options)
  const { recv, overwrite, rename, webrtc, punch, punchPrivate, circuit } = options
  if (webrtc === true && circuit == null) {
    throw new Failure('invalid_option', '--webrtc needs --circuit RELAY, through which peers agree on it', {
      hint: 'p2pctl listen --webrtc --circuit RELAY'
    })
  }
  if (punch === true && circuit == null) throw new Failure('invalid_option', '--punch needs --circuit RELAY')
  if (punchPrivate === true && punch !== true) throw new Failure('invalid_option', '--punch-private needs --punch')
  if (overwrite === true && rename === true) throw new Failure('invalid_option', 'choose --overwrite or --rename')
  if (recv == null && (overwrite === true || rename === true)) {
    throw new Failure('invalid_option', `--${overwrite === true ? 'overwrite' : 'rename'} needs --recv DIR`)
  }
}

async function servePerf(
  { libp2p }: Node,
  { maxPerf = 16 * 2 ** 30, maxPerfTime = 300_000 }: Options,
  said: (event: Said) => Promise<void>,
  signal: AbortSignal
): Promise<void> {
  const perf = await import('../protocols/perf.ts')
  const handler = perf.servePerf({ maxBytes: maxPerf, maxMs: maxPerfTime, said }, signal)
  await libp2p.handle(perf.PERF_PROTOCOL, handler, perf.perfHandlerOptions)
}

function inboxOptions(options: Options, dir: string, said: (event: Said) => Promise<void>): InboxOptions {
  const { overwrite, rename, maxFile = 100 * 2 ** 20, maxTotal = 2 ** 30, keepFree = 10 } = options
  return { dir, overwrite, rename, maxFile, maxTotal, keepFree, said }
}

/** An address that was asked for and cannot be served is a failure of this side, unless the relay itself refused. */
function unserved(failure: Failure): Failure {
  const { code, message, exitCode } = failure
  return exitCode === 7 ? failure : new Failure(code, message, { ...failure, exitCode: 3, cause: failure.cause })
}
