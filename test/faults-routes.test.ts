import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import type { Running } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { ended, summaryOf } from './helpers/ends.ts'
import { type Host, type Lab, noLab, openLab } from './helpers/lab.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-routes-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** What `ip` does in the namespace of a host. */
const ip = (host: Host, line: string): void => {
  execFileSync('ip', ['-netns', host.namespace, ...line.split(' ')])
}

suite('networks that fail', { skip: noLab, timeout: 120_000 }, () => {
  let lab: Lab
  let near: Host
  let far: Host
  let peer: Running
  let addr: string
  before(async () => {
    lab = await openLab()
    near = await lab.host('near', '44.1.0.10/16')
    far = await lab.host('far', '44.1.0.20/16')
    const recv = ['--recv', mkdtempSync(join(folder, 'inbox-')), '--max-file', '10GiB', '--max-total', '10GiB']
    const args = ['listen', '-l', `/ip4/${far.ip}/tcp/4001`, '--json', '--keep-free', '0', ...recv]
    peer = far.start(args, { timeoutMs: 120_000 })
    addr = (await peer.next('listen.ready')).addrs[0]!
  })
  after(() => lab?.[Symbol.asyncDispose]())

  const routes = [
    ['blackhole', 'network_unreachable'],
    ['unreachable', 'no_route'],
    ['prohibit', 'network_unreachable']
  ] as const
  for (const [kind, code] of routes) {
    test(`a route of the kind ${kind} is ${code}, long before the time is over`, async () => {
      ip(near, `route add ${kind} ${far.ip}/32`)
      try {
        for (const args of [
          ['dial', addr],
          ['ping', addr, '-c', '1'],
          ['send', addr, 'hello']
        ]) {
          const result = await near.run([...args, '-W', '30s', '--json'])
          ended(result, 1, 'error')
          assert.equal(one(result.events, 'error').code, code)
          assert.ok(one(result.events, 'dial.attempt').total_ms < 15_000)
        }
      } finally {
        ip(near, `route del ${kind} ${far.ip}/32`)
      }
    })
  }

  test('a route that becomes a black hole under a ping loses what follows, and gives it back after', async () => {
    await using pinger = near.start(['ping', addr, '-W', '600ms', '-i', '0.2', '--json'])
    await pinger.next('ping.reply')
    ip(near, `route add blackhole ${far.ip}/32`)
    const { seq } = await pinger.next('ping.timeout')
    await pinger.next('ping.timeout')
    ip(near, `route del blackhole ${far.ip}/32`)
    // TCP sends again by itself, and later each time
    await pinger.next('ping.reply', reply => reply.seq > seq)
    const result = await pinger.stop('SIGINT')
    ended(result, 0, 'interrupted')
    assert.ok(summaryOf(result.events).loss_pct! > 0)
  })

  test('a link that goes down under a ping and under a file: losses, and the deadline', async () => {
    const big = join(folder, 'big.bin')
    writeFileSync(big, '')
    truncateSync(big, 3_000_000_000)
    await using pinger = near.start(['ping', addr, '-W', '600ms', '-i', '0.2', '-c', '15', '--json'])
    await using sender = near.start(['send', addr, '-f', big, '-w', '6s', '--json'])
    await Promise.all([pinger.next('ping.reply'), sender.next('send.progress')])
    ip(far, 'link set eth0 down')
    try {
      const [pinged, sent] = await Promise.all([pinger.done, sender.done])
      ended(pinged, 0, 'complete')
      const { sent: count, received } = summaryOf(pinged.events)
      assert.equal(count, 15)
      assert.ok(received! < 15)
      assert.equal(only(pinged.events, 'ping.timeout').length + only(pinged.events, 'ping.fail').length, 15 - received!)
      ended(sent, 4, 'deadline')
      // nobody says whose address it is any more
      const dialed = await near.run(['dial', addr, '-W', '1s', '--json'])
      ended(dialed, 1, 'error')
      assert.match(one(dialed.events, 'error').code, /^(io_timeout|no_route)$/)
    } finally {
      ip(far, 'link set eth0 up')
    }
    await near.run(['dial', addr, '-W', '30s', '--json'])
  })

  test('a machine whose own link is down cannot dial, and says so', async () => {
    ip(near, 'link set eth0 down')
    try {
      const result = await near.run(['dial', addr, '-W', '30s', '--json'])
      ended(result, 1, 'error')
      assert.equal(one(result.events, 'error').code, 'network_unreachable')
    } finally {
      ip(near, 'link set eth0 up')
    }
  })
})
