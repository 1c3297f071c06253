import type { Connection, ConnectionProtector, Libp2p, PrivateKey, Transport, Upgrader } from '@libp2p/interface'
import type { AddressManager, ConnectionManager, Registrar, TransportManager } from '@libp2p/interface-internal'
import type { CircuitRelayTransportComponents } from '@libp2p/circuit-relay-v2'
import type { WebRTCDirectTransportComponents } from '@libp2p/webrtc'
import type { Multiaddr } from '@multiformats/multiaddr'
import { parseAddr, relayPart, transportOf } from './addr.ts'
import { Failure } from './errors.ts'
import { within } from './flow.ts'
import { forgetPeers } from './forget.ts'
import type { GateOptions } from './gate.ts'
import { openGuard } from './guarded.ts'
import { timeLimit } from './limit.ts'
import { type Limits, limitsOf } from './limits.ts'
import { quietUnlessAsked } from './logger.ts'
import { defaultMuxers, defaultSecurity, type OfferOptions } from './offers.ts'
import { assertPrivate, assertPrivateListener } from './private-network.ts'
import { loadEncrypters, loadMuxers } from './security.ts'
import { guardStreams } from './stream-limits.ts'
import { loadTransport, transportFor, type TransportName, type TransportOptions, whyNoTransport } from './transports.ts'
import { runtime } from './runtime.ts'
import { version } from './version.ts'

/** The parts of a libp2p node that a service may ask for: its public extension point. */
export type Components = CircuitRelayTransportComponents &
  WebRTCDirectTransportComponents & {
    addressManager: AddressManager
    connectionManager: ConnectionManager
    registrar: Registrar
    transportManager: TransportManager & { add(transport: Transport): void }
    privateKey: PrivateKey
    upgrader: Upgrader
    connectionProtector?: ConnectionProtector
  }

/** Makes one of the services of a node. */
export type Service = (components: Components) => unknown

interface Startable {
  start?(): Promise<void>
  stop?(): Promise<void>
}

export interface NodeOptions extends TransportOptions, OfferOptions, GateOptions {
  /** A private key file; without one the identity is new in each run. */
  identity?: string | undefined
  /** What to tell peers instead of the addresses that the node listens on. */
  announce?: string[] | undefined
  /** Beside identify: the protocols that this node answers. */
  services?: Record<string, Service> | undefined
  /** Asked before a service dials an address by itself; what a command dials it dials as it was told to. */
  mayDial?: ((addr: Multiaddr) => boolean) | undefined
  /** What peers may cost where it is not the default (limits.ts). */
  limit?: Partial<Limits> | undefined
}

/** A started libp2p node; `await using` says who owns it. */
export interface Node extends AsyncDisposable {
  readonly libp2p: Libp2p
  readonly components: Components
  readonly peerId: string
  /** What it offers, in the order of preference. */
  readonly offers: { security: string[]; muxers: string[] }
  /** Of the key of the private network that it is in (psk.ts); null in none. */
  readonly fingerprint: string | null
  /** Loads a transport once; a node starts with none. */
  use(name: TransportName): Promise<void>
}

/** How long one connection may take to close. */
const CLOSE_MS = 300

