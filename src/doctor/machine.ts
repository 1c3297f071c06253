import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { multiaddr } from '@multiformats/multiaddr'
import { scopeOf } from '../addr.ts'
import { wordsFor } from '../files.ts'
import { type Native, nativeFault, packageOf } from '../transports/native.ts'
import { engines } from '../version.ts'
import type { Check, Found } from './check.ts'

/** What can be seen without a word to anybody. */
export function machineChecks(): Check[] {
  const group = 'machine'
  return [
    { group, name: 'node', look: async () => lookAtNode(process.versions.node) },
    { group, name: 'quic-native', look: () => lookAtNative('QUIC') },
    { group, name: 'webrtc-native', look: () => lookAtNative('WebRTC') },
    { group, name: 'interfaces', look: async () => lookAtInterfaces(networkInterfaces()) },
    { group, name: 'ipv6', look: async () => lookAtIpv6(networkInterfaces()) },
    { group, name: 'tcp-port', look: async () => await lookAtPort('TCP', bindTcp) },
    { group, name: 'udp-port', look: async () => await lookAtPort('UDP', bindUdp) }
  ]
}

/** Against the range in package.json, of the form `>=22.12`. */
export function lookAtNode(version: string): Found {
  const [wantedMajor = 0, wantedMinor = 0] = engines.replace('>=', '').split('.').map(Number)
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const enough = major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)
  const message = `${version} on ${process.platform} ${process.arch}`
  if (enough) return { status: 'ok', message }
  const fix = 'get a newer one at nodejs.org, or: npx --package=node@24 --package=p2pctl -- p2pctl'
  return { status: 'fail', message: `${message}, and p2pctl needs ${engines}`, fix }
}

/** A warning where it is missing: everything else works without it. */
export async function lookAtNative(what: Native): Promise<Found> {
  const name = packageOf(what)
  const fault = await nativeFault(what)
  if (fault == null) return { status: 'ok', message: `${name} loads`, package: name }
  return { status: 'warn', message: fault.message, fix: fault.hint ?? null, package: name }
}

type Interfaces = ReturnType<typeof networkInterfaces>

/** Addresses of interfaces that lead out of this machine, or of loopback. */
export function addrsOf(interfaces: Interfaces, which: { internal: boolean; family?: 'IPv4' | 'IPv6' }): string[] {
  return Object.values(interfaces).flatMap(list =>
    (list ?? [])
      .filter(({ internal, family }) => internal === which.internal && (which.family ?? family) === family)
      .map(({ address }) => address)
  )
}

export function lookAtInterfaces(interfaces: Interfaces): Found {
  if (addrsOf(interfaces, { internal: true }).length === 0) {
    const fix = 'bring the loopback interface up: ip link set lo up'
    return { status: 'fail', message: 'no loopback address', fix, addrs: [] }
  }
  const outward = Object.entries(interfaces).filter(([, list]) => list?.some(({ internal }) => !internal))
  const addrs = addrsOf(interfaces, { internal: false })
  if (outward.length === 0) {
    const fix = 'peers on other machines are out of reach: connect this machine to a network'
    return { status: 'warn', message: 'nothing but loopback', fix, addrs }
  }
  const named = outward.map(([name, list]) => `${name} ${list!.map(({ address }) => address).find(isPlain) ?? ''}`)
  return { status: 'ok', message: named.map(text => text.trim()).join(', '), addrs }
}

export function lookAtIpv6(interfaces: Interfaces): Found {
  const addrs = addrsOf(interfaces, { internal: false, family: 'IPv6' })
  const global = addrs.filter(address => scopeOf(multiaddr(`/ip6/${address}`)) === 'public')
  const fix = 'peers that have IPv6 addresses only are out of reach: ask whoever runs the network for IPv6'
  if (global.length > 0) return { status: 'ok', message: global.join(', '), addrs }
  if (addrs.length > 0) return { status: 'warn', message: 'no global address, only local ones', fix, addrs }
  return { status: 'warn', message: 'no address', fix, addrs }
}

function isPlain(address: string): boolean {
  return !/^fe[89ab]/i.test(address)
}

async function lookAtPort(protocol: string, bind: (host: string) => Promise<number>): Promise<Found> {
  try {
    const port = await bind('0.0.0.0')
    return { status: 'ok', message: `the system gives one (${port})`, port }
  } catch (error) {
    const fix = 'nobody can dial this machine: look at its limits (ulimit -n), its sandbox and its firewall'
    return { status: 'fail', message: `no ${protocol} port can be opened: ${wordsFor(error)}`, fix }
  }
}

/** A free port, by opening and closing it. */
export async function bindTcp(host: string): Promise<number> {
  const server = createServer().listen(0, host)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  return port
}

async function bindUdp(host: string): Promise<number> {
  const socket = createSocket('udp4').bind(0, host)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}
