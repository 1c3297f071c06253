import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import ping, { type Options } from '../src/commands/ping.ts'
import { MAX_UNDER_WAY } from '../src/pace.ts'
import { begin, collect, one, only } from './helpers/collect.ts'
import { echo, pingPeer } from './helpers/ping-peer.ts'
import { addrOf } from './helpers/plain-node.ts'
import type { Libp2p } from '@libp2p/interface'
import type { Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
const run = (peer: Libp2p, options: Partial<Options> = {}): Promise<Said[]> =>
  collect(ping, { target: [addrOf(peer)], timeout: 10_000, interval: 10, flood: true, ...options })
const fates = (said: Said[]): (string | number)[][] =>
  said.flatMap(event =>
    event.type === 'ping.fail'
      ? [[event.reason, event.seq]]
      : event.type === 'ping.reply' || event.type === 'ping.timeout' || event.type === 'ping.late'
        ? [[event.type.slice(5), event.seq]]
        : []
  )
/** One under way after the other, as a flood is where each is answered. */
const inTurn = { interval: 0, flood: false }

describe('late, lost, wrong, reset and closed are five words', patient, () => {
  test('late: an answer after its time is said with its time, lost for the verdict, and not taken for the next one', async () => {
    const held: Uint8Array[] = []
    await using peer = await pingPeer((stream, bytes, number) => {
      // the first is answered when the second has come, and then both in their order
      held.push(Uint8Array.from(bytes))
      if (number > 1) for (const one of held.splice(0)) echo(stream, one)
    })
    const said = await run(peer, { ...inTurn, count: 3, timeout: 300 })
    assert.deepEqual(fates(said), [
      ['timeout', 1],
      ['late', 1],
      ['reply', 2],
      ['reply', 3]
    ])
    const [late] = only(said, 'ping.late')
    assert.ok(late!.rtt_ms > 0)
    const { sent, received, late: count, lost, loss_pct } = one(said, 'run.summary')
    assert.deepEqual([sent, received, count, lost, Math.round(loss_pct!)], [3, 2, 1, undefined, 33])
    assert.equal(peer.streams.length, 1)
  })

  test('lost: what a peer drops is lost, and the next answer is the next ping', async () => {
    await using peer = await pingPeer((stream, bytes, number) => number !== 2 && echo(stream, bytes))
    const said = await run(peer, { ...inTurn, count: 3, timeout: 300 })
    assert.deepEqual(fates(said), [
      ['reply', 1],
      ['timeout', 2],
      ['reply', 3]
    ])
    assert.deepEqual([one(said, 'run.summary').lost, one(said, 'run.summary').late], [1, undefined])
  })

  test('wrong: an answer that was given before is no answer to the next', async () => {
    let first: Uint8Array | undefined
    await using peer = await pingPeer((stream, bytes) => {
      first ??= Uint8Array.from(bytes)
      echo(stream, first)
    })
    const said = await run(peer, { ...inTurn, count: 2 })
    assert.deepEqual(fates(said), [
      ['reply', 1],
      ['wrong', 2]
    ])
    assert.equal(one(said, 'run.summary').wrong, 1)
  })

  test('reset and closed: by a peer that does so before it has ever answered', async () => {
    await using resets = await pingPeer(stream => stream.abort(new Error('no')))
    const reset = await run(resets, { ...inTurn, count: 2 })
    assert.deepEqual([one(reset, 'run.summary').reset, one(reset, 'run.summary').closed], [2, undefined])
    await using closes = await pingPeer(stream => void stream.close())
    const closed = await run(closes, { ...inTurn, count: 2 })
    assert.deepEqual([one(closed, 'run.summary').reset, one(closed, 'run.summary').closed], [undefined, 2])
  })

  test('answers out of order are replies, each to its own ping', async () => {
    const held: Uint8Array[] = []
    await using peer = await pingPeer((stream, bytes) => {
      held.unshift(Uint8Array.from(bytes))
      if (held.length === 4) for (const one of held.splice(0)) echo(stream, one)
    })
    const said = await run(peer, { count: 4 })
    assert.deepEqual(fates(said), [
      ['reply', 4],
      ['reply', 3],
      ['reply', 2],
      ['reply', 1]
    ])
  })

  test('a responder that answers once a stream loses none of many that are under way', async () => {
    let held: (() => void) | undefined
    await using peer = await pingPeer((stream, bytes, number) => {
      if (number > 1) return held?.()
      const answer = (): void => {
        echo(stream, bytes)
        void stream.close()
      }
      // the very first waits for company
      if (peer.streams.length > 1) return answer()
      const mine = Uint8Array.from(bytes)
      held = () => {
        held = undefined
        echo(stream, mine)
        void stream.close()
      }
    })
    const said = await run(peer, { count: 6 })
    assert.equal(one(said, 'run.summary').received, 6, JSON.stringify(fates(said)))
  })
})

describe('the schedule of ping', patient, () => {
  test('a slow reply hides nothing: the next go out meanwhile, and no more than are allowed', async () => {
    let came = 0
    const full = Promise.withResolvers<void>()
    const stream = { answer: () => {} }
    await using peer = await pingPeer((to, bytes) => {
      came++
      if (came === 1) {
        const first = Uint8Array.from(bytes)
        stream.answer = () => echo(to, first)
      }
      if (came === MAX_UNDER_WAY) full.resolve()
      if (came === MAX_UNDER_WAY + 1) one65.resolve()
    })
    const one65 = Promise.withResolvers<void>()
    const target = [addrOf(peer)]
    await using running = begin(ping, { target, timeout: 20_000, interval: 10, flood: true })
    await full.promise
    assert.equal(came, MAX_UNDER_WAY)
    // nothing more comes until one is answered
    stream.answer()
    assert.equal((await running.next('ping.reply')).seq, 1)
    await one65.promise
    assert.equal(came, MAX_UNDER_WAY + 1)
    assert.equal(peer.streams.length, 1)
    const { sent, received } = one(await running.stop(), 'run.summary')
    assert.deepEqual([sent, received], [1, 1])
  })

  test('--once stops at the first pong', async () => {
    await using peer = await pingPeer((stream, bytes, number) => number === 3 && echo(stream, bytes))
    const said = await run(peer, { once: true })
    const { ok, exit_code, received } = one(said, 'run.summary')
    assert.deepEqual([ok, exit_code, received], [true, 0, 1])
  })

  test('--fresh makes a connection for each ping, and says how long each took', async () => {
    await using peer = await pingPeer(echo)
    const said = await run(peer, { ...inTurn, count: 4, fresh: true })
    assert.deepEqual([only(said, 'connection.open').length, peer.streams.length], [4, 4])
    for (const { connect_ms } of only(said, 'ping.reply')) assert.ok(connect_ms! > 0)
    const { connects_ms, received } = one(said, 'run.summary')
    assert.equal(received, 4)
    const counted = only(said, 'ping.reply').flatMap(({ connect_ms, connect_stalled }) =>
      connect_stalled ? [] : [connect_ms!]
    )
    const ends = counted.length === 0 ? undefined : [Math.min(...counted), Math.max(...counted)]
    assert.deepEqual(connects_ms && [connects_ms.min, connects_ms.max], ends, 'what is not counted is marked')
  })

  test('--fresh goes on where one connection fails, and ends with its code where all do', async () => {
    await using gone = await pingPeer(echo)
    const target = addrOf(gone)
    await gone.stop()
    const said = await collect(ping, { target: [target], timeout: 5000, count: 2, fresh: true, ...inTurn })
    assert.deepEqual(
      only(said, 'ping.fail').map(({ seq, reason, error }) => [seq, reason, error]),
      [
        [1, 'connect', 'connection_refused'],
        [2, 'connect', 'connection_refused']
      ]
    )
    assert.equal(one(said, 'error').code, 'connection_refused')
    const { sent, unconnected, exit_code } = one(said, 'run.summary')
    assert.deepEqual([sent, unconnected, exit_code], [2, 2, 1])
  })

  test('a reply that came while our own loop stood still is marked, and in no statistics', async () => {
    let blocked = false
    await using peer = await pingPeer((stream, bytes, number) => {
      // the peer is in this process, so that its stall is ours
      for (const end = performance.now() + 300; number === 2 && performance.now() < end; ) blocked = true
      echo(stream, bytes)
    })
    const said = await run(peer, { ...inTurn, count: 3 })
    assert.ok(blocked)
    const second = only(said, 'ping.reply')[1]!
    assert.equal(second.stalled, true)
    assert.ok(second.loop_delay_ms! >= 250)
    const { received, loss_pct, stalled, rtt_ms } = one(said, 'run.summary')
    assert.deepEqual([received, loss_pct], [3, 0])
    assert.ok(stalled! >= 1)
    assert.ok(rtt_ms == null || rtt_ms.max < second.rtt_ms)
  })
})
