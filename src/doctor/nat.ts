import { isIP, type Socket } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import type { Found } from './check.ts'

/** One TCP connection from both ends: what this side calls itself, and what the other side sees. */
export interface View {
  family: 4 | 6
  localIp: string
  localPort: number
  observedIp: string
  observedPort: number
}

/** Null where the connection is not over TCP, or the peer does not say what it sees. */
export function viewOf(
  socket: Pick<Socket, 'localAddress' | 'localPort'> | null,
  observed: string | null
): View | null {
  const { localAddress, localPort } = socket ?? {}
  if (localAddress == null || localPort == null || observed == null) return null
  const [host, tcp] = multiaddr(observed).getComponents()
  const family = isIP(host?.value ?? '')
  if ((family !== 4 && family !== 6) || tcp?.name !== 'tcp') return null
  const observedIp = host!.value!
  return { family, localIp: localAddress, localPort, observedIp, observedPort: Number(tcp.value) }
}

/** What the NAT between this machine and the peers does, as far as they can tell. */
export function natOf(views: View[]): Found {
  const translated = views.filter(view => view.observedIp !== view.localIp || view.observedPort !== view.localPort)
  const [first] = translated
  if (views.length === 0) {
    return { status: 'skip', message: 'nobody says what a TCP connection of this machine looks like', nat: 'unknown' }
  }
  if (first == null) return { status: 'ok', message: 'none: the peers see this machine as it is', nat: 'none' }
  const what = `${first.localIp} is seen as ${first.observedIp}`
  const twins = translated.filter(view => view.family === first.family && view.localPort === first.localPort)
  if (twins.length < 2) {
    const fix = 'name a second peer with --via, on another host, to tell whether hole punching can work'
    return { status: 'warn', message: `${what}; one peer cannot tell how`, fix, nat: 'unknown' }
  }
  const outside = new Set(twins.map(({ observedIp, observedPort }) => `${observedIp} ${observedPort}`))
  if (outside.size === 1) {
    const message = `${what}, one port for all (${first.localPort} becomes ${first.observedPort})`
    return { status: 'ok', message, nat: 'same-port' }
  }
  const ports = [...new Set(twins.map(({ observedPort }) => observedPort))].join(', ')
  const fix = 'hole punching does not work through it: use a relay (listen --circuit), or forward a port'
  return { status: 'warn', message: `${what}, another port for each peer (${ports}): symmetric`, fix, nat: 'symmetric' }
}
