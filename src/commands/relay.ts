import type { Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { openNode } from '../node.ts'
import { relayServer } from '../protocols/hop.ts'
import { listenAddrs, listenOnAll, MAX_WAITING, type ServeOptions, serve } from '../serve.ts'

export interface Options extends ServeOptions {
  maxReservations: number
  /** In ms. */
  ttl: number
  limitDuration: number
  /** In bytes, each way. */
  limitData: number
}

export default async function* relay(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const addrs = listenAddrs(options)
  const { ping } = await import('@libp2p/ping')
  const queue = createQueue<Said>()
  const server = relayServer({
    maxReservations: options.maxReservations,
    ttlMs: options.ttl,
    limitDurationMs: options.limitDuration,
    limitDataBytes: options.limitData,
    report: event => void queue.push(event)
  })
  await using node = await openNode({
    ...options,
    services: { ping: ping(), relay: server },
    mayConnect: () => queue.size < MAX_WAITING,
    maxConnections: 1024
  })
  yield { type: 'run.start', peer_id: node.peerId }
  await listenOnAll(node, addrs, options)
  const connections = yield* serve(node, queue, options, signal)
  yield { type: 'run.summary', ok: true, connections }
}
