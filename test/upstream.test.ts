// What surprised us in the packages that we stand on, and what src copes with: each test fails once it stops being so,
// and then what copes can go.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { type EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { type CircuitRelayService, circuitRelayServer } from '@libp2p/circuit-relay-v2'
import { gossipsub } from '@libp2p/gossipsub'
import { type Identify, identify } from '@libp2p/identify'
import { mplex } from '@libp2p/mplex'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { type KadDHTInit, passthroughMapper, removePrivateAddressesMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { preSharedKey } from '@libp2p/pnet'
import { quic } from '@chainsafe/libp2p-quic'
import { yamux } from '@chainsafe/libp2p-yamux'
import { webSockets } from '@libp2p/websockets'
import { pubsubPeerDiscovery } from '@libp2p/pubsub-peer-discovery'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { askKad, KAD } from '../src/protocols/kad.ts'
import { type Gossip, MAX_MESSAGE_BYTES } from '../src/gossip.ts'
import { dhtNode } from './helpers/dht-network.ts'
import { reader, writer } from 'protons-runtime'
import { identifiedBy, identifyMessage, says } from './helpers/identify.ts'
import { announcingNode } from './helpers/meeting-nodes.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort, rawServer } from './helpers/raw-server.ts'
import { hop, RESERVE, startRelay } from './helpers/relay.ts'
import { rpc, topicNode } from './helpers/topics.ts'
import type { Socket } from 'node:net'
import type { Libp2p, Transport } from '@libp2p/interface'

const patient = { timeout: 30_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const OTHER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const dialer = (options: Parameters<typeof plainNode>[0] = {}) => plainNode({ listen: [], ...options })
const events = (node: Libp2p): EventTarget => node as unknown as EventTarget

async function errorOf(promise: Promise<unknown>): Promise<Error & { code?: string }> {
  return await promise.then(
    () => assert.fail('it did not fail'),
    error => error
  )
}

/** The transport manager of a node, which is no part of its type. */
interface Inner {
  components: { transportManager: { dial(addr: object, options: object): Promise<EventTarget> } }
}

type Upgrade = (request: object, socket: object, head: object, done: Accepted) => void
type Accepted = (webSocket: EventEmitter, request: object) => void

/** The server of `ws` in a listener of WebSockets, which is no part of its type. */
interface Listening {
  components: {
    transportManager: {
      getListeners(): { wsServer: { handleUpgrade: Upgrade } }[]
    }
  }
}

describe('libp2p 3.3', patient, () => {
  test('its upgrader drops the cause: only the words of an error say that it was the wrong peer (src/classify.ts)', async () => {
    await using peer = await plainNode()
    await using node = await dialer()
    const error = await errorOf(node.dial(multiaddr(addrOf(peer).replace(/[^/]+$/, OTHER))))
    assert.deepEqual([error.name, error.cause], ['EncryptionFailedError', undefined])
    assert.match(error.message, /identity key \S+ does not match expected remote identity key/)
  })

  test('dial() gives a connection that is there, whatever address is asked for (src/connect.ts)', async () => {
    await using peer = await plainNode()
    await using node = await dialer()
    const connection = await node.dial(multiaddr(addrOf(peer)))
    const dead = multiaddr(`/ip4/127.0.0.1/tcp/${await closedPort()}/p2p/${peer.peerId}`)
    assert.equal(await node.dial(dead), connection)
  })

  test('the limits of a circuit are what is left of them (src/protocols/circuit-limits.ts)', async () => {
    await using relay = await startRelay({ limitDataBytes: 1 << 17 })
    await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`] })
    await using node = await dialer()
    const { limits } = await node.dial(multiaddr(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`))
    assert.ok(limits!.bytes! < 1 << 17)
  })

  test('identify twice at a time fails (src/node.ts)', async () => {
    await using peer = await plainNode()
    await using node = await plainNode<{ again: Identify }>({
      listen: [],
      identify: false,
      services: { again: identify({ runOnConnectionOpen: false }) }
    })
    const connection = await node.dial(multiaddr(addrOf(peer)))
    const both = [node.services.again.identify(connection), node.services.again.identify(connection)]
    const failed = (await Promise.allSettled(both)).filter(result => result.status === 'rejected')
    assert.ok(failed.length > 0)
  })

  test('one bad field fails all of identify (src/protocols/identify.ts)', async () => {
    await using peer = await identifiedBy(
      undefined,
      says(
        identifyMessage([
          [6, 'agent'],
          [4, 'no address']
        ])
      )
    )
    await using node = await plainNode<{ again: Identify }>({
      listen: [],
      identify: false,
      services: { again: identify({ runOnConnectionOpen: false }) }
    })
    await errorOf(node.services.again.identify(await node.dial(multiaddr(addrOf(peer)))))
  })

  test('an address that no transport knows is passed over in silence, if another one listens (src/node.ts)', async () => {
    await using node = await plainNode({ listen: [LOCAL, '/ip4/127.0.0.1/udp/0/quic-v1'] })
    assert.equal(node.getMultiaddrs().length, 1)
  })

  test('the error number of a listener stands only in the text (src/node.ts)', async () => {
    await using server = await rawServer()
    const error = await errorOf(plainNode({ listen: [server.addr] }))
    assert.equal(error.code, undefined)
    assert.match(error.message, /EADDRINUSE/)
  })

  test('a public address that it listens on is told to nobody (src/node.ts, src/protocols/reservations.ts)', async () => {
    const here = multiaddr('/ip4/8.8.8.8/tcp/4001')
    const onPublic = (components: Parameters<ReturnType<typeof tcp>>[0]): Transport => {
      const transport = tcp()(components)
      const createListener = transport.createListener.bind(transport)
      transport.createListener = options => Object.assign(createListener(options), { getAddrs: () => [here] })
      return transport
    }
    await using node = await plainNode({ circuit: false, libp2p: { transports: [onPublic] } })
    assert.deepEqual(node.getMultiaddrs(), [])
  })

  test('its connection monitor closes the connection to a peer that does not answer pings (src/node.ts)', async () => {
    await using peer = await plainNode()
    await peer.handle('/ipfs/ping/1.0.0', () => {})
    const connectionMonitor = { pingInterval: 20, pingTimeout: { minTimeout: 20, maxTimeout: 50 } }
    await using node = await dialer({ libp2p: { connectionMonitor } })
    const closed = once(events(node), 'connection:close')
    await node.dial(multiaddr(addrOf(peer)))
    await closed
  })
})

