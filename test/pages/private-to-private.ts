// libp2p's "WebRTC private to private" example as its README describes it, written from there with the packages that
// are published: Remote MultiAddress, Connect, Message, Send, and an output that reads as the README's.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { webRTC } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import type { Connection } from '@libp2p/interface'

const ECHO = '/echo/1.0.0'
const text = new TextDecoder()

const find = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T
const say = (line: string): void => {
  const div = document.createElement('div')
  div.textContent = line
  find('output').append(div)
}

const node = await createLibp2p({
  addresses: { listen: ['/p2p-circuit', '/webrtc'] },
  transports: [webSockets(), webRTC({ rtcConfiguration: { iceServers: [] } }), circuitRelayTransport()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false },
  services: { identify: identify(), identifyPush: identifyPush(), ping: ping() }
})
/** The direct one to the other browser, whoever of the two has dialed. */
let direct: Connection | undefined
let told: string | undefined

node.addEventListener('connection:open', ({ detail }) => {
  if (detail.multiplexer === '/webrtc') direct = detail
})

node.addEventListener('self:peer:update', () => {
  const listening = node.getMultiaddrs().find(addr => addr.toString().includes('/p2p-circuit/webrtc/'))
  if (listening == null || listening.toString() === told) return
  told = listening.toString()
  say(`Listening on ${told}`)
})

/** What has come is said, and goes back. */
await node.handle(ECHO, async stream => {
  for await (const part of stream) {
    say(`Received message '${text.decode(part.subarray())}'`)
    stream.send(part)
  }
  await stream.close()
})

find('connect').onclick = async () => {
  const addr = multiaddr(find<HTMLInputElement>('peer').value)
  say(`Dialing '${addr}'`)
  try {
    // about one WebRTC dial of a page in 12 hangs until its timeout of 6 s (@libp2p/webrtc 6.0)
    const dial = () => node.dial(addr)
    await dial().catch(dial).catch(dial)
    say(`Connected to '${addr}'`)
  } catch (error) {
    say(`Connecting failed: ${error}`)
  }
}

find('send').onclick = async () => {
  const message = find<HTMLInputElement>('message').value
  say(`Sending message '${message}'`)
  try {
    const stream = await direct!.newStream(ECHO)
    stream.send(new TextEncoder().encode(message))
    await stream.close()
    let back = ''
    for await (const part of stream) back += text.decode(part.subarray(), { stream: true })
    say(`Received message '${back}'`)
  } catch (error) {
    say(`Sending failed: ${error}`)
  }
}
