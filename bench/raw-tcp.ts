// Bytes on a bare TCP socket, which is as far as the loopback of this machine goes: `raw-tcp.ts serve` prints its port, takes
// what comes and answers at its end; `raw-tcp.ts send PORT BYTES` prints how many ms that took.
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

const [what, port, bytes] = process.argv.slice(2)
const CHUNK = Buffer.alloc(1 << 16)

if (what === 'serve') {
  const server = createServer({ allowHalfOpen: true }, socket => {
    socket.on('error', () => {})
    socket.on('data', () => {})
    socket.on('end', () => socket.end('.'))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
} else {
  const socket = connect({ host: '127.0.0.1', port: Number(port), allowHalfOpen: true })
  await once(socket, 'connect')
  const startedAt = performance.now()
  for (let sent = 0; sent < Number(bytes); sent += CHUNK.length) {
    if (!socket.write(CHUNK)) await once(socket, 'drain')
  }
  socket.end()
  await once(socket, 'data')
  process.stdout.write(`${performance.now() - startedAt}\n`)
}
