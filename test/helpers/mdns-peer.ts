// A js-libp2p node with js-libp2p's own mDNS, in a process of its own: it belongs into a network namespace, since it
// multicasts. Writes its addresses, then each peer that it finds, as lines of JSON.
import { mdns } from '@libp2p/mdns'
import { plainNode } from './plain-node.ts'

const node = await plainNode({
  listen: process.argv.slice(2),
  libp2p: { peerDiscovery: [mdns({ interval: 500 })] }
})
const say = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`)
node.addEventListener('peer:discovery', ({ detail: { id, multiaddrs } }) =>
  say({ found: id.toString(), addrs: multiaddrs.map(String) })
)
say({ peer_id: node.peerId.toString(), addrs: node.getMultiaddrs().map(String) })