export async function openNode(options: NodeOptions): Promise<Node> {
  const { security = defaultSecurity, muxer: muxers = defaultMuxers, psk } = options
  const limits = limitsOf(options.limit)
  const [{ createLibp2p }, { identify }, connectionEncrypters, streamMuxers] = await Promise.all([
    import('libp2p'),
    import('@libp2p/identify'),
    loadEncrypters(security),
    loadMuxers(muxers, limits)
  ])
  const identity = options.identity == null ? null : await readIdentity(options.identity)
  const swarmKey = psk == null ? null : await (await import('./psk.ts')).readSwarmKey(psk)
  const guard = openGuard(limits, options)
  let components: Components | undefined
  const libp2p = await createLibp2p({
    ...(identity != null && { privateKey: identity }),
    ...quietUnlessAsked(),
    nodeInfo: { name: 'p2pctl', version, userAgent: `p2pctl/${version} ${runtime}` },
    addresses: { announce: options.announce?.map(addr => parseAddr(addr).toString()) ?? [] },
    connectionEncrypters: connectionEncrypters.map(guard.encrypter),
    streamMuxers,
    ...(swarmKey != null && { connectionProtector: await (await import('./protector.ts')).loadProtector(swarmKey) }),
    // it pings every 10 s and aborts the connection when that fails: it would falsify what we measure
    connectionMonitor: { enabled: false },
    connectionGater: {
      ...guard.gater,
      denyDialMultiaddr: addr => options.mayDial?.(addr) === false
    },
    connectionManager: {
      maxConnections: limits.connections,
      // the guard counts them, and says whom it refuses: libp2p, which counts each a moment longer, is not in its way
      maxIncomingPendingConnections: 2 * limits.pending,
      inboundConnectionThreshold: Number.POSITIVE_INFINITY,
      inboundUpgradeTimeout: limits['upgrade-timeout']
    },
    services: {
      ...options.services,
      // asked once and with a signal: running by itself as well makes both calls fail (libp2p 3.3)
      identify: identify({ runOnConnectionOpen: false }),
      parts: (parts: Components) => {
        components = parts
        // not the parts themselves: libp2p would start them as a service, forever
        return {}
      }
    }
  })
  forgetPeers(libp2p)
  const parts = components!
  guard.upgrader(parts.upgrader)
  guard.watch(libp2p)
  guardStreams(parts.upgrader, limits, parts)
  const loaded = new Map<TransportName, Promise<void>>()
  const started: Startable[] = []
  const use = async (name: TransportName): Promise<void> => {
    if (swarmKey != null) assertPrivate(name)
    const transport: Transport & Startable = (await loadTransport(name, options))(parts)
    guard.transport(transport)
    parts.transportManager.add(transport)
    // libp2p starts and stops only those that it was made with
    await transport.start?.()
    started.push(transport)
  }
  return {
    libp2p,
    components: parts,
    peerId: libp2p.peerId.toString(),
    offers: { security, muxers },
    fingerprint: swarmKey?.fingerprint ?? null,
    use: name => {
      if (!loaded.has(name)) loaded.set(name, use(name))
      return loaded.get(name)!
    },
    [Symbol.asyncDispose]: async () => {
      guard[Symbol.dispose]()
      await within(limits['stop-in-order'], stopInOrder(libp2p, started))
      for (const connection of libp2p.getConnections()) connection.abort(new Error('this side has stopped'))
    }
  }
}

async function stopInOrder(libp2p: Libp2p, started: Startable[]): Promise<void> {
  // those through a relay first: it would else call the circuit broken when the way to it closes
  const relayed = libp2p.getConnections().filter(({ remoteAddr }) => relayPart(remoteAddr) != null)
  await Promise.all(relayed.map(closeInOrder))
  await libp2p.stop()
  await Promise.all(started.map(transport => transport.stop?.()))
}

async function closeInOrder(connection: Connection): Promise<void> {
  const signal = timeLimit(CLOSE_MS)
  const closed = new Promise<void>(resolve => {
    connection.addEventListener('close', () => resolve())
    signal.addEventListener('abort', () => resolve())
  })
  await connection.close({ signal }).catch(() => {})
  await closed
}

