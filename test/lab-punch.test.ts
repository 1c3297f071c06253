import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import type { Event } from '../src/events.ts'
import type { Result } from './helpers/cli.ts'
import { type Host, type Lab, noNat, openLab } from './helpers/lab.ts'
import { script } from './helpers/script.ts'

/** A relay that all can reach; each peer is behind a NAT of its own, or is as public as the relay. */
async function openNet(lab: Lab) {
  const relay = await lab.host('relay', '44.1.0.10/16')
  const relaying = relay.start(['relay', '-l', `/ip4/${relay.ip}/tcp/4001`, '--json'])
  const { addrs } = await relaying.next('listen.ready')
  return {
    relay: addrs[0]!,
    open: await lab.host('open', '44.1.0.40/16'),
    async behind(name: string, number: number) {
      const nat = await lab.nat(`${name}-nat`, `44.1.0.${number}/16`, `192.168.${number}.1/24`)
      return { nat, host: await nat.host(name, `192.168.${number}.2/24`) }
    }
  }
}

/** p2pctl listens behind the relay and goes for direct connections. */
async function listening(host: Host, relay: string, ...args: string[]) {
  const listener = host.start(['listen', '--circuit', relay, '--punch', '--json', ...args])
  return { listener, addr: (await listener.next('reservation.open')).addr! }
}

/** js-libp2p with @libp2p/dcutr: its lines, as they come. */
function other(host: Host, ...args: string[]) {
  const child = host.spawn(process.execPath, script('dcutr-peer'), ...args)
  const lines = createInterface(child.stdout!)[Symbol.asyncIterator]()
  return async (has: string): Promise<Record<string, string>> => {
    for (let next = await lines.next(); next.done !== true; next = await lines.next()) {
      const line = JSON.parse(next.value)
      if (has in line) return line
    }
    await once(child, 'close')
    return assert.fail(`it ended without ${has}: ${child.stderr!.read()}`)
  }
}

const punch = (host: Host, target: string, ...args: string[]): Promise<Result> =>
  host.run(['dial', '--punch', target, '--json', ...args])

function resultOf({ events, stderr }: Result): Event<'punch.result'> {
  const result = events.find(({ type }) => type === 'punch.result')
  assert.ok(result, stderr)
  return result as Event<'punch.result'>
}

const steps = ({ events }: Result): Event<'punch.step'>[] =>
  events.filter(({ type }) => type === 'punch.step') as Event<'punch.step'>[]

