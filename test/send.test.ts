import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import listen from '../src/commands/listen.ts'
import send from '../src/commands/send.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { startRelay } from './helpers/relay.ts'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const start = (options: object = {}) => begin(listen, { listen: [LOCAL], maxMessage: 1 << 20, ...options })
const run = (target: string, text: string, options: object = {}): Promise<Said[]> =>
  collect(send, { target, text, timeout: 10_000, ...options })
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

describe('send', patient, () => {
  for (const [name, addr] of [
    ['TCP', LOCAL],
    ['WebSocket', `${LOCAL}/ws`]
  ]) {
    test(`over ${name}: exit 0 once the other side has shown the text`, async () => {
      await using listener = start({ listen: [addr] })
      const target = (await listener.next('listen.ready')).addrs[0]!
      for (const text of ['hello', '', 'h\u00e9llo \ud83d\udc4b\n', 'x'.repeat(300_000)]) {
        const said = await run(target, text)
        const { text: shown, bytes } = only(listener.said, 'message.received').at(-1)!
        assert.equal(shown, text)
        const done = one(said, 'send.done')
        assert.deepEqual(
          [done.bytes, done.total_bytes, done.sha256, done.confirmed, done.target],
          [bytes, bytes, sha256(text), true, target]
        )
        assert.deepEqual(one(said, 'run.summary'), { type: 'run.summary', ok: true, exit_code: 0, target })
        assert.equal(only(said, 'peer.identify').length, 0)
      }
    })
  }

  test('through a relay', async () => {
    await using relay = await startRelay({ limitDataBytes: 1 << 17 })
    await using listener = start({ listen: undefined, circuit: [relay.addr] })
    const target = (await listener.next('listen.ready')).addrs[0]!
    const said = await run(target, 'hello through the relay')
    assert.ok(one(said, 'connection.open').limited)
    assert.equal(one(listener.said, 'message.received').text, 'hello through the relay')
    assert.equal(one(said, 'run.summary').exit_code, 0)
  })

  test('more than the relay lets through is no success', async () => {
    await using relay = await startRelay({ limitDataBytes: 16_384 })
    await using listener = start({ listen: undefined, circuit: [relay.addr] })
    const target = (await listener.next('listen.ready')).addrs[0]!
    const said = await run(target, 'x'.repeat(100_000))
    const { ok, exit_code } = one(said, 'run.summary')
    assert.deepEqual([ok, exit_code, only(said, 'send.done').length], [false, 1, 0], one(said, 'error').message)
    assert.match(one(said, 'error').hint!, /limits/)
    assert.equal(only(listener.said, 'message.received').length, 0)
  })

  async function fails(target: string, text: string, code: string, phase: string, exitCode: number) {
    const said = await run(target, text)
    const error = one(said, 'error')
    assert.deepEqual([error.code, error.phase, error.exit_code, error.target], [code, phase, exitCode, target])
    assert.deepEqual([one(said, 'run.summary').exit_code, one(said, 'run.summary').reason], [exitCode, 'error'])
    assert.equal(only(said, 'send.done').length, 0)
  }

  test('a receiver that refuses it', async () => {
    await using listener = start({ maxMessage: 4 })
    const target = (await listener.next('listen.ready')).addrs[0]!
    await fails(target, 'hello', 'too_large', 'transfer', 1)
    assert.equal(only(listener.said, 'message.received').length, 0)
  })

  test('a peer without the protocol', async () => {
    await using peer = await plainNode()
    await fails(addrOf(peer), 'hello', 'protocol_not_supported', 'transfer', 6)
  })

  test('nobody there', async () => {
    await fails(`/ip4/127.0.0.1/tcp/${await closedPort()}`, 'hello', 'connection_refused', 'connect', 1)
  })

  test('stopped while the receiver keeps it waiting: throws, and nothing is said to be done', async () => {
    const stopper = new AbortController()
    await using peer = await plainNode()
    await peer.handle('/p2pctl/send/1.0.0', () => stopper.abort())
    const running = begin(send, { target: addrOf(peer), text: 'hello', timeout: 10_000 }, stopper)
    await assert.rejects(running.done, { name: 'AbortError' })
    assert.equal(only(running.said, 'send.done').length, 0)
  })

  test('the target and the message cannot both come from stdin', async () => {
    const failure = await failureOf(run('-', '-'))
    assert.deepEqual([failure.code, failure.exitCode], ['invalid_option', 2])
  })
})
