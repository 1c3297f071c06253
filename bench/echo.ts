// Raw TCP between two Node processes, which is as far as the loopback of this machine goes: `echo.ts serve` prints its port
// and sends back what comes, `echo.ts ping PORT COUNT` prints the round trips of 32 bytes, one after another, as JSON in ms.
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'

const [what, port, count] = process.argv.slice(2)

if (what === 'serve') {
  const server = createServer({ noDelay: true }, socket => {
    socket.on('error', () => {})
    socket.on('data', bytes => socket.write(bytes))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  process.stdout.write(`${(server.address() as AddressInfo).port}\n`)
} else {
  const socket = connect({ host: '127.0.0.1', port: Number(port), noDelay: true })
  await once(socket, 'connect')
  const times: number[] = []
  let sentAt = 0
  let missing = 0
  const send = (): void => {
    const payload = randomBytes(32)
    missing = payload.length
    sentAt = performance.now()
    socket.write(payload)
  }
  socket.on('data', bytes => {
    missing -= bytes.length
    if (missing > 0) return
    times.push(performance.now() - sentAt)
    if (times.length < Number(count)) send()
    else socket.end(() => process.stdout.write(JSON.stringify(times)))
  })
  send()
}
