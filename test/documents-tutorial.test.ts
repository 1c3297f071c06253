// The fourth chapter of OrbitDB's tutorial, "Peer-to-Peer, Part 1 (The IPFS Layer)", with p2pctl on one side and nodes
// that are not ours on the other.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { only } from './helpers/collect.ts'
import { run, start } from './helpers/cli.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { topicNode } from './helpers/topics.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-tutorial-'))
after(() => rmSync(folder, { recursive: true, force: true }))

describe('the IPFS tutorial', { timeout: 60_000 }, () => {
  test('Getting a list of connected peers: those of the bootstrap list, in its old spelling', async () => {
    await using a = await plainNode()
    await using b = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0/ws'] })
    const list = join(folder, 'bootstrap.txt')
    const entries = [a, b].map(node => addrOf(node).replace('/p2p/', '/ipfs/'))
    writeFileSync(list, `# bootstrap.list()\n${entries.join('\n')}\n`)
    const { code, events } = await run(['peers', '--bootstrap', `@${list}`, '--json'])
    assert.equal(code, 0)
    assert.deepEqual(
      only(events, 'peer.add').map(({ peer_id, connected }) => [peer_id, connected]),
      [a, b].map(node => [node.peerId.toString(), true])
    )
  })

  test('Manually connecting to peers', async () => {
    await using peer = await plainNode()
    const seen = new Promise<string>(resolve => {
      peer.addEventListener('peer:connect', ({ detail }) => resolve(detail.toString()))
    })
    const { code, events } = await run(['dial', addrOf(peer).replace('/p2p/', '/ipfs/'), '--json'])
    assert.equal(code, 0)
    assert.equal(only(events, 'connection.open')[0]?.peer_id, peer.peerId.toString())
    const [first] = events
    assert.ok(first?.type === 'run.start')
    assert.equal(await seen, first.peer_id)
  })

  test('Subscribing to "your" channel, a topic named after the peer ID, and a message to it', async () => {
    const key = join(folder, 'id.key')
    const made = await run(['key', 'gen', key, '--json'])
    const [{ peer_id: own } = assert.fail()] = only(made.events, 'key.show')
    await using mine = start([
      ...['pubsub', 'sub', own, '--identity', key, '--json'],
      ...['-l', '/ip4/127.0.0.1/tcp/0', '--count', '1']
    ])
    const { addrs, peer_id } = await mine.next('listen.ready')
    assert.equal(peer_id, own)

    await using friend = await topicNode()
    await friend.meet(addrs[0]!)
    await friend.subscribers(own, 1)
    const data = { 'any JSON-serializable': ['value', 1, null] }
    await friend.publish(own, JSON.stringify(data))

    const message = await mine.next('message.received')
    assert.deepEqual([message.peer_id, message.topic], [friend.id, own])
    assert.deepEqual(JSON.parse(message.text!), data)
    assert.match(message.seq!, /^\d+$/)
    assert.equal((await mine.done).code, 0)
  })

  test('Sending messages to peers: to the channel of a node that is not ours', async () => {
    await using friend = await topicNode()
    friend.pubsub.subscribe(friend.id)
    const sent = await run(['pubsub', 'pub', friend.id, '{"data":1}', '--json', '--bootstrap', addrOf(friend)])
    assert.equal(sent.code, 0)
    assert.deepEqual(await friend.texts(1), ['{"data":1}'])
    const { msg } = friend.received[0]!
    const [first] = sent.events
    assert.ok(msg.type === 'signed' && first?.type === 'run.start')
    assert.equal(msg.from.toString(), first.peer_id)
  })
})