describe('@libp2p/tls 3.1', patient, () => {
  test('the error of a wrong peer does not say who it is (src/classify.ts, src/second-look.ts)', async () => {
    const libp2p = { connectionEncrypters: [tls()] }
    await using peer = await plainNode({ libp2p })
    await using node = await dialer({ libp2p })
    const error = await errorOf(node.dial(multiaddr(addrOf(peer).replace(/[^/]+$/, OTHER))))
    assert.equal(error.message, 'Unexpected Peer')
  })
})

test('over noise 17.0 each side takes the first muxer of the other (src/security.ts)', patient, async () => {
  await using peer = await plainNode({ libp2p: { streamMuxers: [yamux(), mplex()] } })
  await using node = await dialer({ libp2p: { streamMuxers: [mplex(), yamux()] } })
  const opened = once(events(peer), 'connection:open')
  const { multiplexer } = await node.dial(multiaddr(addrOf(peer)))
  const [{ detail }] = await opened
  assert.deepEqual([multiplexer, detail.multiplexer], ['/yamux/1.0.0', '/mplex/6.7.0'])
})

describe('@libp2p/mplex 12.0', patient, () => {
  const libp2p = { streamMuxers: [mplex()] }

  test('the sixth new stream in a second is dropped without a word (src/mplex.ts)', async () => {
    await using peer = await plainNode({ libp2p })
    await using node = await dialer({ libp2p })
    await peer.handle('/test/1', () => {})
    const connection = await node.dial(multiaddr(addrOf(peer)))
    const signal = AbortSignal.timeout(1000)
    const streams = Array.from({ length: 8 }, () => connection.newStream('/test/1', { signal }))
    const ends = await Promise.allSettled(streams)
    assert.ok(ends.some(({ status }) => status === 'rejected'))
    assert.equal(connection.status, 'open')
  })

  test('a paused stream breaks off: it does not hold its sender back (src/mplex.ts)', async () => {
    await using peer = await plainNode({ libp2p })
    await using node = await dialer({ libp2p })
    const broken = Promise.withResolvers<void>()
    await peer.handle('/test/1', stream => {
      stream.pause()
      stream.addEventListener('close', ({ error }) => error != null && broken.resolve())
    })
    const stream = await node.dialProtocol(multiaddr(addrOf(peer)), '/test/1')
    stream.send(new Uint8Array(5 << 20))
    await broken.promise
  })
})

