// Preloaded into a p2pctl that is measured: what it holds, told over IPC whenever it is asked, right after a collection.
import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { queryObjects, writeHeapSnapshot } from 'node:v8'
import type { Held } from './served.ts'

process.on('message', (question: { snapshot?: string }) => {
  void tell(question).then(held => process.send!(held))
})
// whoever asks is gone
process.on('disconnect', () => process.exit())
// listening for questions is no reason to stay
process.channel?.unref()

/** Of these every connection, event and stored peer has some; their number does not move with what V8 compiles. */
const KINDS = [Socket, Promise, AbortSignal, Uint8Array]

async function tell({ snapshot }: { snapshot?: string }): Promise<Held> {
  // what finalizers let go of is collected in the next round
  for (let round = 0; round < 3; round++) {
    globalThis.gc!()
    await delay(20)
  }
  if (snapshot != null) writeHeapSnapshot(snapshot)
  const { heapUsed, heapTotal, external } = process.memoryUsage()
  const counts = KINDS.map(kind => queryObjects(kind, { format: 'count' }))
  return { bytes: heapUsed + external, heap: heapTotal, objects: counts.reduce((sum, count) => sum + count, 0) }
}
