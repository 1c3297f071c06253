import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import type { Connection, Stream } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { type AutonatClient, autonatClient } from '../src/protocols/autonat-client.ts'
import {
  DIAL_BACK,
  DIAL_REQUEST,
  decodeMessage,
  encodeDialBack,
  encodeMessage,
  type Message
} from '../src/protocols/autonat-messages.ts'
import { choose, createMeter } from '../src/protocols/autonat-policy.ts'
import { answerDialRequests, type ServerOptions } from '../src/protocols/autonat-server.ts'
import { frame } from '../src/protocols/framing.ts'
import { streamReader } from '../src/protocols/stream.ts'
import type { Event } from '../src/events.ts'
import { addrOf, type PlainNode, plainNode } from './helpers/plain-node.ts'
import { OTHER, PEER } from './helpers/sample-events.ts'

const patient = { timeout: 30_000 }
const PUBLIC = '/ip4/44.1.0.9/tcp/4001'
const bytesOf = (addr: string): Uint8Array => multiaddr(addr).bytes
const request = (...addrs: string[]): Message => ({ type: 'request', addrs: addrs.map(bytesOf), nonce: 7n })
const data = (bytes: number): Message => ({ type: 'data', data: new Uint8Array(bytes) })

/** The transport manager of a node, which is no part of its type. */
function inner(node: PlainNode): { transportManager: TransportManager } {
  return (node as unknown as { components: { transportManager: TransportManager } }).components
}

/** A server of ours, told of every dial, and a peer that asks it by hand. */
async function withServer(options: Partial<ServerOptions> = {}) {
  const [server, client] = [await plainNode(), await plainNode()]
  const dialed: string[] = []
  const reports: Event<'autonat.dial'>[] = []
  const dial: ServerOptions['dial'] = async (addr, signal) => {
    dialed.push(addr.toString())
    // not dial(), which gives the connection that is there already
    return await inner(server).transportManager.dial(addr, { signal })
  }
  const settings = { dial, report: (event: Event<'autonat.dial'>) => void reports.push(event), loopback: true }
  await server.handle(DIAL_REQUEST, answerDialRequests({ ...settings, ...options }), { maxInboundStreams: 8 })
  const connection = await client.dial(multiaddr(addrOf(server)))
  return {
    ...{ server, client, connection, dialed, reports },
    open: () => open(connection),
    async ask(...messages: Message[]) {
      const asking = await open(connection)
      for (const message of messages) asking.say(message)
      const said = await asking.next()
      await asking.stream.close()
      return said
    },
    async [Symbol.asyncDispose]() {
      await client.stop()
      await server.stop()
    }
  }
}

async function open(connection: Connection) {
  const stream = await connection.newStream(DIAL_REQUEST)
  const reader = streamReader(stream)
  return {
    stream,
    say: (message: Message): void => void stream.send(frame(encodeMessage(message))),
    /** The next message, or how the stream ended. */
    async next(): Promise<Message | string> {
      const bytes = await reader.read().catch(error => `${error.reason}`)
      return typeof bytes === 'string' ? bytes : bytes == null ? 'end' : decodeMessage(bytes)
    }
  }
}

const response = (status: number, dialStatus = 0, index = 0): Message => ({
  type: 'response',
  status,
  index,
  dialStatus
})
const REFUSED = response(101)

