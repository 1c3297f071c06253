/** The peer that a page is: what `p2pctl listen --circuit RELAY --webrtc --pubsub` is in a terminal. */
import type { Said } from '../events.ts'
import { createQueue } from '../flow.ts'
import { tellOfOtherWays } from '../identified.ts'
import type { Node } from '../node.ts'
import { watch } from '../watch.ts'
import { listenOverWebrtc } from '../webrtc.ts'
import { onLost } from './platform/rtc.ts'
import { connectionTo, hangUp } from './connections.ts'
import { dialTarget, targetOf } from './dialing.ts'
import { type Discovery, openDiscovery } from './discovery.ts'
import { errorOf } from './failures.ts'
import { openGate } from './flood.ts'
import { openInbox } from './inbox.ts'
import { openPageNode, takeItems } from './node.ts'
import { openReachability } from './reachability.ts'
import { measureRoundTrips } from './round-trips.ts'
import { askEcho, sendFile, sendText } from './sending.ts'
import { openTopics } from './topics.ts'
import { onLeaving, onWaking } from './waking.ts'

export interface PeerOptions {
  /** The multiaddr of the relay to be reachable through. */
  relay: string | null
  /** Peers announce themselves on these. */
  discovery: string[]
  /** Messages are shown that come on these. */
  topics: string[]
  /** STUN servers for WebRTC; none is asked unasked. */
  stun?: string[]
}

/** Nothing here but stop() rejects for what a peer, a relay or a person does: that is said as an `error`. */
export interface PagePeer {
  readonly node: Node
  readonly peerId: string
  /** Resolves once the first try to be reachable through the relay has ended; at once where there is none. */
  readonly settled: Promise<void>
  /** Dials an address of any kind. Without a reservation yet, one is asked for where it leads to a relay. */
  connect(addr: string): Promise<void>
  /** Closes all connections to a peer; with those to the relay the reservation is over. */
  hangUp(peerId: string): Promise<void>
  /** Over /p2pctl/send/1.0.0; confirmed once `send.done` is said. */
  send(peerId: string, text: string): Promise<void>
  /** Over /echo/1.0.0; what comes back is said as a message. */
  echo(peerId: string, text: string): Promise<void>
  sendFile(peerId: string, file: File): Promise<void>
  subscribe(topic: string): Promise<void>
  unsubscribe(topic: string): Promise<void>
  publish(topic: string, text: string): Promise<void>
  /** To be reachable through another relay, or through none. */
  useRelay(addr: string | null): Promise<void>
  /** Forgets a received file. */
  discard(path: string): void
  /** Closes all connections, in order. */
  stop(): Promise<void>
}

/** Bytes of one file that is received, and of all of them together. */
const MAX_FILE_BYTES = 100 * 2 ** 20
const MAX_FILES_BYTES = 512 * 2 ** 20

export async function openPeer(
  options: PeerOptions,
  tell: (event: Said) => void,
  runSignal: AbortSignal
): Promise<PagePeer> {
  const { relay, discovery, topics, stun = [] } = options
  const over = new AbortController()
  const signal = AbortSignal.any([runSignal, over.signal])
  const node = await openPageNode(discovery, stun)
  let met: Discovery | null = null
  const say = withoutRepeats(event => {
    tell(event)
    if (event.type === 'reservation.open') met?.forget()
  })
  say({ type: 'run.start', peer_id: node.peerId })

  const gate = openGate()
  const inbox = openInbox({ maxFile: MAX_FILE_BYTES, maxTotal: MAX_FILES_BYTES, say })
  await takeItems(node, inbox, gate, say, signal)
  const queue = createQueue<Said>()
  const nobody = (): void => {}
  watch(node, queue, signal, nobody, nobody)
  void sayAll(queue.items(signal))
  tellOfOtherWays(node, signal)
  measureRoundTrips(node, say, signal)
  await listenOverWebrtc(node)

  const topical = openTopics(node, gate, queue, signal)
  const reachable = openReachability(node, say, signal)
  if (discovery.length > 0) met = openDiscovery(node, discovery, say, signal)
  onLost(() => met?.forget())
  onWaking(() => {
    met?.forget()
    reachable.woke()
  }, signal)
  // the relay frees its slot, and the other peers see at once that nobody is there
  onLeaving(() => {
    for (const connection of node.libp2p.getConnections()) connection.abort(new Error('the page was closed'))
  }, signal)

  /** What went wrong is said, with whom it was about. */
  async function attempted(target: string | undefined, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!signal.aborted) say(errorOf(error, target))
    }
  }
  async function sayAll(events: AsyncIterable<Said>): Promise<void> {
    for await (const event of events) say(event)
  }
  const peer: PagePeer = {
    node,
    peerId: node.peerId,
    settled: Promise.resolve(),
    connect: text =>
      attempted(text, async () => {
        const target = targetOf(text, reachable.relay ?? undefined)
        const connected = await dialTarget(node, target, say, signal)
        await reachable.adopt(target, connected)
      }),
    hangUp: peerId =>
      attempted(peerId, async () => {
        connectionTo(node, peerId)
        await reachable.leave(peerId)
        const all = node.libp2p.getConnections().filter(one => one.remotePeer.toString() === peerId)
        await hangUp(all)
      }),
    send: (peerId, text) => attempted(peerId, () => sayAll(sendText(connectionTo(node, peerId), text, signal))),
    echo: (peerId, text) => attempted(peerId, async () => say(await askEcho(connectionTo(node, peerId), text, signal))),
    sendFile: (peerId, file) => attempted(peerId, () => sayAll(sendFile(connectionTo(node, peerId), file, signal))),
    subscribe: topic => attempted(undefined, async () => topical.subscribe(topic)),
    unsubscribe: topic => attempted(undefined, async () => topical.unsubscribe(topic)),
    publish: (topic, text) => attempted(topic, async () => say(await topical.publish(topic, text))),
    useRelay: addr =>
      attempted(addr ?? undefined, async () => {
        await reachable.use(addr == null ? null : targetOf(addr))
      }),
    discard: path => inbox.discard(path),
    stop: async () => {
      over.abort()
      await node[Symbol.asyncDispose]()
    }
  }
  for (const topic of topics) await peer.subscribe(topic)
  return { ...peer, settled: relay == null ? Promise.resolve() : peer.useRelay(relay) }
}

/** The addresses are said by who changes them, and by who watches them. */
function withoutRepeats(tell: (event: Said) => void): (event: Said) => void {
  let addrs = ''
  return event => {
    if (event.type === 'listen.addrs') {
      if (event.addrs.join() === addrs) return
      addrs = event.addrs.join()
    }
    tell(event)
  }
}
