/** The gate (gate.ts) around the parts of a libp2p node: its upgrader, encrypters and transports. */
import type {
  Connection,
  ConnectionEncrypter,
  ConnectionGater,
  Libp2p,
  MultiaddrConnection,
  Transport,
  Upgrader
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { relayPart } from './addr.ts'
import { createGate, type Gate, type GateOptions, type Guest } from './gate.ts'
import { guardListener, tooEarly, visit, visiting, watchSockets } from './guarded-sockets.ts'
import type { Limits } from './limits.ts'
import { watchMemory } from './memory.ts'
import { currentTrace } from './trace.ts'

type Encrypting<C> = (components: C) => ConnectionEncrypter

/** What a node is made with, and each of its transports. */
export interface Guard extends Disposable {
  gater: ConnectionGater
  encrypter<C>(factory: Encrypting<C>): Encrypting<C>
  upgrader(upgrader: Upgrader): void
  transport(transport: Transport): void
  /** Gives connections up when there is too little memory for them. */
  watch(libp2p: Libp2p): void
}

export function openGuard(limits: Limits, options: GateOptions): Guard {
  const gate = createGate(limits, options)
  const closes = ({ remoteAddr, remotePeer }: Connection): void => {
    gate.refused('memory-close', { origin: remotePeer.toString(), addr: remoteAddr.toString() })
  }
  let memory: Disposable | undefined
  return {
    gater: gaterOf(gate),
    encrypter: guardEncrypter,
    upgrader: upgrader => guardUpgrader(upgrader, gate),
    transport: transport => guardTransport(transport, gate),
    watch: libp2p => {
      memory = watchMemory(libp2p, { most: limits['memory-close'], memory: gate.memory, closes })
    },
    [Symbol.dispose]: () => {
      memory?.[Symbol.dispose]()
      gate[Symbol.dispose]()
    }
  }
}

/** The guest of each connection that is upgraded, or was. */
const known = new WeakMap<MultiaddrConnection, Guest>()

/** Every upgrade passes the gate, whatever transport it comes from. */
function guardUpgrader(upgrader: Upgrader, gate: Gate): void {
  const { upgradeInbound, upgradeOutbound } = upgrader
  const pass = async <T>(
    connection: MultiaddrConnection,
    arrive: (addr: string) => Guest | null,
    upgrade: () => Promise<T>
  ): Promise<T> => {
    const visit = visiting()
    const carried = visit?.gate === gate && !visit.guest.claimed ? visit.guest : null
    const guest = carried ?? arrive(connection.remoteAddr.toString())
    if (guest == null) throw new Error('a limit on connections was reached')
    guest.claimed = true
    known.set(connection, guest)
    connection.addEventListener('close', () => gate.leave(guest))
    if (!guest.counted) countData(connection, gate, guest)
    return await whileUpgrading(gate, guest, upgrade)
  }
  upgrader.upgradeInbound = async (...args: Parameters<typeof upgradeInbound>) => {
    const arrive = (addr: string) => gate.arrive(addr, ipOf(args[0].remoteAddr))
    await pass(args[0], arrive, () => upgradeInbound.apply(upgrader, args))
  }
  upgrader.upgradeOutbound = async (...args: Parameters<typeof upgradeOutbound>) =>
    await pass(args[0], gate.dial, () => upgradeOutbound.apply(upgrader, args))
}

async function whileUpgrading<T>(gate: Gate, guest: Guest, upgrade: () => Promise<T>): Promise<T> {
  try {
    return await visit({ gate, guest }, upgrade)
  } catch (error) {
    gate.leave(guest)
    throw error
  }
}

/** For `createLibp2p`: it asks at the two points where the peer has shown who it is, and where all is done. */
function gaterOf(gate: Gate): ConnectionGater {
  const proved = (connection: MultiaddrConnection): boolean => {
    const guest = known.get(connection)
    if (guest != null) gate.proved(guest)
    return false
  }
  const refuses = (peerId: { toString(): string }, connection: MultiaddrConnection): boolean => {
    const guest = known.get(connection)
    return guest != null && gate.opens(guest, peerId.toString()) != null
  }
  return {
    denyInboundEncryptedConnection: (_, connection) => proved(connection),
    denyOutboundEncryptedConnection: (_, connection) => proved(connection),
    denyInboundUpgradedConnection: refuses,
    denyOutboundUpgradedConnection: refuses
  }
}

/** From here on a peer may send data right behind its last word. */
function guardEncrypter<C>(factory: (components: C) => ConnectionEncrypter): (components: C) => ConnectionEncrypter {
  return components => {
    const encrypter = factory(components)
    const { secureInbound, secureOutbound } = encrypter
    const agreed = (): void => {
      const visit = visiting()
      if (visit != null) visit.guest.agreed = true
    }
    encrypter.secureInbound = (...args: Parameters<typeof secureInbound>) => {
      agreed()
      return secureInbound.apply(encrypter, args)
    }
    encrypter.secureOutbound = (...args: Parameters<typeof secureOutbound>) => {
      agreed()
      return secureOutbound.apply(encrypter, args)
    }
    return encrypter
  }
}

/** Its listeners ask before a socket is given to libp2p; the sockets that it dials with are counted too. */
function guardTransport(transport: Transport, gate: Gate): void {
  watchSockets()
  const createListener = transport.createListener.bind(transport)
  transport.createListener = options => guardListener(createListener(options), gate)
  const dial = transport.dial.bind(transport)
  transport.dial = async (addr, options) => {
    const guest = gate.dial(addr.toString())
    return await visit({ gate, guest }, () => dial(addr, options))
  }
}

/** Counts what comes in another way than a socket of its own, as through a circuit. */
function countData(connection: MultiaddrConnection, gate: Gate, guest: Guest): void {
  const trace = currentTrace()
  guest.cut = () => {
    if (trace != null && !guest.inbound) trace.tooEarly = true
    connection.abort(tooEarly())
  }
  const stream = connection as Partial<{ onData(data: { byteLength: number }): void }>
  const { onData } = stream
  if (onData == null) return
  stream.onData = data => {
    if (gate.takes(guest, data.byteLength) !== 'no') onData.call(stream, data)
  }
}

/** Null over a socket file, undefined where it names no host of its own, as through a relay. */
function ipOf(addr: Multiaddr): string | null | undefined {
  const [first] = addr.getComponents()
  if (first?.name === 'unix') return null
  return (first?.name === 'ip4' || first?.name === 'ip6') && relayPart(addr) == null ? first.value : undefined
}
