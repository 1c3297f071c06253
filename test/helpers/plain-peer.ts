// The ten lines of js-libp2p that anybody has: TCP, noise, yamux and ping, and nothing of ours.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  services: { ping: ping() }
})
const target = process.argv[2]
if (target == null) console.log(node.getMultiaddrs()[0]!.toString())
else {
  console.log(await node.services.ping.ping(multiaddr(target)))
  await node.stop()
}
