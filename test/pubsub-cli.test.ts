import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { run, start } from './helpers/cli.ts'
import { addrOf } from './helpers/plain-node.ts'
import { topicNode } from './helpers/topics.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-pubsub-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const LOCAL = ['-l', '/ip4/127.0.0.1/tcp/0']

test('pub to sub: lines of stdin as messages, each with sender and sequence number, and ^C is its end', async () => {
  const file = join(folder, 'ready.json')
  await using subscriber = start(['pubsub', 'sub', 'news', '--json', '--ready-file', file, ...LOCAL])
  const { addrs } = await subscriber.next('listen.ready')
  assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')).addrs, addrs)
  const sent = await run(['pubsub', 'pub', 'news', '--lines', '--json', '--bootstrap', ...addrs], {
    stdin: 'one\ntwo\nthree'
  })
  assert.deepEqual([sent.code, sent.stderr], [0, ''])
  const { peer_id } = sent.events[0] as { peer_id?: string }
  const seqs = new Set<string | undefined>()
  for (const text of ['one', 'two', 'three']) {
    const message = await subscriber.next('message.received')
    assert.deepEqual([message.text, message.peer_id, message.received_from], [text, peer_id, peer_id])
    seqs.add(message.seq)
  }
  assert.equal(seqs.size, 3)
  const { code, events } = await subscriber.stop('SIGINT')
  assert.equal(code, 0)
  const summary = events.at(-1)!
  assert.ok(summary.type === 'run.summary')
  assert.deepEqual([summary.ok, summary.reason, summary.messages], [true, 'interrupted', 3])
})

test('sub: messages alone on stdout, the rest on stderr, and nothing that a terminal obeys', async () => {
  await using node = await topicNode()
  const running = start(['pubsub', 'sub', 'news', '--count', '2', '--bootstrap', addrOf(node)])
  await node.subscribers('news', 1)
  await node.publish('news', 'evil\x1b[2J\u202e\nline')
  await node.publish('news', Buffer.from([0xff]))
  const { code, stdout, stderr } = await running.done
  assert.equal(code, 0)
  assert.deepEqual(
    stdout.split('\n').map(line => line.replace(/^[\d:]+ /, '')),
    [`${node.id}: evil\\x1b[2J\\u{202e}\\nline`, `${node.id}: 1 bytes, not text: /w==`, '']
  )
  assert.match(stderr, /^subscribed to news as 12D3KooW/)
})

test('sub --raw: the bytes of each message and a newline on stdout, and nothing else', async () => {
  await using node = await topicNode()
  const running = start(['pubsub', 'sub', 'news', '--raw', '-c', '2', '--bootstrap', addrOf(node)])
  await node.subscribers('news', 1)
  for (const text of ['a\x1b', 'b']) await node.publish('news', text)
  const { code, stdout } = await running.done
  assert.deepEqual([code, stdout], [0, 'a\x1b\nb\n'])
  assert.equal((await run(['pubsub', 'sub', 'news', '--raw', '--json'])).code, 2)
})

test('pub says to how many it was sent, and fails when nobody is there', async () => {
  await using node = await topicNode()
  node.pubsub.subscribe('news')
  const sent = await run(['pubsub', 'pub', 'news', '-', '--bootstrap', addrOf(node)], { stdin: 'from stdin' })
  assert.deepEqual([sent.code, sent.stdout, sent.stderr], [0, 'sent 10 B to 1 peer of news\n', ''])
  assert.deepEqual(await node.texts(1), ['from stdin'])
  const none = await run(['pubsub', 'pub', 'other', 'hello', '-W', '0.2', '--bootstrap', addrOf(node)])
  assert.deepEqual([none.code, none.stdout], [1, ''])
  assert.match(
    none.stderr,
    /^p2pctl: nobody subscribes to other within 0.2 s; nothing was sent\n.*\n {2}code {3}no_subs/
  )
})

test('sub, pub and peers end within 2 s on ^C, while they dial and wait', async () => {
  await using node = await topicNode()
  for (const args of [
    ['sub', 'news'],
    ['pub', 'news', 'x'],
    ['peers', '--for', '60s']
  ]) {
    const running = start(['pubsub', ...args, '--json', '--bootstrap', addrOf(node)], { timeoutMs: 20_000 })
    await running.next('connection.open')
    const { signal, code } = await running.stop('SIGINT')
    assert.deepEqual([signal, code], args[0] === 'sub' ? [null, 0] : ['SIGINT', null])
  }
})

test('pub --deadline: no conclusion is no success', async () => {
  await using node = await topicNode()
  const args = ['pubsub', 'pub', 'news', 'x', '--json', '--deadline', '0.5', '--bootstrap', addrOf(node)]
  const { code, events } = await run(args)
  assert.equal(code, 4)
  assert.equal(events.filter(({ type }) => type === 'pubsub.sent').length, 0)
})

test('relay --pubsub: messages between peers that have the relay alone, at once, however many they are', async () => {
  await using relay = start(['relay', '--json', '--pubsub', 'chat', ...LOCAL])
  const [addr = ''] = (await relay.next('listen.ready')).addrs
  const nodes = await Promise.all(Array.from({ length: 15 }, () => topicNode({}, [])))
  await using _ = { [Symbol.asyncDispose]: async () => void (await Promise.all(nodes.map(node => node.stop()))) }
  for (const node of nodes) {
    node.pubsub.subscribe('chat')
    await node.meet(addr)
  }
  const joined = new Set<string>()
  while (joined.size < nodes.length) joined.add((await relay.next('pubsub.graft')).peer_id)
  assert.deepEqual([...joined].sort(), nodes.map(({ id }) => id).sort())
  // nobody knows anybody but the relay
  for (const node of nodes) assert.equal(node.getConnections().length, 1)
  await nodes[0]!.publish('chat', 'hello all')
  for (const node of nodes.slice(1)) {
    assert.deepEqual(await node.texts(1), ['hello all'])
    const [{ msg, propagationSource } = assert.fail()] = node.received
    assert.ok(msg.type === 'signed')
    assert.equal(msg.from.toString(), nodes[0]!.id)
    assert.ok(addr.endsWith(propagationSource.toString()))
  }
  await nodes[3]!.stop()
  assert.equal((await relay.next('pubsub.leave')).peer_id, nodes[3]!.id)
  assert.equal((await relay.stop()).code, 0)
})

test('relay --pubsub without a topic forwards that of peer discovery', async () => {
  await using relay = start(['relay', ...LOCAL, '--json', '--pubsub'])
  const [addr = ''] = (await relay.next('listen.ready')).addrs
  await using node = await topicNode()
  await node.meet(addr)
  await node.subscribers('_peer-discovery._p2p._pubsub', 1)
})
