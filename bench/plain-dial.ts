// What a plain js-libp2p node says of the same addresses: `npx node bench/plain-dial.ts broken.txt`, next to `p2pctl dial --each`.
import { readFile } from 'node:fs/promises'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const node = await createLibp2p({
  transports: [tcp(), webSockets()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { identify: identify() }
})
const lines = (await readFile(process.argv[2] ?? 'broken.txt', 'utf8')).split('\n')
for (const addr of lines.map(line => line.replace(/\s+#.*$/, '')).filter(line => line !== '')) {
  const startedAt = performance.now()
  const says = await node
    .dial(multiaddr(addr), { signal: AbortSignal.timeout(5000) })
    .then(() => 'connected')
    .catch(error => `${error.name}: ${error.message}`)
  process.stdout.write(`${addr}   ${(performance.now() - startedAt).toFixed(0)} ms\n    ${says}\n`)
}
process.exit()
