import { transportOf } from './addr.ts'
import { Failure } from './errors.ts'
import type { Event } from './events.ts'
import type { Node } from './node.ts'
import { DIAL_REQUEST } from './protocols/autonat-messages.ts'
import { answerDialRequests, requestHandlerOptions } from './protocols/autonat-server.ts'
import { transportFor } from './transports.ts'

/** Answers AutoNAT v2 requests from now on, and says of each what became of it. */
export async function serveAutonat(node: Node, said: (event: Event<'autonat.dial'>) => Promise<void>): Promise<void> {
  const answer = answerDialRequests({
    async dial(addr, signal) {
      const name = transportFor(transportOf(addr))
      if (name == null) throw new Failure('no_transport', 'no transport for this address')
      await node.use(name)
      // not libp2p.dial(): it would give a connection that is there already, and say nothing of the address
      return await node.components.transportManager.dial(addr, { signal })
    },
    report: said
  })
  await node.libp2p.handle(DIAL_REQUEST, answer, requestHandlerOptions)
}
