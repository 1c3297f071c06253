import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { describe, test } from 'node:test'
import { noLab, noNat, openLab } from './helpers/lab.ts'

const bounded = { timeout: 60_000 }

describe('hosts of their own', { ...bounded, skip: noLab }, () => {
  test('two reach each other by addresses that are public to libp2p, and nobody else', async () => {
    await using lab = await openLab()
    const [a, b] = [await lab.host('a', '44.1.0.10/16'), await lab.host('b', '44.1.0.11/16')]
    await using listener = a.start(['listen', '-l', `/ip4/${a.ip}/tcp/4001`, '--json'])
    const { addrs } = await listener.next('listen.ready')
    const { code, events } = await b.run(['dial', addrs[0]!, '--json'])
    assert.equal(code, 0)
    const identify = events.find(({ type }) => type === 'peer.identify')
    assert.match((identify as { observed_addr?: string }).observed_addr!, /^\/ip4\/44\.1\.0\.11\//)
    const outside = await b.run(['dial', '/ip4/45.1.0.1/tcp/4001', '-W', '10s', '--json'])
    assert.equal(outside.code, 1)
  })

  test('nothing is left of a lab, not even when the test failed', async () => {
    const used: string[] = []
    let pid: number | undefined
    const failing = async (): Promise<void> => {
      await using lab = await openLab()
      const host = await lab.host('a', '44.1.0.10/16')
      used.push(`/run/netns/${host.namespace}`)
      pid = host.spawn('sleep', '60').pid
      assert.ok(used.every(existsSync))
      throw new Error('the test failed')
    }
    await assert.rejects(failing(), /the test failed/)
    assert.equal(used.some(existsSync), false)
    assert.throws(() => process.kill(pid!, 0), 'the process is gone')
  })
})

describe('hosts behind a NAT', { ...bounded, skip: noNat }, () => {
  test('are seen as the outside address, and are reached through a forwarded port alone', async () => {
    await using lab = await openLab()
    const out = await lab.host('out', '44.1.0.10/16')
    const nat = await lab.nat('nat', '44.1.0.20/16', '192.168.7.1/24')
    const home = await nat.host('home', '192.168.7.2/24')
    await using outside = out.start(['listen', '-l', `/ip4/${out.ip}/tcp/4001`, '--json'])
    const { addrs } = await outside.next('listen.ready')
    const dialed = await home.run(['dial', addrs[0]!, '--json'])
    assert.equal(dialed.code, 0)
    const identify = dialed.events.find(({ type }) => type === 'peer.identify')
    assert.match((identify as { observed_addr?: string }).observed_addr!, /^\/ip4\/44\.1\.0\.20\//)

    await using inside = home.start(['listen', '-l', `/ip4/${home.ip}/tcp/4001`, '--json'])
    await inside.next('listen.ready')
    const target = `/ip4/${nat.ip}/tcp/4001`
    const refused = await out.run(['dial', target, '-W', '1s', '--json'])
    const error = refused.events.find(({ type }) => type === 'error') as { code?: string }
    assert.deepEqual([refused.code, error.code], [1, 'io_timeout'], 'dropped without a word')
    await nat.forward('tcp', 4001, home)
    assert.equal((await out.run(['dial', target, '--json'])).code, 0)
  })
})
