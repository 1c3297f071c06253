// A js-libp2p peer with @libp2p/dcutr and nothing of ours, for another network namespace. Its lines on stdout are JSON.
//   dcutr-peer listen RELAY [LISTEN...]   reserves, then says { addr }
//   dcutr-peer dial CIRCUIT [LISTEN...]   dials, then says { direct } for each connection that is not through the relay
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { dcutr } from '@libp2p/dcutr'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [verb, target = '', ...listen] = process.argv.slice(2)
const say = (line: object): void => console.log(JSON.stringify(line))
const node = await createLibp2p({
  addresses: {
    listen: [...listen, ...(verb === 'listen' ? [`${target}/p2p-circuit`] : [])],
    // else public addresses are told to nobody until AutoNAT has seen them (libp2p 3.3)
    announce: [...listen, ...(verb === 'listen' ? [`${target}/p2p-circuit`] : [])]
  },
  transports: [tcp(), circuitRelayTransport()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false },
  services: { identify: identify(), dcutr: dcutr() }
})
node.addEventListener('connection:open', ({ detail: { remoteAddr, remotePeer, direction } }) => {
  say({ open: remoteAddr.toString(), peer: remotePeer.toString(), direction })
})
say({ peer: node.peerId.toString(), addr: `${target}/p2p-circuit/p2p/${node.peerId}` })
if (verb === 'dial') await node.dial(multiaddr(target))
