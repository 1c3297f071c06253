import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { type Result, type Running, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { ended, summaryOf } from './helpers/ends.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-peers-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const big = join(folder, 'big.bin')
writeFileSync(big, '')
truncateSync(big, 3_000_000_000)

async function listener(...more: string[]): Promise<Running & { addr: string }> {
  const running = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json', ...more])
  return Object.assign(running, { addr: (await running.next('listen.ready')).addrs[0]! })
}

const takesFiles = (): string[] => {
  const inbox = mkdtempSync(join(folder, 'inbox-'))
  return ['--recv', inbox, '--max-file', '10GiB', '--max-total', '10GiB', '--keep-free', '0']
}

const codesOf = ({ events }: Result) => only(events, 'error').map(({ code }) => code)

suite('a peer that is killed', { timeout: 120_000 }, () => {
  test('while it is pinged: what follows is lost at once, and what came before stands', async () => {
    await using peer = await listener()
    await using pinger = start(['ping', peer.addr, '-c', '12', '-i', '0.2', '--json'])
    await pinger.next('ping.reply', ({ seq }) => seq === 2)
    await peer.stop('SIGKILL')
    const result = await pinger.done
    const { sent, received, loss_pct } = summaryOf(result.events)
    assert.equal(sent, 12)
    assert.ok(received! >= 2 && received! < 12)
    assert.ok(loss_pct! > 0)
    const fails = only(result.events, 'ping.fail')
    assert.equal(fails.length, 12 - received!)
    // none of them waited for its time
    for (const { reason, after_ms } of fails) assert.ok(/closed|reset/.test(reason) && after_ms < 9_000, reason)
    ended(result, 0, 'complete')
  })

  test('while it is pinged with new connections: those are refused, and one that came back answers', async () => {
    const key = join(folder, 'peer.key')
    assert.equal((await run(['key', 'gen', key])).code, 0)
    const first = await listener('--identity', key)
    await using pinger = start(['ping', first.addr, '--fresh', '-c', '100', '-i', '0.1', '--json'])
    await pinger.next('ping.reply')
    await first.stop('SIGKILL')
    const { error } = await pinger.next('ping.fail', ({ error }) => error === 'connection_refused')
    assert.equal(error, 'connection_refused')
    const again = ['-l', first.addr.replace(/\/p2p\/.*/, ''), '--identity', key]
    await using second = start(['listen', '--json', ...again])
    await second.next('listen.ready')
    await pinger.next('ping.reply')
  })

  test('while a file is on its way: the sender says so and ends', async () => {
    await using peer = await listener(...takesFiles())
    await using sender = start(['send', peer.addr, '-f', big, '--json'])
    await sender.next('send.progress')
    await peer.stop('SIGKILL')
    const result = await sender.done
    ended(result, 1, 'error')
    assert.deepEqual(codesOf(result), ['connection_reset'])
  })

  test('while the way to it is measured: perf says so and ends', async () => {
    await using peer = await listener('--serve', 'perf')
    await using perf = start(['perf', peer.addr, '--json'])
    await perf.next('perf.interval')
    await peer.stop('SIGKILL')
    const result = await perf.done
    assert.equal(result.code, 1)
    assert.ok(codesOf(result).every(code => code !== 'internal'))
  })

  test('while it sends: nothing is left of the file, and the receiver serves the next', async () => {
    const inbox = takesFiles()
    await using peer = await listener(...inbox)
    await using sender = start(['send', peer.addr, '-f', big, '--json'])
    await sender.next('send.progress')
    await sender.stop('SIGKILL')
    await peer.next('file.refused')
    assert.deepEqual(readdirSync(inbox[1]!), [])
    ended(await run(['ping', peer.addr, '-c', '1', '--json']), 0, 'complete')
  })
})

test('a peer that closes what it does not want is left in order, however many of its connections there were', async () => {
  await using peer = await listener('--limit', 'connections-per-peer=1')
  // those that came and went leave no socket behind that would hold the process
  const stdin = Array.from({ length: 20 }, () => peer.addr).join('\n')
  const result = await run(['ping', '-', '-c', '2', '-i', '0.1', '--concurrency', '20', '--json'], { stdin })
  ended(result, 1, 'complete')
  const { targets } = summaryOf(result.events)
  assert.ok(targets!.some(({ ok }) => !ok))
  assert.deepEqual(
    codesOf(result).filter(code => code === 'internal'),
    []
  )
})

suite('a peer that is stopped', { timeout: 120_000 }, () => {
  test('while it is pinged: each is lost after its time, and it answers when it goes on', async () => {
    await using peer = await listener()
    await using pinger = start(['ping', peer.addr, '-W', '500ms', '-i', '0.2', '--json'])
    await pinger.next('ping.reply')
    peer.child.kill('SIGSTOP')
    const { after_ms } = await pinger.next('ping.timeout')
    assert.ok(after_ms >= 499)
    await pinger.next('ping.timeout')
    peer.child.kill('SIGCONT')
    const late = await pinger.next('ping.late')
    assert.ok(late.rtt_ms >= 499, 'the answer to one before is not taken for the next')
    await pinger.next('ping.reply', ({ seq }) => seq > late.seq)
    const result = await pinger.stop('SIGINT')
    ended(result, 0, 'interrupted')
    assert.ok(summaryOf(result.events).lost! >= 1 || summaryOf(result.events).late! >= 1)
  })

  test('while a file is on its way: the deadline ends the sender', async () => {
    await using peer = await listener(...takesFiles())
    await using sender = start(['send', peer.addr, '-f', big, '-w', '5s', '--json'])
    await sender.next('send.progress')
    peer.child.kill('SIGSTOP')
    const result = await sender.done
    ended(result, 4, 'deadline')
    assert.deepEqual(codesOf(result), ['deadline'])
  })

  test('before it is dialed: the system takes the connection, and the time of the attempt ends it', async () => {
    await using peer = await listener()
    peer.child.kill('SIGSTOP')
    for (const args of [
      ['dial', peer.addr],
      ['ping', peer.addr, '-c', '1'],
      ['send', peer.addr, 'hello']
    ]) {
      const result = await run([...args, '-W', '3s', '--json'])
      ended(result, 1, 'error')
      const { code, phase } = one(result.events, 'error')
      assert.deepEqual([code, phase], ['io_timeout', 'security'])
    }
  })
})
