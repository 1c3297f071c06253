import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { multiaddr } from '@multiformats/multiaddr'
import { scopeOf } from '../addr.ts'
import { wordsFor } from '../files.ts'
import { engines } from '../version.ts'
import type { Check, Found } from './check.ts'

/** What can be seen without a word to anybody. */
export function machineChecks(): Check[] {
  const group = 'machine'
  return [
    { group, name: 'node', look: async () => lookAtNode(process.versions.node) },
    { group, name: 'quic', look: async () => lookAtAddon('quic') },
    { group, name: 'webrtc', look: async () => lookAtAddon('webrtc') },
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

export type Addon = 'quic' | 'webrtc'

const require = createRequire(import.meta.url)

/** The package with the native code of a transport for this machine. */
export function packageOf(addon: Addon): string {
  if (addon === 'webrtc') return 'node-datachannel'
  const { platform, arch } = process
  const libc = platform === 'win32' ? '-msvc' : platform === 'linux' ? (isMusl() ? '-musl' : '-gnu') : ''
  return `@chainsafe/libp2p-quic-${platform}-${arch}${libc}`
}

function isMusl(): boolean {
  const { header } = process.report.getReport() as { header?: { glibcVersionRuntime?: string } }
  return header?.glibcVersionRuntime == null
}

/** The package that is missing, or why the native code does not load; null where it does. */
export function addonFault(addon: Addon): { missing: string } | { broken: string } | null {
  try {
    require(packageOf(addon))
    return null
  } catch (error) {
    const { message } = error as Error
    // node-datachannel has its native code in a package of its own, and says so in the middle of a sentence (0.33)
    const missing = /Cannot find (?:module|package) '([^']+)'/.exec(message)?.[1]
    return missing == null ? { broken: message.split('\n')[0] ?? '' } : { missing }
  }
}

function lookAtAddon(addon: Addon): Found {
  const fault = addonFault(addon)
  const name = packageOf(addon)
  if (fault == null) return { status: 'ok', message: `${name} loads`, package: name }
  const what = addon === 'quic' ? 'QUIC' : 'WebRTC'
  const fix = `without ${what} the rest works; to have it: npm install --include=optional p2pctl`
  if ('missing' in fault) {
    return { status: 'warn', message: `${fault.missing} is not installed`, fix, package: fault.missing }
  }
  return { status: 'warn', message: `${name} does not load: ${fault.broken}`, fix, package: name }
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
