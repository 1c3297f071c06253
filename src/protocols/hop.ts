import {
  decodeStop,
  encodeHop,
  encodeStop,
  HOP_PROTOCOL,
  HOP_TYPE,
  type HopMessage,
  MAX_MESSAGE_BYTES,
  STATUS,
  STOP_PROTOCOL,
  STOP_TYPE,
  type StatusName,
  sealVoucher
} from './circuit.ts'
import { frame, readFrame } from './framing.ts'
import { answer, HOP_MS, limitOf, peerOf, readHop } from './hop-messages.ts'
import { MAX_TIMER_MS, ownAddrs, type ReservationEvent, reservations } from './reservations.ts'
import { type Splice, splice } from './splice.ts'
import type {
  Connection,
  Libp2pEvents,
  PeerId,
  PeerStore,
  PrivateKey,
  Startable,
  Stream,
  TypedEventTarget
} from '@libp2p/interface'
import type { AddressManager, ConnectionManager, Registrar } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Event } from '../events.ts'

export type RelayEvent =
  | ReservationEvent
  | Event<'circuit.open' | 'circuit.traffic' | 'circuit.close' | 'circuit.refused'>

export interface RelayOptions {
  maxReservations: number
  ttlMs: number
  /** How long a circuit may last. 0 is no limit; else rounded up to whole seconds, which is all that the wire can say. */
  limitDurationMs: number
  /** What may pass a circuit, each way; 0 is no limit. */
  limitDataBytes: number
  /** 64 unless told. */
  maxCircuits?: number | undefined
  /** From and to one peer together; 16 unless told. */
  maxCircuitsPerPeer?: number | undefined
  /** 8 unless told. */
  maxReservationsPerIp?: number | undefined
  /** False counts this machine itself like any other. */
  exemptLoopback?: boolean | undefined
  /** Who may reserve and ask for circuits; everybody unless told. */
  mayUse?: ((peer: PeerId, addr: Multiaddr) => boolean) | undefined
  /** How often to report what passes through open circuits; never unless told. */
  trafficMs?: number | undefined
  report: (event: RelayEvent) => void
  /** Whether too much waits to be said already: then nothing is begun that would have to be told. */
  isBusy?: (() => boolean) | undefined
}

/** The parts of a libp2p node that the relay needs. */
export interface RelayComponents {
  peerId: PeerId
  privateKey: PrivateKey
  registrar: Registrar
  connectionManager: ConnectionManager
  addressManager: AddressManager
  peerStore: PeerStore
  events: TypedEventTarget<Libp2pEvents>
}

export interface RelayServer extends Startable {
  readonly reservations: number
  /** Those that are open; the ones that are still being set up count for the limits only. */
  readonly circuits: number
}

const STOP_MS = 10_000
const MAX_HOP_STREAMS = 256

/** The tag that keeps peers with a reservation when libp2p closes connections for want of room. */
const TAG = 'circuit-relay-source'

const BUSY: Record<number, StatusName> = {
  [HOP_TYPE.RESERVE]: 'RESERVATION_REFUSED',
  [HOP_TYPE.CONNECT]: 'RESOURCE_LIMIT_EXCEEDED'
}

interface Circuit {
  src: PeerId
  dst: PeerId
  /** Once both peers have agreed. */
  joined?: Splice
}

/**
 * A circuit relay v2 server: https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md
 *
 * That of js-libp2p (@libp2p/circuit-relay-v2 4.2) writes milliseconds where the specification says seconds, counts data
 * of both directions together, keeps the slots of peers that have left and says nothing of what it does.
 */
export function relayServer(options: RelayOptions): (components: RelayComponents) => RelayServer {
  return components => createRelay(options, components)
}

