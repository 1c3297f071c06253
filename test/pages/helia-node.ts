// A Helia node in a page, as the browser configuration of @helia/libp2p 2 has it by itself, less what would leave this
// machine: the public bootstrappers, delegated routers, gateways and STUN servers.
import { withBitswap } from '@helia/bitswap'
import { libp2pDefaults, withLibp2p } from '@helia/libp2p'
import * as dagCbor from '@ipld/dag-cbor'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { gossipsub } from '@libp2p/gossipsub'
import type { ServiceFactoryMap } from 'libp2p'
import { webRTC, webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createHeliaLight } from 'helia'

/** As long as a test may wait for another peer. */
export const wait = (): AbortSignal => AbortSignal.timeout(15_000)

export async function openHelia() {
  const noStun = { rtcConfiguration: { iceServers: [] } }
  const { delegatedContentRouting, delegatedPeerRouting, ...services } = libp2pDefaults()
    .services as unknown as ServiceFactoryMap
  const helia = withBitswap(
    withLibp2p(createHeliaLight({ codecs: [dagCbor] }), {
      transports: [circuitRelayTransport(), webRTC(noStun), webRTCDirect(noStun), webSockets()],
      peerDiscovery: [],
      // the default of a page denies ws: and loopback; so OrbitDB's document has it
      connectionGater: { denyDialMultiaddr: () => false },
      // what OrbitDB asks for beyond Helia's own
      services: { ...services, pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) }
    })
  )
  await helia.start()
  const { libp2p } = helia
  return Object.assign(helia, {
    asked: {
      peerId: async () => libp2p.peerId.toString(),
      /** Gives the address that the connection has. */
      dial: async (addr: string) => {
        // about one WebRTC dial of a page in 12 hangs until its timeout of 6 s (@libp2p/webrtc 6.0)
        const dial = () => libp2p.dial(multiaddr(addr))
        return (await dial().catch(dial).catch(dial)).remoteAddr.toString()
      },
      /** The first own address that has this in it, once there is one. */
      addr: async (part: string) => {
        const own = () => libp2p.getMultiaddrs().find(addr => addr.toString().includes(part))
        const known = wait()
        while (own() == null) {
          await new Promise<void>((resolve, reject) => {
            libp2p.addEventListener('self:peer:update', () => resolve(), { once: true })
            known.addEventListener('abort', () => reject(new Error(`no address with ${part}`)), { once: true })
          })
        }
        return own()!.toString()
      },
      /** The connections to a peer: transport's address, and whether it has limits. */
      connections: async (peerId: string) =>
        libp2p
          .getConnections()
          .filter(({ remotePeer }) => remotePeer.toString() === peerId)
          .map(({ remoteAddr, limits, multiplexer }) => ({
            addr: remoteAddr.toString(),
            limited: limits != null,
            multiplexer
          }))
    }
  })
}