describe('@libp2p/pnet 3.0', patient, () => {
  test('whatever its file begins with is a key to it (src/psk.ts)', () => {
    assert.doesNotThrow(() => preSharedKey({ psk: Buffer.from(`no\nkey\n${'ab'.repeat(32)}`) })())
  })
})

describe('@libp2p/tcp 11.0', patient, () => {
  test('a connection ends with the signal of its dial, however long it has been open (src/connect.ts)', async () => {
    await using peer = await plainNode()
    await using node = await dialer()
    const stopper = new AbortController()
    const { transportManager } = (node as unknown as Inner).components
    const connection = await transportManager.dial(multiaddr(addrOf(peer)), { signal: stopper.signal })
    const closed = once(connection, 'close')
    stopper.abort()
    await closed
  })
})

describe('@libp2p/websockets 10.1', patient, () => {
  test('the error of a dial does not say that it was refused (src/trace.ts)', async () => {
    await using node = await dialer()
    const error = await errorOf(node.dial(multiaddr(`/ip4/127.0.0.1/tcp/${await closedPort()}/ws`)))
    assert.doesNotMatch(`${error.name} ${error.code} ${error.message}`, /refused/i)
  })

  test('a dial that is given up leaves its socket open (src/trace.ts)', async () => {
    const stopper = new AbortController()
    let socket: Socket | undefined
    const onSocket = (message: unknown): void => {
      socket ??= (message as { socket: Socket }).socket
    }
    await using server = await rawServer(() => stopper.abort())
    await using node = await dialer()
    subscribe('net.client.socket', onSocket)
    await errorOf(node.dial(multiaddr(`${server.addr}/ws`), { signal: stopper.signal }))
    unsubscribe('net.client.socket', onSocket)
    // a round trip through the system, in which a socket that is being closed would be closed
    await using other = await plainNode()
    await node.dial(multiaddr(addrOf(other)))
    assert.equal(socket?.destroyed, false)
    socket?.destroy()
  })

  test('nobody hears the error of a frame that breaks the protocol, which ends the process (src/transports/websockets.ts)', async () => {
    await using server = await plainNode({ listen: [`${LOCAL}/ws`] })
    const [listener] = (server as unknown as Listening).components.transportManager.getListeners()
    const { wsServer } = listener!
    const upgrade = wsServer.handleUpgrade.bind(wsServer)
    const accepted = new Promise<EventEmitter>(resolve => {
      wsServer.handleUpgrade = (request, socket, head, done) =>
        upgrade(request, socket, head, (webSocket, asked) => {
          done(webSocket, asked)
          resolve(webSocket)
        })
    })
    await using node = await dialer()
    await node.dial(multiaddr(addrOf(server)))
    assert.equal((await accepted).listenerCount('error'), 0)
  })
})

describe('@libp2p/circuit-relay-v2 4.2', patient, () => {
  const relayNode = () =>
    plainNode<{ relay: CircuitRelayService }>({
      services: { relay: circuitRelayServer({ reservations: { defaultDurationLimit: 120_000 } }) }
    })

  test('its server writes milliseconds where the specification has seconds (src/protocols/hop.ts)', async () => {
    await using relay = await relayNode()
    await using node = await dialer({ circuit: false })
    const stream = await node.dialProtocol(multiaddr(addrOf(relay)), '/libp2p/circuit/relay/0.2.0/hop')
    assert.equal((await hop(stream, RESERVE)).limit?.duration, 120_000)
  })

  test('its server keeps the slot of a peer that has left (src/protocols/hop.ts)', async () => {
    await using relay = await relayNode()
    const node = await plainNode({ listen: [`${addrOf(relay)}/p2p-circuit`] })
    assert.equal(relay.services.relay.reservations.size, 1)
    const gone = once(events(relay), 'peer:disconnect')
    await node.stop()
    await gone
    assert.equal(relay.services.relay.reservations.size, 1)
  })
})

