import { connect, type Connected, type DialOptions } from '../connect.ts'
import { openDoor } from '../door.ts'
import { Failure } from '../errors.ts'
import type { Said, Verdict } from '../events.ts'
import { createQueue } from '../flow.ts'
import { keepConnected } from '../link.ts'
import { isSpoken } from '../negotiate.ts'
import { openNode } from '../node.ts'
import { parsePlace, placeText } from '../place.ts'
import { barrier } from '../protocols/pipe.ts'
import { safe } from '../safe.ts'
import { removeReadyFile, writeReadyFile } from '../serve.ts'
import { failureEvent, readTargets, type TargetOptions, verdictOf } from '../targets.ts'
import { openTunnel } from '../tunnel.ts'

export interface Options extends DialOptions, TargetOptions {
  target: string
  identity?: string
  /** Where TCP connections are taken: a port of 127.0.0.1, `host:port` or the path of a socket. */
  local?: string
  protocol?: string
  /** At once; 64 by default. */
  maxConnections?: number
  readyFile?: string
  /** Stop after this long, in ms. */
  for?: number
  /** Stop when this many TCP connections have ended. */
  exitAfter?: number
}

const MAX_CONNECTIONS = 64

export default async function* forward(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { local, protocol, maxConnections = MAX_CONNECTIONS, readyFile, exitAfter } = options
  if (local == null) throw wrong('forward needs --local ADDR')
  if (protocol == null) throw wrong('forward needs --protocol ID')
  const place = parsePlace(local, '--local')
  const targets = await readTargets([options.target], options)
  const [target] = targets
  if (targets.length > 1) throw wrong(`forward takes one target, not ${targets.length}`)
  const end = new AbortController()
  const until = AbortSignal.any([signal, end.signal])
  const queue = createQueue<Said>()
  let verdict: Verdict
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  if (readyFile != null) await removeReadyFile(readyFile)
  try {
    // before the dial, since what is wrong on this side is known at once; who connects meanwhile waits
    using door = await openDoor(place)
    const connected = yield* connect(node, target!, { ...options, identified: true }, signal)
    await speaks(connected, protocol, options.timeout, signal)
    const link = keepConnected(node, target!, connected, options, queue.push, until)
    const tunnel = openTunnel(door, link, { protocol, most: maxConnections, timeoutMs: options.timeout }, queue, until)
    const timer = options.for == null ? undefined : setTimeout(() => end.abort(), options.for)
    tunnel.onEnded(count => {
      if (count === exitAfter) end.abort()
    })
    const ready = {
      type: 'forward.ready' as const,
      pid: process.pid,
      peer_id: connected.peerId,
      addr: connected.addr,
      protocol,
      local_addr: placeText(door.place)
    }
    try {
      if (readyFile != null) await writeReadyFile(readyFile, ready)
      yield { ...ready, target: target!.text }
      yield* queue.items(until)
    } finally {
      clearTimeout(timer)
      end.abort()
      if (readyFile != null) await removeReadyFile(readyFile)
    }
    await tunnel.closed()
    // the last bytes of a connection that has ended may be on their way
    if (!signal.aborted) await barrier(link.connection, signal)
    yield* queue.items(AbortSignal.abort())
    verdict = { ...verdictOf(targets, 1, []), connections: tunnel.count }
  } catch (error) {
    if (!(error instanceof Failure)) throw error
    yield failureEvent(error, target!)
    verdict = verdictOf(targets, 0, [error])
  }
  yield verdict
}

/**
 * Identify tells without a stream, with which the other side would connect somewhere; but what it does not list may be
 * spoken all the same, since Kubo lists `/x/` for all that begins so.
 */
async function speaks(connected: Connected, protocol: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const { connection, identity, peerId, addr } = connected
  if (identity == null || identity.protocols.includes(protocol)) return
  if (await isSpoken(connection, protocol, timeoutMs, signal)) return
  throw new Failure('protocol_not_supported', `${peerId} does not speak ${safe(protocol)}`, {
    phase: 'protocol',
    addr,
    hint: `there it is: p2pctl listen --protocol ${safe(protocol)} --forward HOST:PORT`
  })
}

function wrong(message: string): Failure {
  return new Failure('invalid_option', message, { hint: 'p2pctl help forward' })
}