describe('what a stranger may have dialed', patient, () => {
  const from = multiaddr('/ip4/44.1.0.7/tcp/50000')
  const chosen = (addr: string, seen = from, loopback = false): boolean | null =>
    choose([bytesOf(addr)], seen, PEER, { loopback })?.sameHost ?? null

  test('its own host for nothing, another public one for a price', () => {
    assert.equal(chosen('/ip4/44.1.0.7/tcp/1'), true)
    assert.equal(chosen(`/ip4/44.1.0.7/tcp/1/ws/p2p/${PEER}`), true)
    assert.equal(chosen('/ip4/44.1.0.8/tcp/1'), false)
  })

  test('a private host only if it is the very one that asks', () => {
    const lan = multiaddr('/ip4/192.168.1.7/tcp/50000')
    assert.equal(chosen('/ip4/192.168.1.7/tcp/1', lan), true)
    for (const other of ['192.168.1.1', '10.0.0.1', '169.254.169.254', '127.0.0.1']) {
      assert.equal(chosen(`/ip4/${other}/tcp/80`, lan), null, other)
      assert.equal(chosen(`/ip4/${other}/tcp/80`), null, other)
    }
    assert.equal(chosen('/ip6/::ffff:10.0.0.1/tcp/80'), null)
    assert.equal(chosen('/ip6/64:ff9b::a00:1/tcp/80'), null)
  })

  test('no loopback, where everybody behind a proxy seems to come from, unless it is a lab', () => {
    const local = multiaddr('/ip4/127.0.0.1/tcp/50000')
    assert.equal(chosen('/ip4/127.0.0.1/tcp/80', local), null)
    assert.equal(chosen('/ip4/127.0.0.1/tcp/80', local, true), true)
    assert.equal(chosen('/ip4/127.0.0.1/tcp/80', from, true), null)
  })

  test('no name, path, relay, group of hosts or other peer', () => {
    for (const addr of [
      '/dns4/example.org/tcp/80',
      '/ip4/44.1.0.7/tcp/80/ws/http-path/admin',
      `/ip4/44.1.0.8/tcp/1/p2p/${PEER}/p2p-circuit`,
      '/ip4/224.0.0.251/tcp/5353',
      '/ip4/255.255.255.255/tcp/1',
      '/ip4/0.0.0.0/tcp/1',
      `/ip4/44.1.0.7/tcp/1/p2p/${OTHER}`,
      '/ip4/44.1.0.7/udp/1',
      '/unix/%2frun%2fx.sock'
    ]) {
      assert.equal(chosen(addr), null, addr)
    }
    assert.equal(choose([new Uint8Array([255, 255])], from, PEER, {}), null)
  })

  test('the first that will do, of the first fifty', () => {
    const many = Array.from({ length: 50 }, () => bytesOf('/ip4/10.0.0.1/tcp/1'))
    assert.equal(choose([...many.slice(1), bytesOf(PUBLIC)], from, PEER, {})?.index, 49)
    assert.equal(choose([...many, bytesOf(PUBLIC)], from, PEER, {}), null)
  })

  test('one at a time, a dozen a minute for a peer, two for a host and five for all', () => {
    let now = 0
    const meter = createMeter(() => now)
    const begin = (peer: string, ip: string) => meter.begin(peer, multiaddr(`/ip4/${ip}/tcp/1`))
    const served = (peer: string, ip: string): boolean => {
      const turn = begin(peer, ip)
      turn?.done()
      return turn != null
    }
    const first = begin('a', '44.1.0.1')
    assert.equal(begin('a', '44.1.0.1'), null, 'the first is not done')
    first!.done()
    const second = begin('a', '44.1.0.1')
    first!.done()
    assert.equal(begin('a', '44.1.0.1'), null, 'nor is the second, whoever ends the first again')
    second!.done()
    for (let i = 2; i < 12; i++) assert.ok(served('a', '44.1.0.1'))
    assert.ok(!served('a', '44.1.0.2'), 'the 13th of a peer, wherever it comes from')
    for (let i = 0; i < 12; i++) assert.ok(served(`b${i}`, '44.1.0.1'))
    assert.ok(!served('c', '44.1.0.1'), 'the 25th of a host')
    for (let i = 0; i < 36; i++) assert.ok(served(`d${i}`, `44.2.0.${i}`))
    assert.ok(!served('e', '44.3.0.1'), 'the 61st of all')
    for (let i = 0; i < 12; i++) assert.ok(meter.admitsPaid())
    assert.ok(!meter.admitsPaid())
    now = 60_000
    assert.ok(served('a', '44.1.0.1'))
    assert.ok(meter.admitsPaid())
  })
})

