import type { Connection } from '@libp2p/interface'
import { connect, type DialOptions } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { type Node, openNode } from '../node.ts'
import { safe } from '../safe.ts'
import { failureEvent, missed, readTargets, type Target, type TargetOptions, verdictOf } from '../targets.ts'

export interface Options extends DialOptions, TargetOptions {
  target: string[]
  identity?: string
  /** Protocol IDs to negotiate. */
  protocol?: string[]
}

export default async function* dial(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const targets = await readTargets(options.target, options)
  await using node = await openNode(options)
  yield { type: 'run.start', peer_id: node.peerId }
  const failures: Failure[] = []
  let held = 0
  for (const target of targets) {
    try {
      yield* dialTarget(node, target, options, signal)
      held++
    } catch (error) {
      if (error instanceof Failure) {
        failures.push(error)
        yield failureEvent(error, target)
      } else {
        if (targets.length === 1) throw error
        if (signal.reason?.name !== 'TimeoutError') break
        yield failureEvent(missed(target), target)
      }
    }
  }
  yield verdictOf(targets, held, failures)
}

async function* dialTarget(node: Node, target: Target, options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const { connection, peerId } = yield* connect(node, target, { ...options, identified: true }, signal)
  const missing: string[] = []
  for (const protocol of options.protocol ?? []) {
    const startedAt = performance.now()
    const ok = await isSpoken(connection, protocol, options.timeout, signal)
    if (!ok) missing.push(safe(protocol))
    yield {
      type: 'dial.protocol',
      target: target.text,
      peer_id: peerId,
      protocol,
      ok,
      ms: performance.now() - startedAt
    }
  }
  if (missing.length > 0) {
    throw new Failure('protocol_not_supported', `the peer does not speak ${missing.join(', ')}`, { phase: 'protocol' })
  }
}

/** Negotiates a protocol and sends nothing on it. */
async function isSpoken(connection: Connection, protocol: string, timeoutMs: number, signal: AbortSignal) {
  try {
    const late = AbortSignal.timeout(timeoutMs)
    const stream = await connection.newStream(protocol, {
      signal: AbortSignal.any([signal, late]),
      runOnLimitedConnection: true
    })
    await stream.close({ signal: late })
    return true
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof Error && error.name === 'UnsupportedProtocolError') return false
    throw new Failure('io_timeout', `no answer when asked for ${safe(protocol)}`, { phase: 'protocol', cause: error })
  }
}
