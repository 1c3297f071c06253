// What a script does with js-libp2p alone: `plain-loop.ts FILE CONCURRENCY` dials every address of the file, waits until the peer
// has said who it is, and closes. Prints how many it reached.
import { readFileSync } from 'node:fs'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import type { IdentifyResult } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [file, concurrency] = process.argv.slice(2)
const addrs = readFileSync(file!, 'utf8').trim().split('\n')
const node = await createLibp2p({
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionManager: { maxParallelDials: Number(concurrency), maxDialQueueLength: addrs.length },
  connectionMonitor: { enabled: false },
  services: { identify: identify() }
})
const waiting = new Map<string, () => void>()
node.addEventListener('peer:identify', ({ detail }: CustomEvent<IdentifyResult>) => {
  waiting.get(detail.peerId.toString())?.()
})
let reached = 0
const rest = addrs[Symbol.iterator]()
const worker = async (): Promise<void> => {
  for (const addr of rest) {
    const id = addr.split('/').at(-1)!
    const identified = new Promise<void>(resolve => waiting.set(id, resolve))
    const connection = await node.dial(multiaddr(addr))
    await identified
    await connection.close()
    reached++
  }
}
await Promise.all(Array.from({ length: Number(concurrency) }, worker))
process.stdout.write(`${reached}\n`, () => process.exit(reached === addrs.length ? 0 : 1))