describe('@libp2p/ping 3.1', patient, () => {
  test('it measures in whole milliseconds (src/protocols/ping.ts)', async () => {
    await using peer = await plainNode({ services: { ping: ping() } })
    await using node = await plainNode<{ ping: ReturnType<ReturnType<typeof ping>> }>({
      listen: [],
      services: { ping: ping() }
    })
    for (let count = 0; count < 3; count++) {
      assert.ok(Number.isInteger(await node.services.ping.ping(multiaddr(addrOf(peer)))))
    }
  })
})

describe('@libp2p/pubsub-peer-discovery 12.0', patient, () => {
  test('it leaves the promise of a publish alone (src/sources/pubsub.ts)', async () => {
    let awaited = 0
    // biome-ignore lint/suspicious/noThenProperty: so that it is seen whether somebody waits
    const publish = () => ({ then: () => awaited++, catch: () => awaited++ })
    const pubsub = { publish, getSubscribers: () => [OTHER], subscribe() {}, addEventListener() {} }
    const logger = { forComponent: () => Object.assign(() => {}, { error() {} }) }
    const { publicKey } = await generateKeyPair('Ed25519')
    const parts = { pubsub, logger, peerId: { publicKey }, addressManager: { getAddresses: () => [] } }
    const discovery = pubsubPeerDiscovery()(parts as never) as unknown as { _broadcast(): void }
    discovery._broadcast()
    assert.equal(awaited, 0)
  })

  test('it hears nobody when it only listens (src/sources/pubsub.ts)', async () => {
    await using announcing = await announcingNode()
    const services = { pubsub: gossipsub(), discovery: pubsubPeerDiscovery({ listenOnly: true }) }
    await using node = await dialer({ services: services as never })
    const { pubsub, discovery } = node.services as unknown as Record<string, EventTarget>
    let heard = 0
    discovery!.addEventListener('peer', () => heard++)
    const message = once(pubsub!, 'message')
    await node.dial(multiaddr(addrOf(announcing)))
    await message
    assert.equal(heard, 0)
  })
})

describe('@libp2p/kad-dht 16.4', patient, () => {
  /** Who provides something, as a node says after a peer has told it that it does, at these addresses. */
  async function told(init: Partial<KadDHTInit>, addrs: Multiaddr[]): Promise<number> {
    await using node = await dhtNode(init)
    await using client = await plainNode({ listen: [] })
    const connection = await client.dial(multiaddr(addrOf(node)))
    const key = Uint8Array.of(0x12, 32, ...new Uint8Array(32))
    const provider = { id: client.peerId.toMultihash().bytes, addrs }
    const requests = [{ rpc: 'add_provider', key, provider } as const, { rpc: 'get_providers', key } as const]
    return (await askKad(connection, KAD, requests, AbortSignal.timeout(10_000))).providers.length
  }
  const addrs = [multiaddr('/ip4/10.0.0.1/tcp/1')]

  test('unless told otherwise it does not tell of peers at private addresses (src/dht.ts)', async () => {
    assert.equal(await told({ peerInfoMapper: removePrivateAddressesMapper }, addrs), 0)
    assert.equal(await told({ peerInfoMapper: passthroughMapper }, addrs), 1)
  })

  test('a provider without an address is dropped without a word (src/commands/dht-provide.ts)', async () => {
    assert.equal(await told({}, []), 0)
  })
})

describe('@libp2p/crypto 5.1', patient, () => {
  test('a signature of another length is an error and not a false (src/protocols/ipns.ts)', async () => {
    const { publicKey } = await generateKeyPair('Ed25519')
    assert.throws(() => publicKey.verify(new Uint8Array(1), new Uint8Array(7)), /64 bytes/)
  })
})

describe('@multiformats/multiaddr 13', patient, () => {
  test('a name may hold a slash, so that an address does not read back as itself (src/protocols/identify.ts)', () => {
    const addr = multiaddr(Uint8Array.of(0x36, 3, 0x61, 0x2f, 0x62, 6, 0, 1))
    assert.equal(addr.toString(), '/dns4/a/b/tcp/1')
    assert.throws(() => multiaddr(addr.toString()))
  })
})

