// A plain js-libp2p node in a process of its own, with nothing of ours in it: with the address of a relay it listens there
// and prints its WebRTC address; with that of a peer it sends the lines of stdin to the peer's echo, and prints the answer.
import { text } from 'node:stream/consumers'
import { multiaddr } from '@multiformats/multiaddr'
import { webrtcPeer } from './webrtc-peer.ts'

const [what, addr] = process.argv.slice(2)
if (what === 'listen') {
  const node = await webrtcPeer(addr!)
  console.log(
    node
      .getMultiaddrs()
      .find(own => own.toString().includes('/webrtc/'))!
      .toString()
  )
} else {
  const node = await webrtcPeer(null)
  const connection = await node.dial(multiaddr(addr!), { signal: AbortSignal.timeout(20_000) })
  const stream = await connection.newStream('/echo/1.0.0')
  stream.send(Buffer.from(await text(process.stdin)))
  const heard: string[] = []
  stream.addEventListener('message', ({ data }) => heard.push(Buffer.from(data.subarray()).toString()))
  stream.addEventListener('remoteCloseWrite', () => {
    console.log(
      JSON.stringify({ heard: heard.join(''), direct: connection.limits == null, muxer: connection.multiplexer })
    )
    process.exit(0)
  })
  await stream.close()
}
