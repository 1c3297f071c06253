/** What hides a connection under the key of a private network. */
import type { ConnectionProtector, MessageStream, StreamMessageEvent } from '@libp2p/interface'
import type { SwarmKey } from './psk.ts'
import { currentTrace } from './trace.ts'

/** libp2p's own protector, so that the trace of a dial sees when it begins, and what answers in the open. */
export async function loadProtector({ key }: SwarmKey): Promise<() => ConnectionProtector> {
  const [{ preSharedKey }, { encodeSwarmKey }] = await Promise.all([import('@libp2p/pnet'), import('./psk.ts')])
  const create = preSharedKey({ psk: Buffer.from(encodeSwarmKey(key)) })
  return () => {
    const protector = create()
    const protect = protector.protect.bind(protector)
    protector.protect = async (stream, options) => {
      const trace = currentTrace()
      if (trace != null && stream.direction === 'outbound') {
        trace.onProtect?.()
        trace.connectedAt = performance.now()
        trace.receivedBytes = 0
        whenInTheOpen(stream, () => {
          trace.inTheOpen = true
          stream.abort(new Error('the peer answers without a key'))
        })
      }
      return await protect(stream, options)
    }
    return protector
  }
}

const GREETING = Buffer.from('\x13/multistream/1.0.0\n')

/** Looks along while the nonces are exchanged: a libp2p peer that has no key greets, or answers what it took for garbage. */
function whenInTheOpen(stream: MessageStream, found: () => void): void {
  let seen = Buffer.alloc(0)
  const onMessage = ({ data }: StreamMessageEvent): void => {
    seen = Buffer.concat([seen, data.subarray()])
    if (seen.length < GREETING.length) return
    stream.removeEventListener('message', onMessage)
    if (seen.subarray(0, GREETING.length).equals(GREETING)) found()
  }
  // together with the listener that libp2p adds in the same turn, so that no byte is taken from it
  stream.addEventListener('message', onMessage)
}