describe('an AutoNAT server among strangers', patient, () => {
  test('dials the host that asks, hands over the nonce and says so', async () => {
    await using it = await withServer()
    const nonces: Message[] = []
    await it.client.handle(DIAL_BACK, async stream => {
      nonces.push({ type: 'request', addrs: [], nonce: 0n })
      assert.deepEqual(await streamReader(stream).read(), encodeDialBack(7n))
      stream.send(frame(new Uint8Array(0)))
      await stream.close()
    })
    const own = addrOf(it.client)
    assert.deepEqual(await it.ask(request('/ip4/10.0.0.1/tcp/1', own)), response(200, 200, 1))
    assert.deepEqual(it.dialed, [own])
    assert.equal(nonces.length, 1)
    const [{ peer_id, addr, status, dial_status }] = it.reports as [Event<'autonat.dial'>]
    assert.deepEqual([peer_id, addr, status, dial_status], [it.client.peerId.toString(), own, 'OK', 'OK'])
  })

  test('a closed port, another peer and a peer that does not take the nonce are three answers', async () => {
    await using it = await withServer({ dialMs: 300 })
    await using other = await plainNode()
    const dialError = response(200, 100)
    assert.deepEqual(await it.ask(request('/ip4/127.0.0.1/tcp/1')), dialError)
    const theirs = addrOf(other).replace(/\/p2p\/.*/, '')
    assert.deepEqual(await it.ask(request(theirs)), dialError, 'whoever answers has to be the one that asks')
    assert.equal(it.dialed.at(-1), `${theirs}/p2p/${it.client.peerId}`)
    const dialBackError = response(200, 101)
    assert.deepEqual(await it.ask(request(addrOf(it.client))), dialBackError, 'it does not speak the protocol')
    await it.client.handle(DIAL_BACK, () => {})
    assert.deepEqual(await it.ask(request(addrOf(it.client))), dialBackError, 'it is silent')
  })

  test('a third party is not dialed before all was paid', async () => {
    await using it = await withServer({ requestMs: 500 })
    const asking = await it.open()
    asking.say(request(PUBLIC))
    const price = await asking.next()
    assert.ok(typeof price === 'object' && price.type === 'data-request')
    assert.ok(price.bytes >= 30_000 && price.bytes <= 100_000, String(price.bytes))
    for (let sent = 4096; sent < price.bytes; sent += 4096) asking.say(data(4096))
    assert.equal(await asking.next(), 'reset', 'the time for the last part has passed')
    assert.deepEqual(it.dialed, [])
  })

  test('nor for parts that are too small, nor for another message in between', async () => {
    await using it = await withServer()
    for (const bad of [data(99), data(0), request(PUBLIC), REFUSED]) {
      const asking = await it.open()
      asking.say(request(PUBLIC))
      await asking.next()
      asking.say(bad)
      assert.equal(await asking.next(), 'reset', JSON.stringify(bad.type))
    }
    assert.deepEqual(it.dialed, [])
  })

  test('and then it is', async () => {
    const dialed: string[] = []
    const dial: ServerOptions['dial'] = async addr => {
      dialed.push(addr.toString())
      throw new Error('nobody there')
    }
    await using it = await withServer({ dial })
    const asking = await it.open()
    asking.say(request(PUBLIC))
    const price = await asking.next()
    assert.ok(typeof price === 'object' && price.type === 'data-request')
    for (let sent = 0; sent < price.bytes; sent += 4096) asking.say(data(4096))
    assert.deepEqual(await asking.next(), response(200, 100))
    assert.deepEqual(dialed, [`${PUBLIC}/p2p/${it.client.peerId}`])
    assert.ok(it.reports[0]!.data_bytes >= price.bytes)
  })

  test('what is no request ends in a reset, and is not answered', async () => {
    await using it = await withServer()
    const huge = await it.open()
    huge.stream.send(frame(new Uint8Array(9000)))
    assert.equal(await huge.next(), 'reset')
    const endless = await it.open()
    endless.stream.send(new Uint8Array(9000).fill(0x80))
    assert.equal(await endless.next(), 'reset')
    for (const bytes of [new Uint8Array(0), new Uint8Array([0xff, 0x01]), encodeMessage(data(10))]) {
      const asking = await it.open()
      asking.stream.send(frame(bytes))
      assert.equal(await asking.next(), 'reset')
    }
    assert.deepEqual(it.dialed, [])
    assert.deepEqual(it.reports, [])
  })

  test('a silent peer is let go, and for one that leaves the dial is given up', async () => {
    await using it = await withServer({ requestMs: 200 })
    assert.equal(await (await it.open()).next(), 'reset')
    const [dialing, givenUp] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const dial: ServerOptions['dial'] = async (_, signal) => {
      dialing.resolve()
      await once(signal, 'abort')
      givenUp.resolve()
      throw signal.reason
    }
    await using patient = await withServer({ dial, requestMs: 60_000, dialMs: 60_000 })
    const leaving = await patient.open()
    leaving.say(request('/ip4/127.0.0.1/tcp/1'))
    await dialing.promise
    await patient.connection.close()
    await givenUp.promise
    assert.deepEqual(patient.reports, [])
  })

  test('a second request while one is served, and the 13th of a minute, are rejected', async () => {
    await using it = await withServer()
    const slow = await it.open()
    slow.say(request(PUBLIC))
    assert.equal(((await slow.next()) as Message).type, 'data-request')
    assert.deepEqual(await it.ask(request('/ip4/127.0.0.1/tcp/1')), response(100))
    slow.say(data(0))
    assert.equal(await slow.next(), 'reset')
    // what was rejected does not count
    for (let i = 0; i < 11; i++) assert.deepEqual(await it.ask(request('/ip4/10.0.0.1/tcp/1')), REFUSED)
    assert.deepEqual(await it.ask(request('/ip4/10.0.0.1/tcp/1')), response(100))
  })
})

