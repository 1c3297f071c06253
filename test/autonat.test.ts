import assert from 'node:assert/strict'
import { on } from 'node:events'
import { createInterface } from 'node:readline'
import { describe, test } from 'node:test'
import type { Running } from './helpers/cli.ts'
import { only } from './helpers/collect.ts'
import { type Host, noLab, noNat, openLab } from './helpers/lab.ts'
import type { Event } from '../src/events.ts'
import { script } from './helpers/script.ts'

const patient = { timeout: 60_000 }
const PORT = '/tcp/4001'
const QUICK = ['--offline', '--transport', 'tcp', '--json']

/** A plain js-libp2p node on a host, by the lines that it says. */
function plainPeer(host: Host, ...args: string[]) {
  const child = host.spawn(process.execPath, script('autonat-peer'), ...args)
  let stderr = ''
  child.stderr!.on('data', chunk => (stderr += chunk))
  const lines = on(createInterface({ input: child.stdout! }), 'line', { close: ['close'] })
  return {
    async next(): Promise<string> {
      const { value, done } = await lines.next()
      assert.ok(done !== true, `the plain node has ended: ${stderr}`)
      return value[0]
    }
  }
}

/** What doctor found of each address, and with which verdict. */
function verdicts(events: Event[]): unknown[] {
  return checks(events, 'autonat').map(({ addr, verdict }) => [addr, verdict])
}

function checks(events: { type: string }[], name: string): Event<'doctor.check'>[] {
  return only(events, 'doctor.check').filter(({ check }) => check === name)
}

/** What was dialed: js-libp2p may ask a second time before it has its answer, which is one too many at a time. */
async function dialed(server: Running): Promise<Event<'autonat.dial'>> {
  for (;;) {
    const said = await server.next('autonat.dial')
    if (said.status !== 'E_REQUEST_REJECTED') return said
  }
}

describe('AutoNAT v2 with a plain js-libp2p node', { ...patient, skip: noLab }, () => {
  test('it serves, and doctor has its verdict on each address', async () => {
    await using lab = await openLab()
    const [a, b] = [await lab.host('a', '44.1.0.10/16'), await lab.host('b', '44.1.0.11/16', '44.1.0.12/16')]
    const server = await plainPeer(a, `/ip4/${a.ip}${PORT}`).next()
    const { code, events } = await b.run(['doctor', ...QUICK, '--via', server, '--tcp', '4005'])
    assert.equal(code, 0)
    assert.deepEqual(verdicts(events), [
      ['/ip4/44.1.0.11/tcp/4005', 'reachable'],
      ['/ip4/44.1.0.12/tcp/4005', 'reachable']
    ])
    const [seen, other] = checks(events, 'autonat')
    assert.equal(seen!.data_bytes, 0)
    assert.match(seen!.dialed_from!, /^\/ip4\/44\.1\.0\.10\/tcp\//)
    assert.ok(other!.data_bytes! >= 30_000, 'another host than the one that asks has its price')
    assert.equal(checks(events, 'mapping')[0]!.nat, 'none')
  })

  test('it asks listen --serve autonat, and takes its word', async () => {
    await using lab = await openLab()
    const [a, b] = [await lab.host('a', '44.1.0.10/16'), await lab.host('b', '44.1.0.11/16', '44.1.0.12/16')]
    await using server = a.start(['listen', '--serve', 'autonat', '-l', `/ip4/${a.ip}${PORT}`, '--json'])
    const [addr] = (await server.next('listen.ready')).addrs
    const peer = plainPeer(b, `/ip4/${b.ip}${PORT}`, addr!)
    const own = await peer.next()
    assert.equal(await peer.next(), `verified /ip4/44.1.0.11${PORT}`)
    const said = await dialed(server)
    assert.deepEqual(
      [said.peer_id, said.addr, said.status, said.dial_status, said.data_bytes],
      [own.split('/').at(-1), `/ip4/44.1.0.11${PORT}`, 'OK', 'OK', 0]
    )
    // this one has no socket of the address that it is seen at
    const paying = plainPeer(b, `/ip4/44.1.0.12${PORT}`, addr!)
    await paying.next()
    assert.equal(await paying.next(), `verified /ip4/44.1.0.12${PORT}`)
    const paid = await dialed(server)
    assert.deepEqual([paid.addr, paid.dial_status], [`/ip4/44.1.0.12${PORT}`, 'OK'])
    assert.ok(paid.data_bytes >= 30_000)
  })
})

describe('doctor behind a NAT', { ...patient, skip: noNat }, () => {
  async function home(symmetric: boolean) {
    const lab = await openLab()
    const servers = [await lab.host('a', '44.1.0.10/16'), await lab.host('b', '44.1.0.11/16')]
    const nat = await lab.nat('nat', '44.1.0.20/16', '192.168.7.1/24', { symmetric })
    const host = await nat.host('home', '192.168.7.2/24')
    const started = servers.map(({ start, ip }, index) =>
      start(['listen', ...(index === 0 ? ['--serve', 'autonat'] : []), '-l', `/ip4/${ip}${PORT}`, '--json'])
    )
    const via = (await Promise.all(started.map(one => one.next('listen.ready')))).map(({ addrs }) => addrs[0]!)
    return { nat, host, via, [Symbol.asyncDispose]: () => lab[Symbol.asyncDispose]() }
  }

  test('the same port for two peers, and reachable once a port is forwarded', async () => {
    await using it = await home(false)
    const args = ['doctor', ...QUICK, '--tcp', '4005', '--via']
    const shut = await it.host.run([...args, ...it.via])
    assert.equal(shut.code, 0)
    // private addresses are not for a public server
    const [outside, unasked, ...more] = checks(shut.events, 'autonat')
    assert.deepEqual([outside!.addr, outside!.verdict], ['/ip4/44.1.0.20/tcp/4005', 'unreachable'])
    assert.match(outside!.fix!, /forward that port/)
    assert.deepEqual([unasked!.status, unasked!.verdict], ['skip', undefined], 'it does not serve AutoNAT')
    assert.deepEqual(more, [])
    assert.deepEqual(
      checks(shut.events, 'mapping').map(({ status, nat }) => [status, nat]),
      [['ok', 'same-port']]
    )
    await it.nat.forward('tcp', 4005, it.host)
    const open = await it.host.run([...args, it.via[0]!])
    assert.deepEqual(verdicts(open.events), [['/ip4/44.1.0.20/tcp/4005', 'reachable']])
    const [mapping] = checks(open.events, 'mapping')
    assert.deepEqual([mapping!.status, mapping!.nat], ['warn', 'unknown'], 'one peer cannot tell')
    assert.match(mapping!.fix!, /second peer/)
  })

  test('another port for each peer is a symmetric NAT', async () => {
    await using it = await home(true)
    const { code, events } = await it.host.run(['doctor', ...QUICK, '--via', ...it.via])
    assert.equal(code, 0)
    const [mapping] = checks(events, 'mapping')
    assert.deepEqual([mapping!.status, mapping!.nat], ['warn', 'symmetric'])
    assert.match(mapping!.fix!, /relay/)
  })
})
