// Every way to connect that p2pctl and js-libp2p share, in both directions: transport by security by muxer.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import nodeTls from 'node:tls'
import { noise } from '@chainsafe/libp2p-noise'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { identify } from '@libp2p/identify'
import { mplex } from '@libp2p/mplex'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webRTC, webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { cleanup } from 'node-datachannel'
import { certificates } from './certificates.ts'
import { run, start } from './cli.ts'
import type { Libp2p } from '@libp2p/interface'

export interface Row {
  transport: string
  /** Null where the transport brings its own. */
  security: string | null
  muxer: string | null
}

/** Who dials, and who listens. */
export const pairs = ['p2pctl to p2pctl', 'p2pctl to js-libp2p', 'js-libp2p to p2pctl'] as const
export type Cells = Record<(typeof pairs)[number], string>

const chosen = ['tcp', 'ws', 'wss', 'unix', 'circuit'].flatMap(transport =>
  ['noise', 'tls'].flatMap(security => ['yamux', 'mplex'].map((muxer): Row => ({ transport, security, muxer })))
)
const own = ['quic-v1', 'webrtc-direct', 'webrtc'].map((transport): Row => ({ transport, security: null, muxer: null }))
export const rows: Row[] = [...chosen, ...own]

const encrypters = { noise, tls }
const muxers = { yamux, mplex }
const noStun = { rtcConfiguration: { iceServers: [] } }
const LIMIT_MS = 20_000

/** Not told where this Node cannot be told whom to trust. */
export function pairsOf({ transport }: Row): readonly (typeof pairs)[number][] {
  const untold = transport === 'wss' && nodeTls.setDefaultCACertificates == null
  return untold ? pairs.slice(0, 2) : pairs
}

/** What the rows are run on: a relay, a certificate, and a folder for sockets. */
export interface Bench extends AsyncDisposable {
  cells(row: Row): Promise<Cells>
}

export async function openBench(): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'p2pctl-matrix-'))
  const authority = await certificates()
  const pair = await authority.sign('localhost')
  // js-libp2p has no option for it; Node has this since 22.19
  nodeTls.setDefaultCACertificates?.([...nodeTls.getCACertificates('default'), readFileSync(authority.ca, 'utf8')])
  const relay = start(['relay', '--json', '--no-limits', '-l', '/ip4/127.0.0.1/tcp/0'], { timeoutMs: 300_000 })
  const relayAddr = (await relay.next('listen.ready')).addrs[0]!
  let sockets = 0

  /** What a listener of the row listens on. */
  const listenAddrs = ({ transport }: Row): string[] => {
    if (transport === 'circuit') return [`${relayAddr}/p2p-circuit`]
    if (transport === 'webrtc') return [`${relayAddr}/p2p-circuit`, '/webrtc']
    if (transport === 'unix') return [`/unix/${encodeURIComponent(join(folder, `${sockets++}`))}`]
    const tails: Record<string, string> = {
      tcp: 'tcp/0',
      ws: 'tcp/0/ws',
      wss: 'tcp/0/tls/ws',
      'quic-v1': 'udp/0/quic-v1',
      'webrtc-direct': 'udp/0/webrtc-direct'
    }
    return [`/ip4/127.0.0.1/${tails[transport]}`]
  }
  const offers = ({ security, muxer }: Row): string[] =>
    security == null ? [] : ['--security', security, '--muxer', muxer!]

  const plain = async (row: Row, listen: string[]): Promise<Libp2p<{ ping: Ping }> & AsyncDisposable> => {
    const https = { key: readFileSync(pair.key), cert: readFileSync(pair.cert) }
    const node = await createLibp2p({
      addresses: { listen },
      transports: [tcp(), webSockets({ https }), quic(), webRTCDirect(noStun), webRTC(noStun), circuitRelayTransport()],
      connectionEncrypters: [encrypters[(row.security ?? 'noise') as 'noise']()],
      streamMuxers: [muxers[(row.muxer ?? 'yamux') as 'yamux']()],
      connectionMonitor: { enabled: false },
      services: { identify: identify(), ping: ping() }
    })
    return Object.assign(node, { [Symbol.asyncDispose]: async () => await node.stop() })
  }
  /** The address that a row is about, among those of a listener. */
  const addrFor = ({ transport }: Row, addrs: string[]): string =>
    addrs.find(addr => addr.includes('/webrtc/') === (transport === 'webrtc')) ?? addrs[0]!

  const pingByP2pctl = async (row: Row, addr: string): Promise<string> => {
    const trusted = row.transport === 'wss' ? ['--ca', authority.ca] : []
    const { code, events, stderr } = await run(['ping', '-c', '1', '--json', ...offers(row), ...trusted, addr])
    const opened = events.find(event => event.type === 'connection.open')
    if (code === 0) return agreed(row, opened?.security, opened?.muxer)
    return String(events.find(event => event.type === 'error')?.code ?? stderr)
  }
  const pingByPlain = async (row: Row, addr: Multiaddr): Promise<string> => {
    await using node = await plain(row, [])
    const signal = AbortSignal.timeout(LIMIT_MS)
    try {
      const { encryption, multiplexer } = await node.dial(addr, { signal })
      await node.services.ping.ping(addr, { signal })
      return agreed(row, encryption, multiplexer)
    } catch (error) {
      return String(error)
    }
  }
  const withListener = async (row: Row, dial: (addr: string) => Promise<string>): Promise<string> => {
    const listen = row.transport === 'webrtc' ? ['--webrtc'] : []
    const through = ['circuit', 'webrtc'].includes(row.transport) ? ['--circuit', relayAddr] : []
    const where = through.length > 0 ? [] : ['-l', ...listenAddrs(row)]
    const files = row.transport === 'wss' ? ['--cert', pair.cert, '--key', pair.key] : []
    await using listener = start(['listen', '--json', ...where, ...listen, ...through, ...files, ...offers(row)])
    return await dial(addrFor(row, (await listener.next('listen.ready')).addrs))
  }
  return {
    async cells(row) {
      const toPlain = async (): Promise<string> => {
        await using node = await plain(row, listenAddrs(row))
        return await pingByP2pctl(row, addrFor(row, node.getMultiaddrs().map(String)))
      }
      const [own, to, from] = await Promise.all([
        withListener(row, addr => pingByP2pctl(row, addr)),
        toPlain(),
        withListener(row, addr => pingByPlain(row, multiaddr(addr)))
      ])
      return { 'p2pctl to p2pctl': own, 'p2pctl to js-libp2p': to, 'js-libp2p to p2pctl': from }
    },
    async [Symbol.asyncDispose]() {
      await relay[Symbol.asyncDispose]()
      authority[Symbol.dispose]()
      rmSync(folder, { recursive: true, force: true })
      // its threads hold the process otherwise (0.33)
      cleanup()
    }
  }
}

/** `yes`, or what was agreed on instead of what the row says. */
function agreed({ security, muxer }: Row, encryption?: string | null, multiplexer?: string | null): string {
  const fits = (wanted: string | null, got?: string | null): boolean => wanted == null || got?.includes(wanted) === true
  return fits(security, encryption) && fits(muxer, multiplexer) ? 'yes' : `${encryption} ${multiplexer}`
}
