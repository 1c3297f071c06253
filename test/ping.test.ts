import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { ping as pingService } from '@libp2p/ping'
import ping, { type Options } from '../src/commands/ping.ts'
import { begin, collect, one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { startRelay } from './helpers/relay.ts'
import type { Connection, Stream } from '@libp2p/interface'
import type { Said } from '../src/events.ts'

const PING = '/ipfs/ping/1.0.0'
const patient = { timeout: 30_000 }
/** A timeout that is meant to pass. */
const SHORT = 1000
const seen = { warnings: 0 }
process.on('warning', ({ name }) => {
  if (name === 'MaxListenersExceededWarning') seen.warnings++
})

const run = (target: string | string[], options: Partial<Options> = {}): Promise<Said[]> =>
  collect(ping, { target: [target].flat(), timeout: 10_000, interval: 0, ...options })

/** A peer that answers ping by hand: it is told of each stream and each 32 bytes or less that come on it. */
async function responder(
  answer: (stream: Stream, bytes: Uint8Array, connection: Connection) => void,
  opened: (stream: Stream) => void = () => {}
) {
  const streams: Stream[] = []
  const node = await plainNode()
  await node.handle(PING, (stream, connection) => {
    streams.push(stream)
    opened(stream)
    stream.addEventListener('message', ({ data }) => answer(stream, data.subarray(), connection))
    stream.addEventListener('remoteCloseWrite', () => void stream.close())
  })
  return Object.assign(node, { streams })
}

const sendAndEnd = (stream: Stream, bytes: Uint8Array): void => {
  stream.send(bytes)
  void stream.close()
}
const echo = (stream: Stream, bytes: Uint8Array): void => void stream.send(bytes)

describe('ping', patient, () => {
  test('as many replies as were asked for, in microseconds, on one stream', async () => {
    await using peer = await responder(echo)
    const said = await run(addrOf(peer), { count: 20 })
    const replies = only(said, 'ping.reply')
    assert.deepEqual(
      replies.map(({ seq }) => seq),
      Array.from({ length: 20 }, (_, index) => index + 1)
    )
    for (const { rtt_ms, peer_id, addr, target } of replies) {
      assert.ok(rtt_ms > 0)
      assert.deepEqual([peer_id, addr, target], [peer.peerId.toString(), addrOf(peer), addrOf(peer)])
    }
    assert.ok(
      replies.some(({ rtt_ms }) => !Number.isInteger(rtt_ms)),
      'a clock of whole milliseconds'
    )
    assert.equal(peer.streams.length, 1)
    const { rtt_ms, connect_ms, ...summary } = one(said, 'run.summary')
    assert.deepEqual(summary, {
      type: 'run.summary',
      ok: true,
      exit_code: 0,
      target: addrOf(peer),
      sent: 20,
      received: 20,
      loss_pct: 0
    })
    assert.ok(connect_ms! > 0 && rtt_ms!.min <= rtt_ms!.p50 && rtt_ms!.p50 <= rtt_ms!.max)
    assert.deepEqual(
      [only(said, 'dial.attempt').length, only(said, 'connection.open').length, only(said, 'peer.identify').length],
      [1, 1, 0]
    )
  })

  test('the echo of js-libp2p answers, over WebSocket too', async () => {
    await using peer = await plainNode({ listen: ['/ip4/127.0.0.1/tcp/0/ws'], services: { ping: pingService() } })
    const said = await run(addrOf(peer), { count: 5 })
    assert.equal(one(said, 'run.summary').received, 5)
  })

  test('a responder that ends each stream after a while costs nothing', async () => {
    // js-libp2p does so after 10 s, here after half a second
    await using peer = await plainNode({ services: { ping: pingService({ timeout: 500 }) } })
    const said = await run(addrOf(peer), { count: 12, interval: 100 })
    assert.equal(one(said, 'run.summary').received, 12, JSON.stringify(only(said, 'ping.fail')))
  })

  test('the timeout is for the dial and for each ping: the connection lives on', async () => {
    await using peer = await responder(echo)
    const said = await run(addrOf(peer), { count: 12, interval: 150, timeout: 1500 })
    assert.equal(one(said, 'run.summary').received, 12)
  })

  test('a responder that answers once a stream, as nim does, is no failure', async () => {
    await using peer = await responder(sendAndEnd)
    const said = await run(addrOf(peer), { count: 6 })
    assert.equal(one(said, 'run.summary').received, 6)
    assert.equal(peer.streams.length, 6)
  })

  test('a responder that resets after each answer is no failure either', async () => {
    const done = new WeakSet<Stream>()
    await using peer = await responder((stream, bytes) => {
      if (done.has(stream)) stream.abort(new Error('once only'))
      else echo(stream, bytes)
      done.add(stream)
    })
    assert.equal(one(await run(addrOf(peer), { count: 4 }), 'run.summary').received, 4)
  })

  test('an answer that comes byte by byte is a reply', async () => {
    await using peer = await responder((stream, bytes) => {
      for (const byte of bytes) stream.send(Uint8Array.of(byte))
    })
    assert.equal(one(await run(addrOf(peer), { count: 3 }), 'run.summary').received, 3)
  })

  test('pings go through a relay', async () => {
    await using relay = await startRelay({ limitDataBytes: 1 << 20 })
    await using peer = await plainNode({ listen: [`${relay.addr}/p2p-circuit`], services: { ping: pingService() } })
    const said = await run(`${relay.addr}/p2p-circuit/p2p/${peer.peerId}`, { count: 3 })
    assert.equal(one(said, 'dial.attempt').limited, true)
    assert.equal(one(said, 'run.summary').received, 3)
  })

  test('3,000 pings leave no listener behind', async () => {
    await using peer = await responder(echo)
    const said = await run(addrOf(peer), { count: 3000 })
    assert.equal(one(said, 'run.summary').received, 3000)
    assert.equal(peer.streams.length, 1)
    // warnings are told in the next turn
    await new Promise(resolve => setImmediate(resolve))
    assert.equal(seen.warnings, 0)
  })
})

describe('ping, without a reply', patient, () => {
  const wrong = (bytes: Uint8Array): Uint8Array => bytes.map(byte => byte ^ 1)
  const cases: [string, Parameters<typeof responder>[0], 'wrong' | 'reset' | 'closed'][] = [
    ['other bytes', (stream, bytes) => void stream.send(wrong(bytes)), 'wrong'],
    ['33 bytes', (stream, bytes) => void stream.send(Buffer.concat([bytes, Buffer.of(0)])), 'wrong'],
    ['a flood', (stream, bytes) => void stream.send(Buffer.concat(Array(3000).fill(bytes))), 'wrong'],
    ['31 bytes and the end', (stream, bytes) => sendAndEnd(stream, bytes.subarray(1)), 'closed'],
    ['the end', stream => void stream.close(), 'closed'],
    ['a reset', stream => stream.abort(new Error('no')), 'reset'],
    ['a closed connection', (_stream, _bytes, connection) => connection.abort(new Error('no')), 'reset']
  ]
  for (const [name, answer, reason] of cases) {
    test(`${name}: ping.fail ${reason}, each time`, async () => {
      await using peer = await responder(answer)
      const said = await run(addrOf(peer), { count: 2 })
      assert.deepEqual(
        only(said, 'ping.fail').map(fail => [fail.seq, fail.reason]),
        [
          [1, reason],
          // without a connection nothing is left to reset
          [2, name === 'a closed connection' ? 'closed' : reason]
        ]
      )
      const { ok, exit_code, sent, received, loss_pct, rtt_ms } = one(said, 'run.summary')
      assert.deepEqual([ok, exit_code, sent, received, loss_pct, rtt_ms], [false, 1, 2, 0, 100, null])
    })
  }

  test('silence: ping.timeout, and exit 1', async () => {
    await using peer = await responder(() => {})
    const said = await run(addrOf(peer), { count: 2, timeout: SHORT })
    assert.deepEqual(
      only(said, 'ping.timeout').map(({ seq }) => seq),
      [1, 2]
    )
    assert.equal(one(said, 'run.summary').exit_code, 1)
    assert.equal(peer.streams.length, 1, 'a late answer is told apart by its bytes, and needs no stream of its own')
  })

  test('a connection that ends in the middle loses what came after it', async () => {
    let count = 0
    await using peer = await responder((stream, bytes, connection) => {
      if (++count > 2) connection.abort(new Error('enough'))
      else echo(stream, bytes)
    })
    const said = await run(addrOf(peer), { count: 4 })
    assert.deepEqual(
      said.filter(({ type }) => /^ping/.test(type)).map(({ type }) => type),
      ['ping.reply', 'ping.reply', 'ping.fail', 'ping.fail']
    )
    const { exit_code, received, loss_pct } = one(said, 'run.summary')
    assert.deepEqual([exit_code, received, loss_pct], [0, 2, 50])
  })

  test('a peer that does not speak ping: exit 6, and nothing was sent', async () => {
    await using peer = await plainNode()
    const said = await run(addrOf(peer), { count: 2 })
    const { code, phase } = one(said, 'error')
    assert.deepEqual([code, phase], ['protocol_not_supported', 'protocol'])
    const { exit_code, sent, reason } = one(said, 'run.summary')
    assert.deepEqual([exit_code, sent, reason], [6, 0, 'error'])
  })

  test('a peer that is not there: the exit code of the dial', async () => {
    const said = await run(`/ip4/127.0.0.1/tcp/${await closedPort()}`, { count: 2 })
    const { exit_code, sent, connect_ms } = one(said, 'run.summary')
    assert.deepEqual([exit_code, sent, connect_ms], [1, 0, null])
  })
})

describe('ping, its verdict', patient, () => {
  /** Answers the first, and no other. */
  const first = (): Parameters<typeof responder>[0] => {
    let count = 0
    return (stream, bytes) => (count++ === 0 ? echo(stream, bytes) : stream.abort(new Error('no')))
  }

  test('one reply is enough, but with a count and a deadline all of them are wanted', async () => {
    await using some = await responder(first())
    assert.equal(one(await run(addrOf(some), { count: 2 }), 'run.summary').exit_code, 0)
    await using fewer = await responder(first())
    const said = await run(addrOf(fewer), { count: 2, deadline: 10_000 })
    assert.deepEqual([one(said, 'run.summary').ok, one(said, 'run.summary').exit_code], [false, 1])
    await using all = await responder(echo)
    assert.equal(one(await run(addrOf(all), { count: 2, deadline: 10_000 }), 'run.summary').exit_code, 0)
  })

  test('a ping that is stopped sums up what it has', async () => {
    await using peer = await responder(echo)
    await using running = begin(ping, { target: [addrOf(peer)], timeout: 10_000, interval: 3_600_000 })
    await running.next('ping.reply')
    const { sent, received, exit_code } = one(await running.stop(), 'run.summary')
    assert.deepEqual([sent, received, exit_code], [1, 1, 0])
  })

  test('a ping that is stopped while it waits for a reply counts as never sent', async () => {
    const stopper = new AbortController()
    let count = 0
    await using peer = await responder((stream, bytes) => (count++ === 0 ? echo(stream, bytes) : stopper.abort()))
    const running = begin(ping, { target: [addrOf(peer)], timeout: 10_000, interval: 0 }, stopper)
    const { sent, received, loss_pct, exit_code } = one(await running.done, 'run.summary')
    assert.deepEqual([sent, received, loss_pct, exit_code], [1, 1, 0, 0])
  })

  test('several targets are pinged side by side, and each has its own summary', async () => {
    await using a = await responder(echo)
    await using b = await responder(echo)
    const dead = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const targets = [addrOf(a), dead, addrOf(b)]
    const said = await run(targets, { count: 3 })
    const summary = one(said, 'run.summary')
    assert.deepEqual([summary.ok, summary.exit_code, summary.sent], [false, 1, undefined])
    assert.deepEqual(
      summary.targets!.map(({ target, ok, error, sent, received }) => [target, ok, error, sent, received]),
      [
        [targets[0], true, undefined, 3, 3],
        [dead, false, 'connection_refused', 0, 0],
        [targets[2], true, undefined, 3, 3]
      ]
    )
    for (const target of [addrOf(a), addrOf(b)]) {
      const own = said.filter(event => event.type === 'ping.reply' && event.target === target)
      assert.equal(own.length, 3)
    }
  })

  test('they are pinged at the same time: none waits for another', async () => {
    const both = { a: false, b: false }
    const waiting: (() => void)[] = []
    const together = (name: 'a' | 'b') => (stream: Stream, bytes: Uint8Array) => {
      both[name] = true
      waiting.push(() => echo(stream, bytes))
      if (both.a && both.b) for (const go of waiting.splice(0)) go()
    }
    await using a = await responder(together('a'))
    await using b = await responder(together('b'))
    const summary = one(await run([addrOf(a), addrOf(b)], { count: 1 }), 'run.summary')
    assert.equal(summary.exit_code, 0)
  })
})
