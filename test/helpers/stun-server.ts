// A STUN server for the lab: `node stun-server.ts IP PORT` says `ready`, then a line for each address that asks it.
// Binding requests over UDP alone, as RFC 8489 has them: what WebRTC needs to learn its address outside of a NAT.
import { createSocket, type RemoteInfo } from 'node:dgram'

const BINDING_REQUEST = 0x0001
const BINDING_SUCCESS = 0x0101
const MAGIC_COOKIE = 0x2112a442
const XOR_MAPPED_ADDRESS = 0x0020
const HEADER_BYTES = 20

const [host, port] = process.argv.slice(2)
const socket = createSocket('udp4')
socket.on('message', (request, from) => {
  if (request.length < HEADER_BYTES || request.readUInt16BE(0) !== BINDING_REQUEST) return
  if (request.readUInt32BE(4) !== MAGIC_COOKIE) return
  socket.send(answer(request, from), from.port, from.address)
  console.log(`${from.address} ${from.port}`)
})
socket.bind(Number(port), host, () => console.log('ready'))

/** Where the request came from; under the cookie, since some NATs rewrite what looks like an address of theirs. */
function answer(request: Buffer, { address, port }: RemoteInfo): Buffer {
  const attribute = Buffer.alloc(12)
  attribute.writeUInt16BE(XOR_MAPPED_ADDRESS, 0)
  attribute.writeUInt16BE(8, 2)
  attribute.writeUInt8(0x01, 5) // IPv4
  attribute.writeUInt16BE(port ^ (MAGIC_COOKIE >>> 16), 6)
  const ip = Buffer.from(address.split('.').map(Number)).readUInt32BE(0)
  attribute.writeUInt32BE((ip ^ MAGIC_COOKIE) >>> 0, 8)
  const header = Buffer.from(request.subarray(0, HEADER_BYTES))
  header.writeUInt16BE(BINDING_SUCCESS, 0)
  header.writeUInt16BE(attribute.length, 2)
  return Buffer.concat([header, attribute])
}
