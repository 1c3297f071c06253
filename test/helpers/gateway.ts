// A router as UPnP finds it: answers the search for an Internet gateway that comes to its address (argument 1).
import { createSocket } from 'node:dgram'

const own = process.argv[2]!
const socket = createSocket({ type: 'udp4', reuseAddr: true })
socket.on('message', (bytes, from) => {
  const search = bytes.toString()
  if (!search.startsWith('M-SEARCH * HTTP/1.1\r\n') || !search.includes('\r\nMAN: "ssdp:discover"\r\n')) return
  const device = /^ST: (urn:schemas-upnp-org:device:InternetGatewayDevice:1)\r$/m.exec(search)?.[1]
  if (device == null) return
  const answer = [
    'HTTP/1.1 200 OK',
    `ST: ${device}`,
    'SERVER: test/1 \x1b[2JUPnP/1.0',
    `LOCATION: http://${own}/`,
    '',
    ''
  ]
  // others answer too, and are no gateway
  socket.send('HTTP/1.1 200 OK\r\nST: upnp:rootdevice\r\nSERVER: a lamp\r\n\r\n', from.port, from.address)
  socket.send(answer.join('\r\n'), from.port, from.address)
})
socket.bind(1900, () => {
  socket.addMembership('239.255.255.250', own)
  console.log('ready')
})