/** Listen on one address, or fail with the reason: libp2p is silent about some when others work. */
export async function listenOn(node: Node, addr: string): Promise<void> {
  const ma = parseAddr(addr)
  const kind = transportOf(ma)
  if (node.fingerprint != null) assertPrivateListener(addr, kind)
  if (kind === 'webrtc') {
    throw new Failure('no_such_listener', `cannot listen on ${addr}: peers agree on WebRTC through a relay`, {
      phase: 'listen',
      addr,
      hint: 'p2pctl listen --webrtc --circuit RELAY'
    })
  }
  const name = transportFor(kind)
  if (name == null) {
    const { says, hint } = whyNoTransport(kind)
    throw new Failure('no_such_listener', `cannot listen on ${addr}: ${says}`, { phase: 'listen', addr, hint })
  }
  await listenable(addr, () => node.use(name))
  const { transportManager } = node.components
  const before = transportManager.getAddrs().length
  const listen = async (): Promise<void> => {
    try {
      await transportManager.listen([ma])
    } catch (error) {
      throw listenFailure(addr, error)
    }
  }
  const path = kind === 'unix' ? pathOf(ma) : null
  if (path == null) await listen()
  else await (await import('./transports/unix.ts')).bindUnix(path, addr, listen)
  const addrs = transportManager.getAddrs()
  // "every interface" of a family that the machine does not have: the bind works, and there is nothing to dial
  if (addrs.length === before) throw listenFailure(addr, new Error('EADDRNOTAVAIL'))
  confirmAddrs(node, addrs)
}

/** Without this a public address is told to nobody until an AutoNAT server has seen it (libp2p 3.3). */
export function confirmAddrs(node: Node, addrs: Multiaddr[]): void {
  for (const addr of addrs) {
    // a file has no place in its list of IP addresses, which throws (libp2p 3.3)
    if (pathOf(addr) == null) node.components.addressManager.confirmObservedAddr(addr, { type: 'transport' })
  }
}

/** What cannot be loaded, or goes past the key of the network, cannot be listened with. */
export async function listenable(addr: string, load: () => Promise<void>): Promise<void> {
  try {
    await load()
  } catch (error) {
    if (!(error instanceof Failure) || error.code !== 'no_transport') throw error
    const { message, hint, cause } = error
    const options = { phase: 'listen', addr, hint, cause } as const
    throw new Failure('no_such_listener', `cannot listen on ${addr}: ${message}`, options)
  }
}

/** Of the socket file that an address begins with. */
function pathOf(addr: Multiaddr): string | null {
  const [first] = addr.getComponents()
  return first?.name === 'unix' ? first.value! : null
}

/** Why it cannot listen there. The error number of a listener stands only in the text of the message (libp2p 3.3). */
export function listenFailure(addr: string, cause: unknown): Failure {
  const text = cause instanceof Error ? cause.message : String(cause)
  const options = { phase: 'listen', addr, cause } as const
  const isFile = addr.startsWith('/unix/')
  // QUIC has words of its own for them (@chainsafe/libp2p-quic 2.1)
  if (/EADDRINUSE|Address already in use|There is already a listener for/.test(text)) {
    return new Failure('address_in_use', `cannot listen on ${addr}: the address is in use`, {
      ...options,
      ...(isFile && { hint: 'another process listens there: choose another path' })
    })
  }
  if (/EADDRNOTAVAIL|EAFNOSUPPORT|EINVAL|assign requested address|family not supported/.test(text)) {
    return new Failure('address_not_available', `cannot listen on ${addr}: this machine has no such address`, options)
  }
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) {
    return new Failure('address_not_available', `cannot listen on ${addr}: the name does not resolve`, options)
  }
  if (/EACCES|Permission denied/.test(text)) {
    return new Failure('address_not_available', `cannot listen on ${addr}: permission denied`, {
      ...options,
      hint: isFile ? 'choose a folder of your own' : 'ports below 1024 need privileges: choose a higher one'
    })
  }
  return new Failure(
    'no_such_listener',
    `cannot listen on ${addr}: ${text.split('\n').at(-1)?.trim() || text}`,
    options
  )
}

async function readIdentity(path: string): Promise<PrivateKey> {
  const { readKeyFile } = await import('./keys.ts')
  return (await readKeyFile(path)).key
}
