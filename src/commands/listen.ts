import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { openNode } from '../node.ts'
import { receiveItems, SEND_PROTOCOL, sendHandlerOptions } from '../protocols/send.ts'
import { type Held, reserve, whileKept } from '../reserve.ts'
import { endNode, listenAddrs, listenOnAll, MAX_WAITING, type ServeOptions, serve } from '../serve.ts'
import { readTargets } from '../targets.ts'

export interface Options extends ServeOptions {
  /** Relays to be reachable through. */
  circuit?: string[]
  /** The largest message that is taken, in bytes. */
  maxMessage: number
}

/** To reach a relay. */
const dialing = { timeout: 10_000, identified: false }

export default async function* listen(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const named = options.listen != null || options.tcp != null || options.ws != null
  // with a relay alone this is a peer that nobody can dial, as one behind a NAT
  const addrs = options.circuit != null && !named ? [] : listenAddrs(options)
  const relays = options.circuit == null ? [] : await readTargets(options.circuit)
  const [{ ping }, { echo }] = await Promise.all([import('@libp2p/ping'), import('@libp2p/echo')])
  const queue = createQueue<Said>()
  await using node = await openNode({
    ...options,
    services: { ping: ping(), echo: echo({ runOnLimitedConnection: true }) },
    mayConnect: () => queue.size < MAX_WAITING
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
    receiveItems({ maxMessageBytes: options.maxMessage, onMessage }),
    sendHandlerOptions
  )
  await listenOnAll(node, addrs, options)
  const held: Held[] = []
  for (const relay of relays) {
    try {
      held.push(yield* reserve(node, relay, dialing, signal))
    } catch (error) {
      throw error instanceof Failure ? unserved(error) : error
    }
  }
  const connections = yield* whileKept(node, held, dialing, serve(node, queue, options, signal))
  yield* endNode(node, queue)
  yield { type: 'run.summary', ok: true, connections }
}

/** An address that was asked for and cannot be served is a failure of this side, unless the relay itself refused. */
function unserved(failure: Failure): Failure {
  const { code, message, exitCode } = failure
  return exitCode === 7 ? failure : new Failure(code, message, { ...failure, exitCode: 3, cause: failure.cause })
}

/** As text where it is UTF-8, else as base64. */
function contentOf(bytes: Uint8Array): { text?: string; base64?: string; bytes: number } {
  try {
    return { text: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes), bytes: bytes.length }
  } catch {
    return { base64: Buffer.from(bytes).toString('base64'), bytes: bytes.length }
  }
}
