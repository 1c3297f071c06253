import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { writer } from 'protons-runtime'
import { collect, failureOf, one, only } from './helpers/collect.ts'
import { run } from './helpers/cli.ts'
import { dhtNode } from './helpers/dht-network.ts'
import { addrOf, type PlainNode, plainNode } from './helpers/plain-node.ts'
import closest from '../src/commands/dht-closest.ts'
import get from '../src/commands/dht-get.ts'
import { decodeAnswer, KAD } from '../src/protocols/kad.ts'
import { frame } from '../src/protocols/framing.ts'
import type { Stream } from '@libp2p/interface'

const patient = { timeout: 60_000 }
const quick = { timeout: 1500, dhtProtocol: KAD }

/** A node that answers every question of the DHT with these bytes, or does something else with the stream. */
async function answers(reply: Uint8Array | ((stream: Stream) => void | Promise<void>)): Promise<PlainNode> {
  const node = await plainNode()
  await node.handle(KAD, async stream => {
    stream.addEventListener('message', () => {
      if (reply instanceof Uint8Array) stream.send(frame(reply))
      else void reply(stream)
    })
  })
  return node
}

const field = (number: number, bytes: Uint8Array): Uint8Array =>
  writer()
    .uint32((number << 3) | 2)
    .bytes(bytes)
    .finish()
const join = (...parts: Uint8Array[]): Uint8Array => Buffer.concat(parts)

/** A peer as a message names it: the fields of `closer` (8) or `provider` (9). */
const peer = (id: Uint8Array, addr: Uint8Array, number = 8): Uint8Array =>
  field(number, join(field(1, id), field(2, addr)))

async function somebody(): Promise<Uint8Array> {
  return peerIdFromPrivateKey(await generateKeyPair('Ed25519')).toMultihash().bytes
}

const broken: [name: string, reply: Uint8Array | ((stream: Stream) => void), code: string][] = [
  ['garbage', randomBytes(100).fill(0xff), 'malformed_answer'],
  ['a peer that ends within itself', Uint8Array.of(0x42, 0x7f, 0x0a), 'malformed_answer'],
  ['10 MB announced', stream => void stream.send(Uint8Array.of(0x80, 0xad, 0xe2, 0x04)), 'malformed_answer'],
  ['a length without an end', stream => void stream.send(new Uint8Array(1 << 16).fill(0x80)), 'malformed_answer'],
  ['nothing', () => {}, 'io_timeout'],
  ['half an answer', stream => void stream.send(Uint8Array.of(100, 1, 2)), 'io_timeout'],
  ['a reset', stream => stream.abort(new Error('no')), 'stream_reset'],
  ['an end', stream => void stream.close(), 'malformed_answer']
]

