import assert from 'node:assert/strict'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite, test } from 'node:test'
import { run, root, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { ended } from './helpers/ends.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

/** An environment in which a module of the helpers comes first. */
const preloaded = (name: string) => ({
  NODE_OPTIONS: `--import=${pathToFileURL(join(root, 'test/helpers', name)).href}`
})

/** Every duration that an event holds, whatever it is called. */
function durations(event: object): number[] {
  return Object.entries(event).flatMap(([name, value]) => {
    if (typeof value === 'object' && value != null) return durations(value)
    return name.endsWith('_ms') && typeof value === 'number' ? [value] : []
  })
}

suite('a clock that is set, an hour forward and a day back', { timeout: 120_000 }, () => {
  const env = preloaded('skew.mjs')

  test('under a ping, a dial and a file moves no value', async () => {
    await using peer = start(['listen', '-l', LOOPBACK, '--serve', 'perf', '--json'], { env })
    const { addrs } = await peer.next('listen.ready')
    for (const args of [
      ['ping', addrs[0]!, '-c', '10', '-i', '0.1'],
      ['ping', addrs[0]!, '-c', '3', '-i', '0.1', '--fresh'],
      ['dial', addrs[0]!],
      ['send', addrs[0]!, 'hello'],
      ['perf', addrs[0]!, '--duration', '300ms']
    ]) {
      const result = await run([...args, '--json'], { env })
      ended(result, 0, 'complete')
      const times = result.stdout
        .trimEnd()
        .split('\n')
        .map(line => Date.parse(JSON.parse(line).time))
      assert.ok(Math.max(...times) - Math.min(...times) > 3_000_000, 'the clock was set')
      for (const event of result.events) {
        for (const ms of durations(event)) assert.ok(ms >= 0 && ms < 60_000, JSON.stringify(event))
      }
    }
    const said = await peer.stop()
    ended(said, 0, 'interrupted')
    assert.ok(only(said.events, 'connection.close').length >= 5)
    for (const event of said.events) {
      for (const ms of durations(event)) assert.ok(ms >= 0 && ms < 60_000, JSON.stringify(event))
    }
  })

  test('ends nothing early: a timeout and a deadline are as long as they were', async () => {
    await using peer = start(['listen', '-l', LOOPBACK, '--json'], { env })
    const { addrs } = await peer.next('listen.ready')
    peer.child.kill('SIGSTOP')
    const dialed = await run(['dial', addrs[0]!, '-W', '1s', '--json'], { env })
    ended(dialed, 1, 'error')
    const { total_ms, error } = one(dialed.events, 'dial.attempt')
    assert.equal(error?.code, 'io_timeout')
    assert.ok(total_ms >= 990 && total_ms < 30_000)
  })
})

suite('an event loop that stands still', { timeout: 120_000, skip: process.platform === 'win32' }, () => {
  const env = preloaded('stall.mjs')

  test('is marked in the sample that it spoilt, and not in what ping says of the network', async () => {
    await using peer = start(['listen', '-l', LOOPBACK, '--json'])
    const { addrs } = await peer.next('listen.ready')
    await using pinger = start(['ping', addrs[0]!, '-f', '-i', '10ms', '--max-loss', '0', '--json'], { env })
    for (let stalls = 0; stalls < 3; stalls++) {
      await pinger.next('ping.reply', ({ seq }) => seq >= 20 * (stalls + 1))
      pinger.child.kill('SIGUSR2')
      const { rtt_ms, loop_delay_ms } = await pinger.next('ping.reply', ({ stalled }) => stalled === true)
      assert.ok(loop_delay_ms! >= 50)
      assert.ok(rtt_ms > 0)
    }
    const result = await pinger.stop('SIGINT')
    ended(result, 0, 'interrupted')
    const { stalled, rtt_ms, loss_pct } = one(result.events, 'run.summary')
    assert.ok(stalled! >= 3)
    assert.equal(loss_pct, 0)
    const replies = only(result.events, 'ping.reply')
    const spoilt = replies.filter(reply => reply.stalled)
    assert.ok(
      spoilt.some(reply => reply.rtt_ms >= 350),
      'the stall was in the round trip'
    )
    const others = replies.filter(reply => !reply.stalled).map(reply => reply.rtt_ms)
    assert.equal(rtt_ms!.max, Math.max(...others))
  })

  test('loses nothing that came in the meantime, though its time was over', async () => {
    await using peer = start(['listen', '-l', LOOPBACK, '--json'])
    const { addrs } = await peer.next('listen.ready')
    // the dial has as much time as a ping
    const long = { ...env, STALL_MS: '3000' }
    await using pinger = start(['ping', addrs[0]!, '-W', '2s', '-f', '-i', '10ms', '--json'], { env: long })
    await pinger.next('ping.reply')
    pinger.child.kill('SIGUSR2')
    const { rtt_ms } = await pinger.next('ping.reply', ({ stalled }) => stalled === true)
    assert.ok(rtt_ms > 0)
    ended(await pinger.stop('SIGINT'), 0, 'interrupted')
  })
})