test('Node cannot dial from a port that it listens on, so that a hole punch with TCP cannot work (src/cli/dial.ts)', async () => {
  await using far = await rawServer()
  const [, , host, , port] = far.addr.split('/')
  for (const reusePort of [false, true]) {
    const server = createServer().listen({ host, port: 0, reusePort })
    await once(server, 'listening')
    const localPort = (server.address() as AddressInfo).port
    const socket = connect({ host, port: Number(port), localAddress: host, localPort })
    const [error] = await Promise.race([once(socket, 'error'), once(socket, 'connect')]).catch(error => [error])
    socket.destroy()
    server.close()
    assert.equal(error?.code, 'EADDRINUSE')
  }
})

describe('@libp2p/gossipsub 17', patient, () => {
  test('it hears of a peer only at peer:identify (src/identified.ts)', async () => {
    await using peer = await topicNode({}, undefined, { runOnConnectionOpen: false })
    await using node = await topicNode({}, [], { runOnConnectionOpen: false })
    const connection = await node.meet(addrOf(peer))
    const { identify: asked } = node.services as unknown as { identify: Identify }
    const found = once(events(node), 'peer:identify')
    // a round trip, in which it would have been heard of
    await errorOf(connection.newStream('/nobody/speaks/this'))
    assert.deepEqual(node.pubsub.getPeers(), [])
    await asked.identify(connection)
    await found
    assert.deepEqual(node.pubsub.getPeers().map(String), [peer.id])
  })

  test('a message that is too large goes to nobody, in silence (src/gossip.ts)', async () => {
    await using peer = await topicNode()
    await using node = await topicNode({}, [])
    peer.pubsub.subscribe('news')
    await node.meet(addrOf(peer))
    await node.subscribers('news', 1)
    assert.deepEqual((await node.publish('news', Buffer.alloc(4 * 2 ** 20))).recipients, [])
    assert.equal((await node.publish('news', Buffer.alloc(MAX_MESSAGE_BYTES))).recipients.length, 1)
  })

  test('over a frame that is too large it forgets the peer, and leaves the connection open (src/topics.ts)', async () => {
    await using node = await topicNode()
    await using peer = await dialer()
    const stream = await peer.dialProtocol(multiaddr(addrOf(node)), '/meshsub/1.2.0')
    await node.until(() => node.pubsub.getPeers().length === 1)
    stream.send(rpc({ messages: [{ topic: 'news', data: Buffer.alloc(4 * 2 ** 20) }] }))
    await node.until(() => node.pubsub.getPeers().length === 0)
    assert.equal(node.getConnections()[0]?.status, 'open')
  })

  test('it stays with a stream whose connection closes, though there is another (src/identified.ts)', async () => {
    await using one = await topicNode()
    await using other = await topicNode({}, [LOCAL])
    one.pubsub.subscribe('t')
    other.pubsub.subscribe('t')
    await one.meet(addrOf(other))
    await Promise.all([one.subscribers('t', 1), other.subscribers('t', 1)])
    const [first] = one.getConnections()
    await one.dial(multiaddr(addrOf(other)), { force: true })
    await once(events(one), 'peer:identify')
    // by then it has looked at the second one, and left it
    await once(one.pubsub as unknown as EventTarget, 'gossipsub:heartbeat')
    await first!.close()
    // two heartbeats later it still has nothing to send on
    for (let beat = 0; beat < 2; beat++) await once(one.pubsub as unknown as EventTarget, 'gossipsub:heartbeat')
    assert.equal(one.getConnections().length, 1)
    assert.equal((one.pubsub as Gossip).streamsOutbound.size, 0)
  })
})

describe('protons-runtime 7.1', () => {
  test('it reads fixed64 as a signed number (src/protocols/autonat-messages.ts)', () => {
    const all = 2n ** 64n - 1n
    assert.equal(reader(writer().fixed64(all).finish()).fixed64(), -1n)
  })
  test('and writes some of those back as others (src/protocols/autonat-client.ts)', () => {
    const bytes = writer()
      .fixed64(2n ** 63n)
      .finish()
    assert.notDeepEqual(writer().fixed64(reader(bytes).fixed64()).finish(), bytes)
  })
})