describe('dial --punch across NATs', { timeout: 60_000, skip: noNat, concurrency: 4 }, () => {
  test('two NATs: everything is said and done, and TCP from Node does not get through', async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { listener, addr } = await listening((await net.behind('b', 20)).host, net.relay)
    const done = await punch((await net.behind('a', 30)).host, addr)
    const { outcome, attempts, addr: direct } = resultOf(done)
    assert.deepEqual([outcome, attempts, direct, done.code], ['timeout', 3, null, 1])
    const names = (attempt: number): string[] =>
      steps(done).flatMap(step => (step.attempt === attempt ? [step.step] : []))
    for (const attempt of [1, 2, 3]) {
      const whole = ['stream_opened', 'connect_received', 'connect_sent', 'sync_received', 'dial']
      assert.deepEqual(names(attempt), whole, 'the protocol itself worked')
    }
    const named = steps(done).find(({ step }) => step === 'connect_received')!.addrs!
    assert.match(named.join(), /^\/ip4\/44\.1\.0\.20\/tcp\/\d+$/, 'nothing but its outside address')
    const error = done.events.find(({ type }) => type === 'error') as Event<'error'>
    assert.deepEqual([error.code, error.exit_code], ['punch_failed', 1])
    assert.match(error.hint!, /WebRTC/)
    assert.equal((await listener.next('punch.result')).outcome, 'timeout')
  })

  test('the dialer is public: the peer dials back', async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { listener, addr } = await listening((await net.behind('b', 20)).host, net.relay)
    const done = await punch(net.open, addr)
    const { outcome, attempts, addr: direct } = resultOf(done)
    assert.deepEqual([outcome, attempts, done.code], ['reversed', 0, 0])
    assert.match(direct!, /^\/ip4\/44\.1\.0\.20\//)
    assert.equal((await listener.next('punch.result')).outcome, 'reversed')
    assert.match((await listener.next('connection.upgrade')).to_addr, /^\/ip4\/44\.1\.0\.40\//)
  })

  test('the peer is public: it need not be punched', async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { addr } = await listening(net.open, net.relay)
    const done = await punch((await net.behind('a', 30)).host, addr)
    assert.deepEqual([resultOf(done).outcome, done.code], ['direct_dial', 0])
    assert.match(resultOf(done).addr!, /^\/ip4\/44\.1\.0\.40\//)
  })

  test("a port that the peer's router forwards, which only CONNECT tells of", async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { nat, host } = await net.behind('b', 20)
    await nat.forward('tcp', 4001, host)
    const { listener, addr } = await listening(host, net.relay, '--tcp', '4001')
    const done = await punch((await net.behind('a', 30)).host, addr)
    const { outcome, attempts, addr: direct } = resultOf(done)
    assert.deepEqual([outcome, attempts, done.code], ['success', 1, 0])
    assert.match(direct!, /^\/ip4\/44\.1\.0\.20\/tcp\/4001\//)
    assert.equal((await listener.next('punch.result')).outcome, 'success')
  })

  test("a port that the dialer's router forwards: --punch-port", async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { nat, host } = await net.behind('a', 30)
    await nat.forward('tcp', 4001, host)
    const { addr } = await listening((await net.behind('b', 20)).host, net.relay)
    const done = await punch(host, addr, '--punch-port', '4001')
    const { outcome, attempts, addr: direct } = resultOf(done)
    assert.deepEqual([outcome, attempts, done.code], ['success', 1, 0])
    assert.match(direct!, /^\/ip4\/44\.1\.0\.20\//, 'it came from there')
  })

  test('js-libp2p with @libp2p/dcutr is called: it dials back', async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { host } = await net.behind('b', 20)
    const { addr } = await other(host, 'listen', net.relay, `/ip4/${host.ip}/tcp/4001`)('addr')
    const done = await punch(net.open, addr!)
    assert.deepEqual([resultOf(done).outcome, done.code], ['reversed', 0])
  })

  test('js-libp2p with @libp2p/dcutr is called, and nobody can be dialed: three attempts', async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { host } = await net.behind('b', 20)
    const { addr } = await other(host, 'listen', net.relay, `/ip4/${host.ip}/tcp/4001`)('addr')
    const done = await punch((await net.behind('a', 30)).host, addr!)
    const { outcome, attempts } = resultOf(done)
    assert.deepEqual([outcome, attempts, done.code], ['failed', 3, 1])
    assert.equal(steps(done).filter(({ step }) => step === 'sync_received').length, 3)
  })

  test('js-libp2p with @libp2p/dcutr calls: it is told where to dial', async () => {
    await using lab = await openLab()
    const net = await openNet(lab)
    const { nat, host } = await net.behind('b', 20)
    await nat.forward('tcp', 4001, host)
    const { listener, addr } = await listening(host, net.relay, '--tcp', '4001')
    const caller = await net.behind('a', 30)
    const line = other(caller.host, 'dial', addr)
    const { outcome, attempts } = await listener.next('punch.result')
    assert.deepEqual([outcome, attempts], ['success', 1])
    const opened = [await line('open'), await line('open'), await line('open')].map(({ open }) => open)
    assert.ok(
      opened.some(open => open?.startsWith('/ip4/44.1.0.20/tcp/4001/')),
      opened.join()
    )
  })
})