describe('a hostile node', patient, () => {
  for (const [name, reply, code] of broken) {
    test(`${name}: ${code}`, async () => {
      await using node = await answers(reply)
      const failure = await failureOf(collect(closest, { ...quick, key: '/v/x', node: addrOf(node) }))
      assert.deepEqual([failure.code, failure.exitCode], [code, 1])
    })
  }

  test('one that sends without an end is left, and takes no memory', async () => {
    let sent = 0
    await using node = await answers(async stream => {
      const chunk = new Uint8Array(1 << 16)
      // as long as it is let
      while (stream.status === 'open' && sent < 2 ** 30) {
        sent += chunk.length
        if (!stream.send(chunk)) await new Promise(resolve => stream.addEventListener('drain', resolve, { once: true }))
      }
    })
    const { code, events } = await run(['dht', 'get', '/v/x', '--node', addrOf(node), '-W', '2s', '--json'])
    assert.deepEqual([code, one(events, 'error').code], [1, 'dht_not_found'])
    assert.ok(sent < 2 ** 27, `${sent} bytes`)
  })

  test('one that tells of ever more peers: the walk ends, and dials no address twice', async () => {
    let told = 0
    await using node = await answers(async stream => {
      const peers = await Promise.all(
        Array.from({ length: 200 }, async () => {
          told++
          return peer(await somebody(), multiaddr('/ip4/127.0.0.1/tcp/1').bytes)
        })
      )
      stream.send(frame(join(...peers)))
    })
    const said = await collect(closest, { ...quick, key: '/v/x', bootstrap: [addrOf(node)] })
    const done = one(said, 'dht.done')
    // itself, and the twenty one that an honest node tells of at most
    assert.deepEqual([told, done.asked, done.answered], [200, 22, 1])
  })

  test('several that tell of each other and of the same nobody: each is asked once', async () => {
    const nodes: PlainNode[] = []
    const everybody = async (stream: Stream): Promise<void> => {
      const known = nodes.map(one => peer(one.peerId.toMultihash().bytes, multiaddr(addrOf(one)).bytes))
      stream.send(frame(join(...known, peer(await somebody(), multiaddr('/ip4/127.0.0.1/tcp/1').bytes))))
    }
    for (let i = 0; i < 3; i++) nodes.push(await answers(everybody))
    const said = await collect(closest, { ...quick, key: '/v/x', bootstrap: [addrOf(nodes[0]!)] })
    const done = one(said, 'dht.done')
    assert.deepEqual([done.answered, done.asked], [3, 6])
    await Promise.all(nodes.map(node => node.stop()))
  })

  test('what it tells of is not dialed where it is a name, a relay, another peer or nowhere', async () => {
    const id = await somebody()
    const other = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
    const addrs = [
      '/dns4/localhost/tcp/1',
      `/ip4/127.0.0.1/tcp/1/p2p/${other}/p2p-circuit`,
      `/ip4/127.0.0.1/tcp/1/p2p/${other}`,
      '/ip4/0.0.0.0/tcp/1',
      '/ip4/10.255.255.1/tcp/1'
    ]
    await using node = await answers(
      field(8, join(field(1, id), ...addrs.map(addr => field(2, multiaddr(addr).bytes))))
    )
    const said = await collect(closest, { ...quick, key: '/v/x', bootstrap: [addrOf(node)] })
    const failed = only(said, 'dht.query').filter(({ step }) => step === 'error')
    assert.deepEqual(
      failed.map(({ error }) => error),
      ['no_addresses']
    )
  })

  test('records of another key, and ever other values', async () => {
    const record = (key: string, value: Uint8Array) =>
      field(3, join(field(1, new TextEncoder().encode(key)), field(2, value)))
    await using node = await answers(record('/v/other', Uint8Array.of(1)))
    const failure = await failureOf(collect(get, { ...quick, key: '/v/x', node: addrOf(node) }))
    assert.equal(failure.code, 'dht_not_found')
    assert.match(failure.message, /it belongs under another key/)
  })

  test('what a person sees holds nothing that a terminal obeys', async () => {
    const value = new TextEncoder().encode('\x1b]0;owned\x07\u202e')
    const key = new TextEncoder().encode('/v/x')
    const time = new TextEncoder().encode('\x1b[2J')
    await using node = await answers(field(3, join(field(1, key), field(2, value), field(5, time))))
    const { code, stdout, stderr } = await run(['dht', 'get', '/v/x', '--node', addrOf(node), '-v'])
    assert.equal(code, 0)
    assert.equal(stdout, '\\x1b]0;owned\\x07\\u{202e}\n')
    assert.doesNotMatch(stderr, /[^\n\x20-\x7e]/)
  })
})

describe('time', patient, () => {
  test('--deadline ends a walk whose nodes are silent: exit 4', async () => {
    await using node = await answers(() => {})
    const { code, events } = await run(['dht', 'get', '/v/x', '--bootstrap', addrOf(node), '-w', '1s', '--json'])
    assert.deepEqual([code, one(events, 'error').code], [4, 'deadline'])
  })

  test('--for ends it with what is known by then', async () => {
    await using silent = await answers(() => {})
    await using node = await dhtNode()
    const seeds = [addrOf(silent), addrOf(node)]
    const said = await collect(closest, { ...quick, timeout: 30_000, for: 1500, key: '/v/x', bootstrap: seeds })
    assert.deepEqual(
      only(said, 'dht.closest').map(({ peer_id }) => peer_id),
      [node.peerId.toString()]
    )
    const alone = collect(closest, { ...quick, timeout: 30_000, for: 500, key: '/v/x', bootstrap: [addrOf(silent)] })
    assert.equal((await failureOf(alone)).code, 'io_timeout')
  })
})

test('an answer: peers and addresses that are none are left out, and no more than 256 peers are kept', async () => {
  const id = await somebody()
  const addr = multiaddr('/ip4/192.0.2.1/tcp/1')
  const good = peer(id, addr.bytes)
  const bad = peer(Uint8Array.of(1, 2, 3), addr.bytes)
  const odd = field(9, join(field(1, id), field(2, randomBytes(5).fill(0xff)), field(2, addr.bytes)))
  const { closer, providers } = decodeAnswer(join(bad, good, odd))
  assert.deepEqual([closer.length, providers.length], [1, 1])
  assert.deepEqual(
    providers[0]!.addrs.map(one => one.toString()),
    [addr.toString()]
  )
  assert.equal(decodeAnswer(join(...Array<Uint8Array>(1000).fill(good))).closer.length, 256)
})
