import type { DialOptions } from '../connect.ts'
import type { Said } from '../events.ts'
import { createQueue, whereThereIsRoom } from '../flow.ts'
import { openNode } from '../node.ts'
import { pong } from '../protocols/pong.ts'
import { reserve, whileKept } from '../reserve.ts'
import { MAX_WAITING, type ServeOptions, serve } from '../serve.ts'
import { readTargets } from '../targets.ts'

export interface Options extends DialOptions, Pick<ServeOptions, 'identity' | 'readyFile' | 'for'> {
  relay: string
}

export default async function* relayReserve(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const [relay] = await readTargets([options.relay])
  const queue = createQueue<Said>()
  await using node = await openNode({
    ...options,
    services: { ping: pong() },
    mayConnect: () => queue.size < MAX_WAITING,
    onRefused: whereThereIsRoom(queue)
  })
  yield { type: 'run.start', peer_id: node.peerId }
  const dialing = { ...options, identified: false }
  const held = yield* reserve(node, relay!, dialing, signal)
  const connections = yield* whileKept(node, [held], dialing, serve(node, queue, options, signal))
  yield { type: 'run.summary', ok: true, connections }
}