/** A server that answers by hand, and a client of ours. */
async function withClient(answer: (stream: Stream, nonce: bigint, back: () => Promise<Stream>) => Promise<void>) {
  const [server, node] = [await plainNode(), await plainNode()]
  await server.handle(DIAL_REQUEST, async (stream, connection) => {
    const message = decodeMessage((await streamReader(stream).read())!)
    assert.ok(message.type === 'request')
    await answer(stream, message.nonce, () => connection.newStream(DIAL_BACK))
  })
  const client = await autonatClient(node)
  const connection = await node.dial(multiaddr(addrOf(server)))
  return {
    ...{ node, server, client },
    ask: (timeoutMs = 5000, signal = new AbortController().signal) =>
      client.ask(connection, multiaddr(PUBLIC), timeoutMs, signal),
    async [Symbol.asyncDispose]() {
      await stopAll(client, node, server)
    }
  }
}

async function stopAll(client: AutonatClient, ...nodes: PlainNode[]): Promise<void> {
  await client[Symbol.asyncDispose]()
  for (const node of nodes) await node.stop()
}

function says(stream: Stream, message: Message): void {
  stream.send(frame(encodeMessage(message)))
  if (message.type === 'response') stream.close().catch(() => {})
}

const OK = response(200, 200)

describe('an AutoNAT client among strangers', patient, () => {
  test('reachable is what comes with the nonce', async () => {
    await using it = await withClient(async (stream, nonce, back) => {
      const dialed = await back()
      dialed.send(frame(encodeDialBack(nonce)))
      assert.deepEqual(await streamReader(dialed).read(), new Uint8Array(0))
      says(stream, OK)
    })
    const { verdict, dialedFrom } = await it.ask()
    assert.equal(verdict, 'reachable')
    assert.ok(dialedFrom!.startsWith('/ip4/127.0.0.1/tcp/'))
  })

  test('a server that did not dial, or does not know the nonce, proves nothing', async () => {
    await using bare = await withClient(async stream => says(stream, OK))
    assert.equal((await bare.ask()).verdict, 'unproven')
    const refused = Promise.withResolvers<string>()
    await using wrong = await withClient(async (stream, nonce, back) => {
      const dialed = await back()
      dialed.send(frame(encodeDialBack(nonce + 1n)))
      refused.resolve(
        await streamReader(dialed)
          .read()
          .then(String, error => error.reason)
      )
      says(stream, OK)
    })
    assert.equal((await wrong.ask()).verdict, 'unproven')
    assert.equal(await refused.promise, 'reset')
  })

  test('the other answers are what they say', async () => {
    for (const [status, dialStatus, verdict] of [
      [200, 100, 'unreachable'],
      [200, 101, 'unanswered'],
      [101, 0, 'refused'],
      [100, 0, 'rejected'],
      [0, 0, 'failed'],
      [999, 0, 'failed'],
      [200, 0, 'failed']
    ] as const) {
      await using it = await withClient(async stream => says(stream, response(status, dialStatus)))
      assert.equal((await it.ask()).verdict, verdict, `${status} ${dialStatus}`)
    }
    await using it = await withClient(async stream => says(stream, response(200, 200, 7)))
    assert.equal((await it.ask()).verdict, 'failed', 'an address that was not given')
  })

  test('a price within the specification is paid once, and no other is', async () => {
    await using it = await withClient(async (stream, nonce, back) => {
      const reader = streamReader(stream)
      says(stream, { type: 'data-request', index: 0, bytes: 100_000 })
      let received = 0
      while (received < 100_000) {
        const part = decodeMessage((await reader.read())!)
        assert.ok(part.type === 'data' && part.data.byteLength === 4096)
        received += part.data.byteLength
      }
      ;(await back()).send(frame(encodeDialBack(nonce)))
      says(stream, OK)
    })
    assert.deepEqual(await it.ask().then(({ verdict, dataBytes }) => [verdict, dataBytes]), ['reachable', 25 * 4096])
    const received = Promise.withResolvers<string>()
    await using greedy = await withClient(async stream => {
      says(stream, { type: 'data-request', index: 0, bytes: 2 ** 30 })
      received.resolve(
        await streamReader(stream)
          .readSome()
          .then(String, error => error.reason)
      )
    })
    assert.equal((await greedy.ask()).verdict, 'expensive')
    assert.equal(await received.promise, 'reset')
    await using twice = await withClient(async stream => {
      says(stream, { type: 'data-request', index: 0, bytes: 30_000 })
      says(stream, { type: 'data-request', index: 0, bytes: 30_000 })
    })
    assert.equal((await twice.ask()).verdict, 'failed')
  })

  test('silence, garbage, an endless length and an end without a word have no verdict, in time', async () => {
    for (const [answer, why] of [
      [async () => {}, /no answer within 0\.2 s/],
      [async (stream: Stream) => void stream.send(frame(new Uint8Array([0xff, 0xff]))), /./],
      [async (stream: Stream) => void stream.send(new Uint8Array(5000).fill(0x80)), /length prefix/],
      [async (stream: Stream) => void (await stream.close()), /without an answer/],
      [async (stream: Stream) => stream.abort(new Error('no')), /reset/]
    ] as const) {
      await using it = await withClient(answer)
      const { verdict, message } = await it.ask(answer.length === 0 ? 200 : 5000)
      assert.equal(verdict, 'failed')
      assert.match(message!, why)
    }
  })

  test('a peer that does not speak it has no verdict either, and a stop is a stop', async () => {
    await using it = await withClient(async () => {})
    await it.server.unhandle(DIAL_REQUEST)
    assert.equal((await it.ask()).verdict, 'failed')
    const stopper = new AbortController()
    const asking = it.ask(5000, stopper.signal)
    stopper.abort(new Error('stopped'))
    await assert.rejects(asking, /stopped/)
  })

  test('nonces that nobody waits for are not answered', async () => {
    await using it = await withClient(async () => {})
    const connection = await it.server.dial(multiaddr(addrOf(it.node)))
    for (const bytes of [frame(encodeDialBack(1n)), frame(new Uint8Array(65)), new Uint8Array(100).fill(0x80)]) {
      const stream = await connection.newStream(DIAL_BACK)
      stream.send(bytes)
      const answer = await streamReader(stream)
        .read()
        .then(String, error => error.reason)
      assert.equal(answer, 'reset')
    }
  })
})
