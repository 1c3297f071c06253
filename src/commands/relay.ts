import type { Said } from '../events.ts'
import { openNode } from '../node.ts'
import { prepareRelay, type RelayOptions } from '../relaying.ts'

export type Options = RelayOptions

export default async function* relay(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const relaying = await prepareRelay(options)
  await using node = await openNode(relaying.nodeOptions)
  yield { type: 'run.start', peer_id: node.peerId }
  await relaying.listen(node)
  const connections = yield* relaying.serve(node, signal)
  yield { type: 'run.summary', ok: true, connections }
}
