// Preloaded into a p2pctl that is measured: what it holds, told over IPC whenever it is asked, right after a collection.
import { writeHeapSnapshot } from 'node:v8'
import { setTimeout as delay } from 'node:timers/promises'

process.on('message', (question: { snapshot?: string }) => {
  void tell(question).then(held => process.send!(held))
})
// listening for questions is no reason to stay
process.channel?.unref()

async function tell({ snapshot }: { snapshot?: string }): Promise<{ bytes: number }> {
  // what finalizers let go of is collected in the next round
  for (let round = 0; round < 3; round++) {
    globalThis.gc!()
    await delay(20)
  }
  if (snapshot != null) writeHeapSnapshot(snapshot)
  const { heapUsed, external } = process.memoryUsage()
  return { bytes: heapUsed + external }
}
