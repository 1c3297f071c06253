import type { Said } from '../events.ts'
import { type Monitor, type MonitorOptions, openMonitor } from '../monitor.ts'
import { openNode } from '../node.ts'
import { prepareRelay, type RelayOptions } from '../relaying.ts'

export interface Options extends RelayOptions, MonitorOptions {}

export default async function* relay(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  await using monitor = await openMonitor(options, signal)
  yield* monitor.over(relayed(options, monitor, signal))
}

async function* relayed(options: Options, monitor: Monitor, signal: AbortSignal): AsyncGenerator<Said> {
  const relaying = await prepareRelay(options)
  await using node = await openNode(relaying.nodeOptions)
  yield { type: 'run.start', peer_id: node.peerId }
  await relaying.listen(node)
  const connections = yield* relaying.serve(node, signal, { monitor })
  yield { type: 'run.summary', ok: true, connections }
}
