// The script of js-libp2p's getting-started guide, "Let's play ping pong!", with the option names of libp2p 3: TCP,
// noise and mplex. It prints its address, or pings the one that it is given.
import { noise } from '@chainsafe/libp2p-noise'
import { mplex } from '@libp2p/mplex'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [mplex()],
  services: { ping: ping({ protocolPrefix: 'ipfs' }) }
})
const target = process.argv[2]
if (target == null) console.log(node.getMultiaddrs()[0]!.toString())
else {
  const latency = await node.services.ping.ping(multiaddr(target))
  console.log(`pinged ${target} in ${latency}ms`)
  await node.stop()
}
