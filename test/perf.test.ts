import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import listen, { type Options as ListenOptions } from '../src/commands/listen.ts'
import perf, { type Options } from '../src/commands/perf.ts'
import { frameless, type Frameless } from './helpers/frameless.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { start as startBinary } from './helpers/cli.ts'
import { died, ended } from './helpers/ends.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { startRelay } from './helpers/relay.ts'
import { barrier } from '../src/protocols/pipe.ts'
import type { Said } from '../src/events.ts'

const PERF = '/perf/1.0.0'
const MIB = 2 ** 20
const patient = { timeout: 60_000 }

const server = (options: Partial<ListenOptions> = {}) =>
  begin(listen, { listen: ['/ip4/127.0.0.1/tcp/0'], maxMessage: 1 << 20, serve: ['perf'], ...options })
const addrsOf = async (listener: ReturnType<typeof server>): Promise<string> =>
  (await listener.next('listen.ready')).addrs[0]!
const measure = (target: string, options: Partial<Options> = {}): Promise<Said[]> =>
  collect(perf, { target, timeout: 10_000, ...options })

/** A plain node that does with a measurement as it is told. */
async function peer(onStream: (stream: Frameless) => Promise<void>) {
  const node = await plainNode()
  await node.handle(PERF, stream => void onStream(frameless(stream)))
  return Object.assign(node, { addr: addrOf(node) })
}

function codeOf(said: Said[]): [code: string, exit: number | undefined] {
  return [one(said, 'error').code, one(said, 'run.summary').exit_code]
}

