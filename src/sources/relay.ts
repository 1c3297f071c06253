import type { Connection } from '@libp2p/interface'
import { createQueue } from '../flow.ts'
import { reserve } from '../reserve.ts'
import type { Target } from '../targets.ts'
import { ask, met, type Source } from './source.ts'

/** The relay itself, and whoever comes through it. */
export function relaySource(relay: Target): Source {
  const name = 'relay'
  return {
    name,
    async *look(search) {
      const { node, options, signal } = search
      const came = createQueue<Connection>()
      node.libp2p.addEventListener('connection:open', ({ detail }) => {
        if (detail.direction === 'inbound') void came.push(detail)
      })
      const own = yield* reserve(node, relay, { ...options, identified: true }, signal)
      yield* met(name, own.connection, own.addr, own.identity, search)
      for await (const connection of came.items(signal)) {
        const identity = await ask(connection, search)
        yield* met(name, connection, connection.remoteAddr.toString(), identity, search)
      }
    }
  }
}
