/** Who asks the HTTP servers of p2pctl badly: the exporter's, that of the page, and the metrics of who listens. */
import { connect, type Socket } from 'node:net'
import { type AtRow, listenerRow, type Target } from './at.ts'
import { fateOf, first } from './at-wire.ts'

const MAX_SLOW_MS = 8000

async function visit(target: Target): Promise<Socket> {
  const { hostname, port } = target.url!
  const socket = connect({ host: hostname, port: Number(port), localAddress: target.newSource() })
  socket.on('error', () => {})
  target.owns(() => socket.destroy())
  await first(socket, 'connect', 'close')
  return socket
}

const closedOf = (socket: Socket): Promise<void> =>
  socket.destroyed ? Promise.resolve() : new Promise(resolve => socket.once('close', () => resolve()).resume())

/** The status of the first answer. */
async function statusOf(target: Target, socket: Socket): Promise<string> {
  let text = ''
  socket.on('data', bytes => {
    text += bytes
  })
  await fateOf(target, closedOf(socket))
  return /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? (socket.destroyed ? 'closed' : 'served')
}

const request = (target: Target, more = ''): string =>
  `GET ${pathOf(target)} HTTP/1.1\r\nHost: ${target.url!.host}\r\n${more}\r\n`
const pathOf = ({ url }: Target): string => url!.pathname

const row = (
  id: string,
  says: string,
  fate: AtRow['fate'],
  attack: AtRow['attack'],
  more: Partial<AtRow> = {}
): AtRow =>
  listenerRow('http', {
    id,
    says,
    fate,
    attack,
    commands: ['exporter', 'browser', 'listen, watched'],
    over: ['tcp'],
    withinMs: 2000,
    ...more
  })

export const httpRows: AtRow[] = [
  row(
    'slow-headers',
    'begins 50 requests, and sends a byte of their headers a second',
    'closed',
    async target => {
      const sockets = await Promise.all(Array.from({ length: 50 }, () => visit(target)))
      for (const socket of sockets) socket.write('GET / HTTP/1.1\r\nX-Slow: ')
      const timer = setInterval(() => {
        for (const socket of sockets) if (socket.writable) socket.write('x')
      }, 1000)
      target.owns(() => clearInterval(timer))
      return await fateOf(target, ...sockets.map(closedOf))
    },
    { withinMs: MAX_SLOW_MS }
  ),
  row('huge-headers', 'headers of 1 MiB', '431', async target => {
    const socket = await visit(target)
    socket.write(request(target, `X-Huge: ${'x'.repeat(1 << 20)}\r\n`))
    return await statusOf(target, socket)
  }),
  row('endless-body', 'a request whose body has no end', 'closed', async target => {
    const socket = await visit(target)
    socket.write(request(target, 'Transfer-Encoding: chunked\r\n').replace('GET', 'POST'))
    const chunk = Buffer.concat([Buffer.from('10000\r\n'), Buffer.alloc(65_536), Buffer.from('\r\n')])
    const closed = closedOf(socket)
    for (let sent = 0; sent < 512 && socket.writable; sent++) {
      const taken = new Promise(resolve => socket.write(chunk, resolve))
      await Promise.race([taken, closed])
    }
    return await fateOf(target, closed)
  }),
  row('garbage', 'sends what is no HTTP', '400', async target => {
    const socket = await visit(target)
    socket.write(Buffer.alloc(4096, '\x00\xff\r\n'))
    return await statusOf(target, socket)
  }),
  row('pipelined', '1,000 requests at once on one connection', null, async target => {
    const socket = await visit(target)
    socket.resume()
    socket.write(request(target).repeat(1000))
    await target.served
    return 'gone'
  }),
  row('never-reads', 'asks 2,000 times, and reads no answer', null, async target => {
    const socket = await visit(target)
    socket.pause()
    socket.write(request(target).repeat(2000))
    await target.served
    return 'gone'
  }),
  row('flood', '500 connections with a request each', null, async target => {
    for (let round = 0; round < 20; round++) {
      const sockets = await Promise.all(Array.from({ length: 25 }, () => visit(target)))
      for (const socket of sockets) socket.resume().write(request(target, 'Connection: close\r\n'))
      await Promise.race([Promise.all(sockets.map(closedOf)), target.served])
    }
    return 'gone'
  }),
  row(
    'probe-flood',
    '200 probes of a port where nobody listens',
    null,
    async target => {
      const asks = Array.from({ length: 200 }, async () => {
        const socket = await visit(target)
        const path = '/probe?module=ping&target=/ip4/127.0.0.1/tcp/1'
        socket.resume().write(request(target, 'Connection: close\r\n').replace(/ \S+ /, ` ${path} `))
        await closedOf(socket)
      })
      await Promise.race([Promise.all(asks), target.served])
      return 'gone'
    },
    { commands: ['exporter'] }
  )
]