function createRelay(options: RelayOptions, components: RelayComponents): RelayServer {
  const { report, maxCircuits = 64, maxCircuitsPerPeer = 16, mayUse = () => true, isBusy = () => false } = options
  const limit = limitOf(options)
  const slots = reservations({
    max: options.maxReservations,
    ttlMs: Math.min(options.ttlMs, MAX_TIMER_MS),
    maxPerIp: options.maxReservationsPerIp ?? 8,
    exemptLoopback: options.exemptLoopback,
    report
  })
  const circuits = new Set<Circuit>()
  const waits = new Set<AbortController>()
  let lastId = 0
  let started = false

  const onHop = async (stream: Stream, connection: Connection): Promise<void> => {
    try {
      if (!started) throw new Error('the relay has stopped')
      const message = await within(HOP_MS, stream, signal => readHop(stream, signal)).catch(() => undefined)
      if (message?.type == null) answer(stream, 'MALFORMED_MESSAGE')
      else if (isBusy()) answer(stream, BUSY[message.type] ?? 'UNEXPECTED_MESSAGE')
      else if (message.type === HOP_TYPE.RESERVE) await onReserve(stream, connection)
      else if (message.type === HOP_TYPE.CONNECT) await onConnect(stream, connection, message)
      else answer(stream, 'UNEXPECTED_MESSAGE')
    } catch (error) {
      // the stream or its connection is gone: there is nobody to tell
      stream.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  const onReserve = async (stream: Stream, connection: Connection): Promise<void> => {
    const { remotePeer: peer, remoteAddr: addr } = connection
    const refuse = (status: StatusName): void => {
      report({ type: 'reservation.refused', peer_id: peer.toString(), expires: null, addr: addr.toString(), status })
      answer(stream, status)
    }
    if (!connection.direct || !mayUse(peer, addr)) return refuse('PERMISSION_DENIED')
    if (!slots.admits(peer, addr)) return refuse('RESERVATION_REFUSED')
    const expire = slots.expiry()
    const voucher = await sealVoucher({ relay: components.peerId, peer, expiration: expire }, components.privateKey)
    // while that was signed the peer may have left, or another one taken the last slot
    if (!started || connection.status !== 'open' || stream.status !== 'open') throw new Error('too late')
    if (!slots.admits(peer, addr)) return refuse('RESERVATION_REFUSED')
    slots.put(peer, addr, expire)
    tag(peer, { value: 1, ttl: expire * 1000 - Date.now() })
    answer(stream, 'OK', {
      reservation: { expire, addrs: ownAddrs(components.addressManager, components.peerId), voucher },
      limit
    })
  }

  const onConnect = async (stream: Stream, connection: Connection, message: HopMessage): Promise<void> => {
    const src = connection.remotePeer
    const dst = peerOf(message)
    if (dst == null) return answer(stream, 'MALFORMED_MESSAGE')
    // the newest: of one that has slept, or has changed its network, the older ones are dead without anybody's knowledge
    const target = directConnections(dst).at(-1)
    const denied = !connection.direct || dst.equals(src) || !mayUse(src, connection.remoteAddr)
    const status = denied ? 'PERMISSION_DENIED' : mayJoin(src, dst, target)
    if (status !== 'OK') return refuseCircuit(stream, src, dst, status)
    const circuit: Circuit = { src, dst }
    circuits.add(circuit)
    try {
      const back = await within(STOP_MS, stream, signal => openStop(target!, src, signal)).catch(() => undefined)
      if (back == null) return refuseCircuit(stream, src, dst, 'CONNECTION_FAILED')
      await join(circuit, stream, back)
    } finally {
      circuits.delete(circuit)
    }
  }

  const mayJoin = (src: PeerId, dst: PeerId, target: Connection | undefined): StatusName => {
    if (!slots.has(dst) || target == null) return 'NO_RESERVATION'
    const those = (peer: PeerId) => [...circuits].filter(({ src, dst }) => src.equals(peer) || dst.equals(peer)).length
    const full = circuits.size >= maxCircuits || Math.max(those(src), those(dst)) >= maxCircuitsPerPeer
    return full ? 'RESOURCE_LIMIT_EXCEEDED' : 'OK'
  }

  const refuseCircuit = (stream: Stream, src: PeerId, dst: PeerId, status: StatusName): void => {
    report({ type: 'circuit.refused', ...peersOf({ src, dst }), in_bytes: 0, out_bytes: 0, duration_ms: 0, status })
    answer(stream, status)
  }

  /** Asks the peer with the reservation to take the circuit; throws when it does not. */
  const openStop = async (target: Connection, src: PeerId, signal: AbortSignal): Promise<Stream> => {
    const stream = await target.newStream(STOP_PROTOCOL, { signal, maxOutboundStreams: maxCircuits })
    try {
      const peer = { id: src.toMultihash().bytes, addrs: [] }
      stream.send(frame(encodeStop({ type: STOP_TYPE.CONNECT, peer, limit })))
      const reply = decodeStop(await readFrame(stream, { maxBytes: MAX_MESSAGE_BYTES, signal }))
      if (reply.type !== STOP_TYPE.STATUS || reply.status !== STATUS.OK) throw new Error('the peer refused')
      return stream
    } catch (error) {
      stream.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  /** Passes bytes between the two until the circuit ends. */
  const join = async (circuit: Circuit, stream: Stream, back: Stream): Promise<void> => {
    try {
      stream.send(frame(encodeHop({ type: HOP_TYPE.STATUS, limit, status: STATUS.OK })))
    } catch (error) {
      back.abort(new Error('the other peer has left'))
      throw error
    }
    const start = performance.now()
    const joined = splice(stream, back, { maxBytes: limit?.data ?? 0, maxMs: (limit?.duration ?? 0) * 1000 })
    circuit.joined = joined
    const peers = { ...peersOf(circuit), circuit_id: ++lastId }
    report({ type: 'circuit.open', ...peers, in_bytes: 0, out_bytes: 0, duration_ms: 0, status: 'OK' })
    const state = () => ({
      in_bytes: joined.inBytes,
      out_bytes: joined.outBytes,
      duration_ms: performance.now() - start
    })
    let told = 0
    const ticker = setInterval(() => {
      if (told === joined.inBytes + joined.outBytes || isBusy()) return
      told = joined.inBytes + joined.outBytes
      report({ type: 'circuit.traffic', ...peers, ...state(), status: 'OK' })
    }, options.trafficMs ?? MAX_TIMER_MS)
    const status = await joined.ended
    clearInterval(ticker)
    circuits.delete(circuit)
    report({ type: 'circuit.close', ...peers, ...state(), status })
  }

  /** Gives `work` so long; the end of `stream`, or of the relay, ends it as well. */
  const within = async <T>(ms: number, stream: Stream, work: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    const wait = new AbortController()
    const timer = setTimeout(() => wait.abort(new Error(`nothing came within ${ms} ms`)), ms)
    const onClose = () => wait.abort(new Error('the peer has left'))
    waits.add(wait)
    stream.addEventListener('close', onClose)
    try {
      return await work(wait.signal)
    } finally {
      clearTimeout(timer)
      stream.removeEventListener('close', onClose)
      waits.delete(wait)
    }
  }

  /** The connections by which a peer can be reached without another relay. */
  const directConnections = (peer: PeerId): Connection[] =>
    components.connectionManager.getConnections(peer).filter(({ direct, status }) => direct && status === 'open')

  const onConnectionClose = ({ detail: closed }: CustomEvent<Connection>): void => {
    const peer = closed.remotePeer
    if (!slots.has(peer) || directConnections(peer).some(({ id }) => id !== closed.id)) return
    slots.drop(peer, 'disconnected')
    tag(peer, undefined)
  }

  const tag = (peer: PeerId, value: { value: number; ttl: number } | undefined): void => {
    // without the tag the relay works as well, until it is full
    components.peerStore.merge(peer, { tags: { [TAG]: value } }).catch(() => {})
  }

  const end = (): void => {
    started = false
    for (const wait of waits) wait.abort(new Error('the relay has stopped'))
    for (const { joined } of [...circuits]) joined?.stop()
    slots.clear('stopped')
  }

  return {
    get reservations() {
      return slots.size
    },
    get circuits() {
      return [...circuits].filter(({ joined }) => joined != null).length
    },
    async start() {
      started = true
      components.events.addEventListener('connection:close', onConnectionClose)
      const { registrar } = components
      // over a circuit nothing is given, and just that is answered there
      await registrar.handle(HOP_PROTOCOL, onHop, { maxInboundStreams: MAX_HOP_STREAMS, runOnLimitedConnection: true })
    },
    // before libp2p closes the connections, which would look as if every peer had left
    beforeStop: end,
    async stop() {
      end()
      components.events.removeEventListener('connection:close', onConnectionClose)
      await components.registrar.unhandle(HOP_PROTOCOL)
    }
  }
}

function peersOf({ src, dst }: Circuit): { src_peer_id: string; dst_peer_id: string } {
  return { src_peer_id: src.toString(), dst_peer_id: dst.toString() }
}
