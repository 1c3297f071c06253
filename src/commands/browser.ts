import { isIP } from 'node:net'
import { multiaddr } from '@multiformats/multiaddr'
import { parseAddr, parseTarget, peerIdOf, transportOf } from '../addr.ts'
import { undialable } from '../addr-facts.ts'
import { connect } from '../connect.ts'
import { Failure } from '../errors.ts'
import type { Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { urlsAt } from '../http-server.ts'
import { type Monitor, type MonitorOptions, openMonitor } from '../monitor.ts'
import { type Node, openNode } from '../node.ts'
import { openUrl } from '../open-url.ts'
import { openPageServer, type PageConfig } from '../page-server.ts'
import { HOP_PROTOCOL } from '../protocols/circuit.ts'
import { prepareRelay, type RelayRules } from '../relaying.ts'
import { safe } from '../safe.ts'
import { endNode, listenOnAll, type ServeOptions, serve } from '../serve.ts'
import { DISCOVERY_TOPIC } from '../sources/pubsub.ts'
import type { Target } from '../targets.ts'
import { checkTopic } from '../topic.ts'
import { ownAddrs } from '../watch.ts'

export interface Options
  extends RelayRules,
    MonitorOptions,
    Pick<ServeOptions, 'identity' | 'readyFile' | 'for' | 'exitAfter' | 'limit'> {
  /** Of the page; 0 and none let the system choose. */
  port?: number
  /** An IP address of this machine, for the page and the relay. */
  host?: string
  /** A relay of somebody else, in the place of one of its own. */
  relay?: string
  topic?: string[]
  /** What the page that is printed dials at once. */
  connect?: string[]
  /** False: pages announce themselves to nobody. */
  discovery?: boolean
  /** STUN servers for the WebRTC of the pages. */
  stun?: string[]
  open?: boolean
  /** The port of the relay. */
  ws?: number
  /** One attempt to dial the relay, in ms. */
  timeout: number
  psk?: string
}

export default async function* browser(options: Options, signal: AbortSignal): AsyncGenerator<Said> {
  const host = hostOf(options)
  const fragment = fragmentOf(options)
  const relay = options.relay == null ? null : relayOf(options.relay)
  await using monitor = await openMonitor(options, signal)
  const serving = { host, fragment, monitor }
  yield* monitor.over(
    relay == null ? withRelay(serving, options, signal) : besideRelay(serving, relay, options, signal)
  )
}

interface Serving {
  host: string
  /** What the links to the page end with. */
  fragment: string
  monitor: Monitor
}

/** With a relay in this process, which has the page's lifetime. */
async function* withRelay(
  { host, fragment, monitor }: Serving,
  options: Options,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const { discovery, topics } = topicsFor(options)
  const ws = (ip: string): string => `/${isIP(ip) === 6 ? 'ip6' : 'ip4'}/${ip}/tcp/${options.ws ?? 0}/ws`
  const relaying = await prepareRelay({
    ...options,
    ws: undefined,
    // every IPv6 address is every IPv4 address too for the page's server, and not for libp2p
    listen: host === '::' ? [ws('0.0.0.0'), ws('::')] : [ws(host)],
    pubsub: [...discovery, ...topics]
  })
  await using node = await openNode(relaying.nodeOptions)
  yield { type: 'run.start', peer_id: node.peerId }
  await relaying.listen(node)
  const configFor = (localAddress: string): PageConfig => ({ ...shared(options), relay: addrAt(node, localAddress) })
  await using server = await openPageServer({ host, port: options.port ?? 0, configFor })
  const at = placesOf(host, server.port, fragment)
  if (options.open === true) void openUrl(at.url).then(relaying.push)
  const ready = { ...at, relay: addrAt(node, new URL(at.url).hostname) }
  const connections = yield* relaying.serve(node, signal, { ready, monitor })
  yield { type: 'run.summary', ok: true, connections }
}

/** The page alone: its relay is somebody else's, and is looked at once. */
async function* besideRelay(
  { host, fragment, monitor }: Serving,
  relay: Target,
  options: Options,
  signal: AbortSignal
): AsyncGenerator<Said> {
  const queue = createQueue<Said>()
  await using node = await openNode({})
  yield { type: 'run.start', peer_id: node.peerId }
  const { connection, identity } = yield* connect(node, relay, { timeout: options.timeout, identified: true }, signal)
  await connection.close({ signal })
  if (identity?.protocols.includes(HOP_PROTOCOL) !== true) {
    const peer_id = connection.remotePeer.toString()
    yield { type: 'dial.protocol', target: relay.text, peer_id, protocol: HOP_PROTOCOL, ok: false, ms: 0 }
  }
  const config = { ...shared(options), relay: relay.addr.toString() }
  await using server = await openPageServer({ host, port: options.port ?? 0, configFor: () => config })
  const at = placesOf(host, server.port, fragment)
  if (options.open === true) void openUrl(at.url).then(queue.push)
  await listenOnAll(node, [], options)
  const connections = yield* serve(node, queue, options, signal, { ready: { ...at, relay: config.relay }, monitor })
  yield* endNode(node, queue)
  yield { type: 'run.summary', ok: true, connections }
}

/** Where the page is, each with what it is to do. */
function placesOf(host: string, port: number, fragment: string) {
  const urls = urlsAt(host, port).map(url => url + fragment)
  return { url: urls[0]!, urls }
}

/** The relay where the browser that asks can dial it: at the address by which it reached this machine. */
function addrAt(node: Node, ip: string): string {
  const addrs = ownAddrs(node)
  // of an IPv6 address in a URL
  const bare = ip.replace(/^\[(.*)\]$/, '$1')
  const ipOf = (addr: string): string | undefined => multiaddr(addr).getComponents()[0]?.value
  return addrs.find(addr => ipOf(addr) === bare) ?? addrs[0]!
}

function topicsFor({ discovery = true, topic: topics = [] }: Options) {
  return { discovery: discovery ? [DISCOVERY_TOPIC] : [], topics }
}

function shared(options: Options): Omit<PageConfig, 'relay'> {
  return { ...topicsFor(options), stun: options.stun ?? [] }
}

/** `#connect=ADDR&topic=T`, by which the page knows what to do; empty where there is nothing. Throws Failure. */
function fragmentOf({ connect: addrs = [], topic: topics = [] }: Options): string {
  for (const addr of addrs) parseTarget(addr)
  for (const topic of topics) checkTopic(topic)
  const written = (text: string): string => encodeURIComponent(text).replaceAll('%2F', '/')
  const parts = [...addrs.map(addr => `connect=${written(addr)}`), ...topics.map(topic => `topic=${written(topic)}`)]
  return parts.length === 0 ? '' : `#${parts.join('&')}`
}

function hostOf({ host = '127.0.0.1', psk }: Options): string {
  if (psk != null) {
    throw new Failure('invalid_option', 'a browser cannot be in a private network: --psk is of no use to it', {
      hint: 'peers of a private network are those of p2pctl listen --psk FILE'
    })
  }
  const ip = host === 'localhost' ? '127.0.0.1' : host
  // the zone of a link-local address has no place in a multiaddr like the others
  if (isIP(ip) === 6 && !ip.includes('%')) return new URL(`http://[${ip}]`).hostname.slice(1, -1)
  if (isIP(ip) === 4) return ip
  throw new Failure('invalid_option', `--host ${safe(host)} is no IP address of this machine`, {
    hint: 'give one of its addresses, or 0.0.0.0 for all of them'
  })
}

/** The relay as an address that pages can dial. Throws Failure. */
function relayOf(text: string): Target {
  const addr = parseAddr(text)
  const kind = transportOf(addr)
  const peerId = peerIdOf(addr)
  const wrong = (why: string, hint: string): Failure =>
    new Failure('invalid_option', `pages cannot use the relay ${safe(text)}: ${why}`, { addr: text, hint })
  if (addr.getComponents()[0]?.name === 'dnsaddr') {
    throw wrong('browsers cannot look up dnsaddr names', `give one of its addresses: p2pctl addr resolve ${safe(text)}`)
  }
  if (kind == null || !BY_BROWSERS.includes(kind)) {
    const why = kind === 'circuit' || kind === 'webrtc' ? 'it is behind a relay itself' : NOT_BY_BROWSERS
    throw wrong(why, 'give an address of it with /ws, /tls/ws or /webrtc-direct; p2pctl relay --ws PORT has one')
  }
  if (peerId == null) throw wrong('it does not say which peer it is', 'add its /p2p/PEER-ID: p2pctl dial shows it')
  const impossible = undialable(addr)
  if (impossible != null) throw wrong(impossible.message, impossible.hint ?? 'ask for the address that others dial')
  return { text, addr, peerId }
}

const BY_BROWSERS = ['ws', 'wss', 'webrtc-direct']
const NOT_BY_BROWSERS = 'browsers dial WebSocket and WebRTC only'
