import { createSocket, type Socket } from 'node:dgram'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { networkInterfaces } from 'node:os'
import { wordsFor } from '../files.ts'
import { orAbort } from '../flow.ts'
import { startLimit } from '../limit.ts'
import { safe } from '../safe.ts'
import type { Check, Found } from './check.ts'
import { addrsOf } from './machine.ts'

/** What answers on the local network: each check sends one multicast packet on each interface. */
export function neighbourChecks(): Check[] {
  const group = 'local-network'
  return [
    { group, name: 'mdns', look: lookAtMdns },
    { group, name: 'upnp', look: lookAtUpnp }
  ]
}

const MDNS = { group: '224.0.0.251', port: 5353, name: '_p2p._udp.local', waitMs: 1000 }
const SSDP = { group: '239.255.255.250', port: 1900, device: 'InternetGatewayDevice:1', waitMs: 2000 }

/** IPv4 addresses to send from; loopback where there is nothing else, since peers on this machine meet there. */
function sources(): string[] {
  const outward = addrsOf(networkInterfaces(), { internal: false, family: 'IPv4' })
  return outward.length > 0 ? outward : addrsOf(networkInterfaces(), { internal: true, family: 'IPv4' })
}

/** Whether a question of libp2p's discovery comes back to whoever listens on the same interface. */
async function lookAtMdns(signal: AbortSignal): Promise<Found> {
  const addrs = sources()
  if (addrs.length === 0)
    return {
      status: 'warn',
      message: 'no IPv4 interface',
      fix: 'mDNS is spoken over IPv4: give this machine an address'
    }
  const socket = createSocket({ type: 'udp4', reuseAddr: true })
  using _open = closing(socket)
  try {
    socket.bind(MDNS.port)
    await once(socket, 'listening', { signal })
  } catch (error) {
    signal.throwIfAborted()
    const fix = 'another program may hold that port for itself alone: ss -ulnp'
    return { status: 'warn', message: `UDP port ${MDNS.port} cannot be opened: ${wordsFor(error)}`, fix }
  }
  const heard: string[] = []
  for (const addr of addrs) if (await hears(socket, addr, signal)) heard.push(addr)
  if (heard.length === addrs.length) {
    return { status: 'ok', message: `multicast is heard on ${heard.join(', ')}`, addrs: heard }
  }
  const deaf = addrs.filter(addr => !heard.includes(addr))
  const fix =
    'peers are not found by --mdns there: look at the firewall (UDP 5353), and whether the network has multicast'
  return { status: 'warn', message: `no multicast on ${deaf.join(', ')}`, fix, addrs: heard }
}

async function hears(socket: Socket, addr: string, signal: AbortSignal): Promise<boolean> {
  const question = mdnsQuestion()
  using limit = startLimit(MDNS.waitMs, signal)
  const { promise: heard, resolve: hear } = Promise.withResolvers<void>()
  const onMessage = (bytes: Buffer): void => {
    if (bytes.equals(question)) hear()
  }
  try {
    socket.addMembership(MDNS.group, addr)
    socket.setMulticastInterface(addr)
    socket.setMulticastTTL(255)
    socket.on('message', onMessage)
    await send(socket, question, MDNS)
    await orAbort(heard, limit.signal)
    return true
  } catch {
    signal.throwIfAborted()
    return false
  } finally {
    socket.off('message', onMessage)
  }
}

/** A PTR question (RFC 6762), told from those of others by its ID. */
function mdnsQuestion(): Buffer {
  const labels = MDNS.name.split('.').flatMap(label => [Buffer.from([label.length]), Buffer.from(label)])
  const head = Buffer.from([...randomBytes(2), 0, 0, 0, 1, 0, 0, 0, 0, 0, 0])
  return Buffer.concat([head, ...labels, Buffer.from([0, 0, 12, 0, 1])])
}

/** Asks for a router that opens ports (UPnP IGD), and does not ask it to open one. */
async function lookAtUpnp(signal: AbortSignal): Promise<Found> {
  const outward = addrsOf(networkInterfaces(), { internal: false, family: 'IPv4' })
  const none = 'no gateway answers'
  const fix = 'turn UPnP on in the router, forward a port by hand, or be reached through a relay (listen --circuit)'
  if (outward.length === 0) return { status: 'warn', message: `${none}: no IPv4 network`, fix }
  const socket = createSocket('udp4')
  using _open = closing(socket)
  using limit = startLimit(SSDP.waitMs, signal)
  const { promise: answered, resolve: answer } = Promise.withResolvers<Found>()
  socket.on('message', (bytes, from) => {
    const text = bytes.toString('latin1')
    if (!text.startsWith('HTTP/1.1 200') || !text.includes('InternetGatewayDevice')) return
    const server = /^server: *(.+?)\r?$/im.exec(text)?.[1]
    const what = server == null ? '' : ` (${safe(server, 60)})`
    answer({ status: 'ok', message: `the gateway ${from.address} opens ports${what}`, addr: from.address })
  })
  try {
    socket.bind(0)
    await once(socket, 'listening', { signal: limit.signal })
    for (const addr of outward) {
      socket.setMulticastInterface(addr)
      socket.setMulticastTTL(2)
      await send(socket, Buffer.from(search), SSDP)
    }
    return await orAbort(answered, limit.signal)
  } catch (error) {
    signal.throwIfAborted()
    const why = limit.passed ? ` within ${SSDP.waitMs / 1000} s` : `: ${wordsFor(error)}`
    return { status: 'warn', message: `${none}${why}`, fix }
  }
}

const search = [
  'M-SEARCH * HTTP/1.1',
  `HOST: ${SSDP.group}:${SSDP.port}`,
  'MAN: "ssdp:discover"',
  'MX: 1',
  `ST: urn:schemas-upnp-org:device:${SSDP.device}`,
  '',
  ''
].join('\r\n')

/** Done before the next one, which may leave by another interface. */
function send(socket: Socket, bytes: Buffer, { group, port }: { group: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.send(bytes, port, group, error => (error == null ? resolve() : reject(error)))
  })
}

function closing(socket: Socket): Disposable {
  // an error that nobody waits for, as when an interface goes away
  socket.on('error', () => {})
  return { [Symbol.dispose]: () => socket.close() }
}