describe('the other transports', patient, () => {
  const inner = (node: Libp2p) => (node as unknown as { components: { transportManager: Manager } }).components
  interface Manager {
    getAddrs(): { bytes: Uint8Array; toString(): string }[]
    getTransports(): Transport[]
    listen(addrs: object[]): Promise<void>
  }

  test('the bytes of a QUIC address have the port that was asked for, not the one it got (src/transports/quic.ts)', async () => {
    await using node = await dialer({ libp2p: { transports: [quic()] } })
    await inner(node).transportManager.listen([multiaddr(multiaddr('/ip4/127.0.0.1/udp/0/quic-v1').bytes)])
    const [addr] = inner(node).transportManager.getAddrs()
    assert.match(`${addr}`, /udp\/[1-9]/)
    assert.match(multiaddr(addr!.bytes).toString(), /udp\/0\//)
  })

  test('TCP takes every address that begins with /unix (src/transports/tcp.ts)', async () => {
    await using node = await dialer({ libp2p: { transports: [tcp()] } })
    const [transport] = inner(node).transportManager.getTransports()
    const circuit = multiaddr(`/unix/%2Ftmp%2Fr.sock/p2p/${OTHER}/p2p-circuit`)
    assert.equal(transport!.dialFilter([circuit]).length, 1)
  })

  test('circuits take none of them (src/protocols/circuit-transport.ts)', async () => {
    await using node = await dialer()
    const circuit = multiaddr(`/unix/%2Ftmp%2Fr.sock/p2p/${OTHER}/p2p-circuit/p2p/${OTHER}`)
    const takers = inner(node)
      .transportManager.getTransports()
      .filter(transport => transport.dialFilter([circuit]).length > 0)
    assert.deepEqual(
      takers.map(transport => transport[Symbol.toStringTag]),
      ['@libp2p/tcp']
    )
  })

  test('the WebSocket transport has no TLS options for its dials (src/transports/websockets.ts)', async () => {
    const asked: unknown[][] = []
    const plain = globalThis.WebSocket
    globalThis.WebSocket = class extends plain {
      constructor(...args: [string | URL]) {
        asked.push(args)
        super(...args)
      }
    }
    try {
      const websocket = { rejectUnauthorized: false }
      await using node = await dialer({ libp2p: { transports: [webSockets({ websocket } as never)] } })
      await errorOf(node.dial(multiaddr(`/ip4/127.0.0.1/tcp/${await closedPort()}/tls/ws`)))
      assert.deepEqual(
        asked.map(args => args.length),
        [1]
      )
    } finally {
      globalThis.WebSocket = plain
    }
  })
})

const portOf = (node: Libp2p): number => Number(/\/tcp\/(\d+)/.exec(addrOf(node))![1])

/** What comes first: the promise, or half a second. */
const soon = (promise: Promise<unknown>): Promise<string> =>
  Promise.race([promise.then(() => 'done'), delay(500, 'waits')])

describe('strangers (src/gate.ts)', patient, () => {
  test('a number that has no end is read for as long as it comes', async () => {
    await using node = await plainNode({ identify: false })
    const socket = connect(portOf(node), '127.0.0.1')
    await once(socket, 'connect')
    socket.on('error', () => {}).write(Buffer.alloc(32 * 1024, 0x80))
    assert.equal(await soon(once(socket.resume(), 'close')), 'waits')
    socket.destroy()
  })

  test('a socket that asks for no WebSocket keeps the listener from its end', async () => {
    const node = await plainNode({ listen: [`${LOCAL}/ws`] })
    const socket = connect(portOf(node), '127.0.0.1')
    await once(socket, 'connect')
    const stopped = node.stop() as Promise<void>
    assert.equal(await soon(stopped), 'waits')
    socket.destroy()
    await stopped
  })

  test('exit() waits for a thread that waits for a file (src/leave.ts)', {
    skip: process.platform === 'win32'
  }, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'p2pctl-upstream-'))
    const fifo = join(folder, 'fifo')
    assert.equal(spawnSync('mkfifo', [fifo]).status, 0)
    const script = `require('fs').open(${JSON.stringify(fifo)}, () => {}); setImmediate(() => process.exit())`
    const { signal } = spawnSync(process.execPath, ['-e', script], { timeout: 1500, killSignal: 'SIGKILL' })
    rmSync(folder, { recursive: true })
    assert.equal(signal, 'SIGKILL')
  })
})
