import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { publicKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromString } from '@libp2p/peer-id'
import { CID } from 'multiformats/cid'
import { dhtService } from '../src/dht.ts'
import { listenOn, openNode } from '../src/node.ts'
import { run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { acquaint, type DhtNode, dhtChain, dhtNode, knows } from './helpers/dht-network.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'

const patient = { timeout: 60_000 }
const NOBODYS = 'QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWKSWnP'
const SHARED = 'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi'
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-dht-'))

let nodes: Awaited<ReturnType<typeof dhtChain>>
let first: string
let last: DhtNode
before(async () => {
  nodes = await dhtChain(6)
  first = addrOf(nodes[0]!)
  last = nodes[5]!
})
after(async () => {
  await nodes[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

const dht = (...args: string[]) => run(['dht', ...args, '--json'], patientRun)
const patientRun = { timeoutMs: 30_000 }
const idOf = (node: { peerId: { toString(): string } }): string => node.peerId.toString()

describe('dht find-peer', patient, () => {
  test('walks from a node that does not know the peer to one that does', async () => {
    await using chain = await dhtChain(5)
    const sought = chain[4]!
    const { code, events } = await dht('find-peer', idOf(sought), '--bootstrap', addrOf(chain[0]!))
    assert.equal(code, 0)
    const found = one(events, 'dht.peer')
    assert.deepEqual([found.peer_id, found.addrs], [idOf(sought), [addrOf(sought)]])
    const steps = only(events, 'dht.query')
    assert.ok(steps.every(({ rpc }) => rpc === 'find_node'))
    const [asked] = steps
    assert.deepEqual([asked!.peer_id, asked!.step, asked!.hop], [idOf(chain[0]!), 'sent', 0])
    const answers = steps.filter(({ step }) => step === 'answer')
    assert.ok(answers.length >= 1 && answers.every(({ closer, ms }) => closer! > 0 && ms! > 0))
    // whoever told of it was asked
    assert.ok(answers.some(({ peer_id }) => peer_id === found.from_peer_id))
    const done = one(events, 'dht.done')
    assert.deepEqual([done.answered, done.hops], [answers.length, Math.max(...answers.map(({ hop }) => hop))])
  })

  test('a peer that nobody knows: exit 1, and how many were asked', async () => {
    await using stranger = await plainNode()
    const { code, events } = await dht('find-peer', idOf(stranger), '--bootstrap', first)
    assert.equal(code, 1)
    const { code: error, message } = one(events, 'error')
    assert.equal(error, 'dht_not_found')
    assert.match(message, /6 of 6 nodes answered, and none knows one/)
    assert.equal(one(events, 'dht.done').asked, 6)
  })

  test('--node asks that node alone, and shows what it tells', async () => {
    await using chain = await dhtChain(3)
    const [near, middle, far] = chain as unknown as [DhtNode, DhtNode, DhtNode]
    const { code, events } = await dht('find-peer', idOf(middle), '--node', addrOf(near))
    assert.equal(code, 0)
    assert.equal(one(events, 'dht.peer').from_peer_id, idOf(near))
    assert.deepEqual([one(events, 'dht.done').asked, one(events, 'dht.done').hops], [1, 0])
    const told = only(events, 'dht.closest').map(({ peer_id }) => peer_id)
    assert.ok(told.includes(idOf(middle)))
    const steps = only(events, 'dht.query').map(({ step, peer_id }) => [step, peer_id])
    assert.deepEqual(steps, [
      ['sent', idOf(near)],
      ['answer', idOf(near)]
    ])
    assert.ok(idOf(far) !== idOf(near))
  })

  test('the node itself is found where it is asked about itself', async () => {
    const { code, events } = await dht('find-peer', idOf(nodes[0]!), '--node', first)
    assert.equal(code, 0)
    assert.deepEqual(one(events, 'dht.peer').addrs, [first])
  })

  test('-q prints addresses that the next command takes', async () => {
    const { code, stdout, stderr } = await run(['dht', 'find-peer', idOf(last), '--bootstrap', first, '-q'], patientRun)
    assert.deepEqual([code, stdout, stderr], [0, `${addrOf(last)}\n`, ''])
  })

  test('-v shows each node that was asked', async () => {
    const { stderr } = await run(['dht', 'find-peer', idOf(last), '--bootstrap', first, '-v'], patientRun)
    assert.match(stderr, new RegExp(`^hop 0  ${idOf(nodes[0]!)}  connected .* ms, answered .* ms  \\d closer$`, 'm'))
  })
})

describe('dht closest', patient, () => {
  test('the nearest nodes that answer, in the order of the distance of their hashes', async () => {
    const { code, events } = await dht('closest', SHARED, '--bootstrap', first)
    assert.equal(code, 0)
    const found = only(events, 'dht.closest')
    assert.deepEqual(
      found.map(({ peer_id }) => peer_id),
      await nearestTo(CID.parse(SHARED).multihash.bytes, nodes.map(idOf))
    )
    assert.deepEqual(
      found.map(({ rank }) => rank),
      [1, 2, 3, 4, 5, 6]
    )
    const bits = found.map(({ common_bits }) => common_bits)
    assert.deepEqual(
      bits,
      bits.toSorted((a, b) => b - a)
    )
  })

  test('--node: those that it tells of', async () => {
    await using chain = await dhtChain(2)
    const { code, events } = await dht('closest', '/v/x', '--node', addrOf(chain[0]!))
    assert.equal(code, 0)
    const [told] = only(events, 'dht.closest')
    assert.deepEqual([told!.peer_id, told!.addrs], [idOf(chain[1]!), [addrOf(chain[1]!)]])
  })

  test('a node that knows nobody: exit 1', async () => {
    await using alone = await dhtNode()
    const { code, events } = await dht('closest', '/v/x', '--node', addrOf(alone))
    assert.deepEqual([code, one(events, 'error').code], [1, 'dht_not_found'])
  })
})

describe('dht providers and dht provide', patient, () => {
  test('a plain node provides, and p2pctl finds it, walking and asking one node', async () => {
    await drain(last.services.dht.provide(CID.parse(SHARED)))
    const asked = async (way: string, addr: string) => {
      const { code, events } = await dht('providers', SHARED, way, addr)
      assert.equal(code, 0)
      const { peer_id, addrs, from_peer_id } = one(events, 'dht.provider')
      assert.deepEqual([peer_id, addrs], [idOf(last), [addrOf(last)]])
      return from_peer_id
    }
    // right after they have met, the plain node leaves it with those that it knows, and not with all
    const keeper = await asked('--bootstrap', first)
    assert.equal(await asked('--node', addrOf(nodes.find(node => idOf(node) === keeper)!)), keeper)
  })

  test('--count ends the walk as soon as so many are found', async () => {
    await drain(last.services.dht.provide(CID.parse(SHARED)))
    await drain(nodes[4]!.services.dht.provide(CID.parse(SHARED)))
    const { events } = await dht('providers', SHARED, '--bootstrap', first, '-c', '1')
    assert.equal(one(events, 'run.summary').peers, 1)
    assert.equal(only(events, 'dht.provider').length, 1)
  })

  test('nobody provides it: exit 1', async () => {
    const { code, events } = await dht('providers', NOBODYS, '--bootstrap', first)
    assert.deepEqual([code, one(events, 'error').code], [1, 'dht_not_found'])
  })

  test('p2pctl provides, says who keeps it, stays, and a plain node finds and dials it', async () => {
    const cid = 'bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e'
    await using providing = start(
      ['dht', 'provide', cid, '--bootstrap', first, '-l', '/ip4/127.0.0.1/tcp/0', '--stay', '--json'],
      patientRun
    )
    const ready = await providing.next('listen.ready')
    const found: string[] = []
    for await (const event of last.services.dht.findProviders(CID.parse(cid))) {
      if (event.name === 'PROVIDER') found.push(...event.providers.map(({ id }) => id.toString()))
    }
    assert.deepEqual([...new Set(found)], [ready.peer_id])
    const connection = await last.dial(peerIdFromString(ready.peer_id))
    assert.equal(connection.remotePeer.toString(), ready.peer_id)
    const { code, events } = await providing.stop('SIGINT')
    assert.equal(code, 0)
    const kept = only(events, 'dht.provide')
    assert.deepEqual(kept.map(({ peer_id }) => peer_id).toSorted(), nodes.map(idOf).toSorted())
    assert.ok(kept.every(({ ok }) => ok))
    assert.equal(one(events, 'run.summary').peers, 6)
  })

  test('--announce: the record leads there, and one node is told alone', async () => {
    await using alone = await dhtNode()
    const announced = '/ip4/192.0.2.7/tcp/4001'
    const { code, events } = await dht('provide', NOBODYS, '--node', addrOf(alone), '--announce', announced)
    assert.equal(code, 0)
    assert.equal(one(events, 'dht.provide').peer_id, idOf(alone))
    const own = one(events, 'run.start').peer_id as string
    const asked = await dht('providers', NOBODYS, '--node', addrOf(alone))
    assert.deepEqual(one(asked.events, 'dht.provider').addrs, [`${announced}/p2p/${own}`])
  })

  test('without an address it is refused before anybody is asked', async () => {
    const { code, events } = await dht('provide', NOBODYS, '--node', first)
    assert.deepEqual([code, one(events, 'error').code, only(events, 'dial.attempt').length], [2, 'invalid_option', 0])
  })

  test('one that ends says that its record leads nowhere then', async () => {
    const args = ['dht', 'provide', NOBODYS, '--node', first, '-l', '/ip4/127.0.0.1/tcp/0']
    const { code, stderr } = await run(args, patientRun)
    assert.equal(code, 0)
    assert.match(stderr, /leads to this peer, which ends now: --stay/)
  })
})

describe('dht put and dht get', patient, () => {
  test('p2pctl puts, and a plain node gets', async () => {
    const { code, events } = await dht('put', '/v/ours', 'from p2pctl', '--bootstrap', first)
    assert.equal(code, 0)
    assert.equal(only(events, 'dht.put').filter(({ ok }) => ok).length, 6)
    assert.equal(await storedAt(last, '/v/ours'), 'from p2pctl')
  })

  test('a plain node puts, and p2pctl gets, walking and asking one node', async () => {
    await drain(last.services.dht.put(bytes('/v/theirs'), bytes('from js')))
    for (const way of ['--bootstrap', '--node']) {
      const { code, events } = await dht('get', '/v/theirs', way, first)
      assert.equal(code, 0)
      const record = one(events, 'dht.record')
      assert.deepEqual([record.text, record.valid, record.problem, record.chosen], ['from js', null, null, true])
      assert.ok(Math.abs(Date.parse(record.time_received!) - Date.now()) < 600_000)
    }
  })

  test('nodes that keep different values: each is told, and the one of most nodes is chosen', async () => {
    await dht('put', '/v/split', 'one', '--bootstrap', first)
    await dht('put', '/v/split', 'other', '--node', addrOf(last))
    const { events } = await dht('get', '/v/split', '--bootstrap', first)
    const told = only(events, 'dht.record').map(({ text, peers, chosen }) => [text, peers, chosen])
    assert.deepEqual(told, [
      ['one', 5, true],
      ['other', 1, false]
    ])
  })

  test('stdin, what is no text, and stdout with the value alone', async () => {
    const value = Uint8Array.of(0xff, 0x00, 0x1b)
    const { code } = await run(['dht', 'put', '/v/bytes', '-', '--node', first], { ...patientRun, stdin: value })
    assert.equal(code, 0)
    const { events } = await dht('get', '/v/bytes', '--node', first)
    assert.equal(one(events, 'dht.record').base64, '/wAb')
    await dht('put', '/v/text', 'a\x1b[2Jb', '--node', first)
    const shown = await run(['dht', 'get', '/v/text', '--node', first], patientRun)
    assert.deepEqual([shown.code, shown.stdout], [0, 'a\\x1b[2Jb\n'])
  })

  test('a namespace that the nodes do not take: refused by all, exit 1', async () => {
    const { code, events } = await dht('put', '/nobody/knows', 'x', '--bootstrap', first)
    assert.deepEqual([code, one(events, 'error').code], [1, 'dht_refused'])
    const refused = only(events, 'dht.put').map(({ ok, error }) => `${ok} ${error}`)
    assert.deepEqual([refused.length, ...new Set(refused)], [6, 'false stream_reset'])
  })

  test('a key that nobody has: exit 1', async () => {
    const { code, events } = await dht('get', '/v/nothing', '--bootstrap', first)
    assert.deepEqual([code, one(events, 'error').code], [1, 'dht_not_found'])
  })

  test('a public key is validated, before it is sent and when it comes', async () => {
    const keyFile = join(folder, 'id.key')
    await run(['key', 'gen', keyFile])
    const { readKeyFile } = await import('../src/keys.ts')
    const { key } = await readKeyFile(keyFile)
    const publicKey = publicKeyToProtobuf(key.publicKey)
    const { peer_id } = one((await run(['key', 'show', keyFile, '--json'])).events, 'key.show')
    const stdin = publicKey
    const put = await run(['dht', 'put', `/pk/${peer_id}`, '-', '--node', first], { ...patientRun, stdin })
    assert.equal(put.code, 0)
    const { events } = await dht('get', `/pk/${peer_id}`, '--node', first)
    assert.equal(one(events, 'dht.record').valid, true)
    const other = await run(['dht', 'put', `/pk/${idOf(last)}`, '-', '--node', first, '--json'], {
      ...patientRun,
      stdin
    })
    assert.equal(other.code, 2)
    assert.match(one(other.events, 'error').message, /the public key of another peer/)
  })

  test('nodes that keep what is no IPNS record: it is told, and not taken', async () => {
    const name = idOf(last)
    const key = new Uint8Array([...bytes('/ipns/'), ...last.peerId.toMultihash().bytes])
    await drain(last.services.dht.put(key, bytes('no record')))
    const { code, events } = await dht('get', `/ipns/${name}`, '--bootstrap', first)
    assert.deepEqual([code, one(events, 'error').code], [1, 'dht_not_found'])
    const record = one(events, 'dht.record')
    assert.deepEqual([record.valid, record.problem, record.chosen], [false, 'it is no IPNS record', false])
  })
})

describe('who is asked', patient, () => {
  test('another DHT: --dht-protocol', async () => {
    await using chain = await dhtChain(2, { protocol: '/ipfs/lan/kad/1.0.0' })
    const args = ['closest', '/v/x', '--bootstrap', addrOf(chain[0]!)]
    assert.equal((await dht(...args, '--dht-protocol', '/ipfs/lan/kad/1.0.0')).code, 0)
    const { code, events } = await dht(...args)
    assert.deepEqual([code, one(events, 'error').code], [6, 'protocol_not_supported'])
  })

  test('a peer that is in no DHT: exit 6, whatever it is asked', async () => {
    await using plain = await plainNode()
    for (const args of [
      ['find-peer', idOf(last)],
      ['providers', NOBODYS],
      ['get', '/v/x'],
      ['put', '/v/x', 'y'],
      ['provide', NOBODYS, '--announce', '/ip4/192.0.2.7/tcp/4001']
    ]) {
      const { code, events } = await dht(...args, '--node', addrOf(plain))
      const { code: error, message } = one(events, 'error')
      assert.deepEqual([code, error], [6, 'protocol_not_supported'], args[0])
      assert.match(message, new RegExp(`^${idOf(plain)} does not speak /ipfs/kad/1.0.0$`))
    }
  })

  test('a node that cannot be dialed keeps its error, and another one that was named is enough', async () => {
    const gone = await plainNode()
    const nowhere = addrOf(gone)
    await gone.stop()
    const { code, events } = await dht('closest', '/v/x', '--node', nowhere)
    assert.deepEqual([code, one(events, 'error').code], [1, 'connection_refused'])
    const both = await dht('closest', '/v/x', '--bootstrap', nowhere, first)
    assert.equal(both.code, 0)
    // @libp2p/kad-dht 16.4 tells of peers that only asked it something, so that there may be failures further on
    const failed = only(both.events, 'dht.query').filter(({ step, hop }) => step === 'error' && hop === 0)
    assert.deepEqual(
      failed.map(({ peer_id, error }) => [peer_id, error]),
      [[idOf(gone), 'connection_refused']]
    )
  })

  test('a node that is told of and gone does not end the walk', async () => {
    await using chain = await dhtChain(3)
    const gone = await dhtNode()
    await acquaint(chain[0]!, gone)
    await gone.stop()
    const { code, events } = await dht('closest', '/v/x', '--bootstrap', addrOf(chain[0]!))
    assert.equal(code, 0)
    assert.deepEqual(
      only(events, 'dht.closest')
        .map(({ peer_id }) => peer_id)
        .toSorted(),
      chain.map(idOf).toSorted()
    )
  })

  test('wrong use is refused before anybody is asked', async () => {
    for (const args of [
      ['get', '/v/x'],
      ['get', '/v/x', '--node', first, '--bootstrap', first],
      ['get', 'x', '--node', first],
      ['get', '/ipns/x', '--node', first],
      ['find-peer', 'x', '--node', first],
      ['providers', 'x', '--node', first],
      ['provide', NOBODYS, '--node', first, '--announce', '/ip4/192.0.2.7/tcp/4001', '--stay']
    ]) {
      const { code, events } = await dht(...args)
      assert.deepEqual([code, one(events, 'error').code], [2, 'invalid_option'], args.join(' '))
    }
  })

  test('a node of our own serves a DHT: plain nodes take it in, and p2pctl asks it', async () => {
    const { ping } = await import('@libp2p/ping')
    await using own = await openNode({ services: { ping: ping(), dht: dhtService({ serve: true }) } })
    await listenOn(own, '/ip4/127.0.0.1/tcp/0')
    const plain = await dhtNode()
    const known = knows(plain, own.peerId)
    await plain.dial(own.libp2p.getMultiaddrs())
    await known
    const put = await dht('put', '/v/served', 'here', '--node', own.libp2p.getMultiaddrs()[0]!.toString())
    assert.equal(put.code, 0)
    assert.equal(await storedAt(plain, '/v/served'), 'here')
    await plain.stop()
  })
})

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

async function drain(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}

async function storedAt(node: DhtNode, key: string): Promise<string | undefined> {
  for await (const event of node.services.dht.get(bytes(key))) {
    if (event.name === 'VALUE') return new TextDecoder().decode(event.value)
  }
  return undefined
}

async function nearestTo(key: Uint8Array, peerIds: string[]): Promise<string[]> {
  const place = async (of: Uint8Array) =>
    Buffer.from(await crypto.subtle.digest('SHA-256', of as Uint8Array<ArrayBuffer>))
  const target = await place(key)
  const placed = await Promise.all(
    peerIds.map(async peerId => {
      const own = await place(peerIdFromString(peerId).toMultihash().bytes)
      return { peerId, distance: own.map((byte, at) => byte ^ target[at]!) }
    })
  )
  return placed.sort((a, b) => Buffer.compare(a.distance, b.distance)).map(({ peerId }) => peerId)
}