describe('perf', patient, () => {
  const addrs = ['tcp/0', 'tcp/0/ws', 'udp/0/quic-v1'].map(tail => `/ip4/127.0.0.1/${tail}`)
  for (const addr of [...addrs, 'circuit']) {
    test(`over ${addr}: the bytes that were asked for go each way, and both sides count the same`, async () => {
      await using relay = await startRelay()
      await using listener = server(
        addr === 'circuit' ? { listen: undefined, circuit: [relay.addr] } : { listen: [addr] }
      )
      const said = await measure(await addrsOf(listener), { upload: 8 * MIB, download: 5 * MIB + 1 })
      const done = one(said, 'perf.done')
      assert.deepEqual([done.upload_bytes, done.download_bytes, done.complete], [8 * MIB, 5 * MIB + 1, true])
      assert.ok(done.upload_ms! + done.download_ms! <= done.duration_ms + 1)
      const sum = (field: 'upload_bytes' | 'download_bytes') =>
        only(said, 'perf.interval').reduce((total, event) => total + event[field], 0)
      assert.deepEqual([sum('upload_bytes'), sum('download_bytes')], [8 * MIB, 5 * MIB + 1])
      for (const { direction, upload_bytes, download_bytes } of only(said, 'perf.interval')) {
        assert.equal(direction === 'upload' ? download_bytes : upload_bytes, 0, 'an interval is of one direction')
      }
      const { in_bytes, out_bytes, error } = await listener.next('stream.close')
      assert.deepEqual([in_bytes, out_bytes, error], [8 * MIB, 5 * MIB + 1, null])
      assert.equal(one(said, 'run.summary').exit_code, 0)
    })
  }

  test('it speaks as the specification says: the size, the bytes, the end, and only then the answer', async () => {
    const heard: unknown[] = []
    await using it = await peer(async stream => {
      heard.push(Buffer.from((await stream.exactly(8))!).readBigUInt64BE())
      heard.push((await stream.rest()).byteLength)
      await stream.write(new Uint8Array(300))
      await stream.close()
    })
    const done = one(await measure(it.addr, { upload: 1000, download: 300 }), 'perf.done')
    assert.deepEqual(heard, [300n, 1000])
    assert.deepEqual([done.upload_bytes, done.download_bytes, done.complete], [1000, 300, true])
  })

  test('a plain js-libp2p client is served as the specification says', async () => {
    await using listener = server()
    await using node = await plainNode({ listen: [] })
    const connection = await node.dial(multiaddr(await addrsOf(listener)))
    const stream = frameless(await connection.newStream(PERF))
    const size = Buffer.alloc(8)
    size.writeBigUInt64BE(70_000n)
    await stream.write(size)
    await stream.write(new Uint8Array(5000))
    await barrier(connection, new AbortController().signal)
    assert.equal(stream.buffered(), 0, 'nothing comes before our end')
    await stream.close()
    assert.equal((await stream.rest()).byteLength, 70_000)
    const { in_bytes, out_bytes, error } = await listener.next('stream.close')
    assert.deepEqual([in_bytes, out_bytes, error], [5000, 70_000, null])
  })

  test('for a time: up, down, and both, with what was confirmed', async () => {
    await using listener = server()
    const target = await addrsOf(listener)
    const up = one(await measure(target, { duration: 200, only: 'upload' }), 'perf.done')
    assert.ok(up.upload_bytes > 0 && up.upload_ms! >= 200 && up.complete)
    assert.deepEqual([up.download_bytes, up.download_ms, up.download_bytes_per_s], [0, null, null])
    assert.equal((await listener.next('stream.close')).in_bytes, up.upload_bytes, 'all of it was read')
    const down = one(await measure(target, { duration: 200, only: 'download' }), 'perf.done')
    assert.ok(down.download_bytes > 0 && down.download_ms! >= 200 && down.complete)
    assert.deepEqual([down.upload_bytes, down.upload_ms, down.upload_bytes_per_s], [0, null, null])
    assert.equal((await listener.next('stream.close')).error, null, 'the reset at the end is as specified')
    const both = one(await measure(target, { duration: 200 }), 'perf.done')
    assert.ok(both.upload_bytes > 0 && both.download_bytes > 0 && both.complete)
  })

  test('nothing at all can be measured too', async () => {
    await using listener = server()
    const said = await measure(await addrsOf(listener), { upload: 0, download: 0 })
    const { upload_bytes, download_bytes, upload_ms, download_ms, complete } = one(said, 'perf.done')
    assert.deepEqual([upload_bytes, download_bytes, upload_ms, download_ms, complete], [0, 0, null, null, true])
  })

  test('a server keeps to its limits: bytes each way, and time', async () => {
    await using listener = server({ maxPerf: MIB, maxPerfTime: 500 })
    const target = await addrsOf(listener)
    for (const [options, reason] of [
      [{ download: MIB + 1 }, /^refused: it asked for 1048577 bytes, and 1048576 are allowed$/],
      [{ upload: 8 * MIB }, /^refused: it sent more than 1048576 bytes$/],
      [{ duration: 10_000, only: 'download' }, /^refused: more than 1048576 bytes$/]
    ] as const) {
      const said = await measure(target, options)
      assert.deepEqual(codeOf(said), ['stream_reset', 1])
      assert.match((await listener.next('stream.close')).error!, reason)
    }
    await using node = await plainNode({ listen: [] })
    const stream = await node.dialProtocol(multiaddr(target), PERF)
    assert.match((await listener.next('stream.close')).error!, /not done within 500 ms/)
    await frameless(stream).gone
    assert.equal(stream.status, 'reset')
  })

  test('a server serves a few at once, and resets the next', async () => {
    await using listener = server()
    const addr = multiaddr(await addrsOf(listener))
    await using first = await plainNode({ listen: [] })
    await using second = await plainNode({ listen: [] })
    for (const node of [first, second]) for (let i = 0; i < 2; i++) await node.dialProtocol(addr, PERF)
    for (let i = 0; i < 4; i++) await listener.next('stream.open')
    assert.deepEqual(codeOf(await measure(addr.toString(), { upload: 8 * MIB })), ['stream_reset', 1])
  })

  test('through a relay it goes until the limit, and says so', async () => {
    await using relay = await startRelay({ limitDataBytes: 131_072, limitDurationMs: 60_000 })
    await using listener = server({ listen: undefined, circuit: [relay.addr] })
    const target = await addrsOf(listener)
    for (const options of [{ upload: MIB }, { download: MIB }]) {
      const said = await measure(target, options)
      assert.deepEqual(codeOf(said), ['relay_limit', 7])
      assert.match(one(said, 'error').message, /it allows 131072 bytes each way and 60 s$/)
    }
    assert.equal(one(await measure(target, { upload: 20_000, download: 20_000 }), 'perf.done').complete, true)
  })

  test('a server that sends less or more than it was asked for is told', async () => {
    for (const bytes of [299, 301]) {
      await using it = await peer(async stream => {
        await stream.rest()
        await stream.write(new Uint8Array(bytes))
        await stream.close()
      })
      const said = await measure(it.addr, { download: 300 })
      assert.deepEqual(codeOf(said), ['malformed_answer', 1])
      assert.equal(one(said, 'perf.done').complete, false)
    }
  })

  test('a peer that does not speak it is exit 6', async () => {
    await using node = await plainNode()
    assert.deepEqual(codeOf(await measure(addrOf(node))), ['protocol_not_supported', 6])
  })

  test('what does not go together is refused before anything is dialed', async () => {
    for (const options of [
      { upload: 1, duration: 1000 },
      { download: 1, only: 'upload' as const }
    ]) {
      assert.equal((await failureOf(measure('/ip4/127.0.0.1/tcp/1', options))).code, 'invalid_option')
    }
  })

  test('^C ends it with what was measured so far', async () => {
    await using listener = server()
    await using running = startBinary(['perf', await addrsOf(listener), '--duration', '1m', '--json'])
    await running.next('perf.interval')
    const result = await running.stop('SIGINT')
    died(result, 'SIGINT')
    const done = one(result.events, 'perf.done')
    assert.ok(done.upload_bytes > 0)
    assert.deepEqual([done.complete, done.upload_ms], [false, null])
  })

  test('the memory of the server stays flat, however much goes', { skip: process.platform !== 'linux' }, async () => {
    await using listener = startBinary(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--serve', 'perf', '--json'])
    const [target] = (await listener.next('listen.ready')).addrs
    const peakMiB = (): number => {
      const status = readFileSync(`/proc/${listener.child.pid}/status`, 'utf8')
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) / 1024
    }
    const go = async (size: string) =>
      ended(await startBinary(['perf', target!, '--upload', size, '--download', size, '--json']).done, 0, 'complete')
    await go('16MiB')
    const before = peakMiB()
    await go('160MiB')
    assert.ok(peakMiB() - before < 100, `${before} MiB, then ${peakMiB()} MiB`)
  })
})
