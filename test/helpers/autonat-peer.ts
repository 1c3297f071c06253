// A plain js-libp2p node with its own AutoNAT v2, which both serves and asks: LISTEN[,LISTEN] [DIAL].
// Says its address, then each of its addresses once a server has found it to be reachable.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { autoNATv2 } from '@libp2p/autonat-v2'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { AddressManager } from '@libp2p/interface-internal'

const [listen = '', dial] = process.argv.slice(2)
let addresses: AddressManager | undefined
const node = await createLibp2p({
  addresses: { listen: listen.split(',') },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false },
  services: {
    identify: identify(),
    autoNAT: autoNATv2(),
    // stands in for the random walk of a DHT, which AutoNAT asks for
    randomWalk: (components: { addressManager: AddressManager }) => {
      addresses = components.addressManager
      return { async *walk() {}, [Symbol.for('@libp2p/service-capabilities')]: ['@libp2p/random-walk'] }
    }
  }
})
console.log(`${listen.split(',')[0]}/p2p/${node.peerId}`)
if (dial != null) {
  await node.dial(multiaddr(dial))
  const said = new Set<string>()
  // it has no event for this
  setInterval(() => {
    for (const { multiaddr, verified } of addresses!.getAddressesWithMetadata()) {
      const text = multiaddr.toString()
      if (verified && !said.has(text)) console.log(`verified ${text}`)
      if (verified) said.add(text)
    }
  }, 20)
}
