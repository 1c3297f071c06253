import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { bin, cleanEnv, root, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { died, ended, summaryOf } from './helpers/ends.ts'
import { noLab, openLab } from './helpers/lab.ts'
import { plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { parseEvent } from './helpers/schema.ts'
import { lookAtInterfaces, lookAtIpv6, lookAtNode } from '../src/doctor/machine.ts'
import type { Event } from '../src/events.ts'

const patient = { timeout: 60_000 }
const LOOPBACK = '/ip4/127.0.0.1/tcp/0'
const OFFLINE = ['doctor', '--offline', '--json']
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-doctor-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const noNamespaces = spawnSync('unshare', ['-n', 'true']).status !== 0 && 'unshare -n needs root'

type Check = Event<'doctor.check'>

function checksOf(events: { type: string }[]): Check[] {
  return only(events, 'doctor.check')
}

function check(events: { type: string }[], name: string): Check {
  const found = checksOf(events).filter(one => one.check === name)
  assert.equal(found.length, 1, `${found.length} of ${name}`)
  return found[0]!
}

const machine = ['node', 'quic', 'webrtc', 'interfaces', 'ipv6', 'tcp-port', 'udp-port']
const transports = ['tcp', 'ws', 'quic-v1', 'webrtc-direct', 'circuit']

describe('doctor', patient, () => {
  test('every check is there, in order, and what this machine can do is done', async () => {
    const result = await run(OFFLINE)
    ended(result, 0, 'complete')
    const all = checksOf(result.events)
    assert.deepEqual(
      all.map(({ group, check }) => `${group}: ${check}`),
      [
        ...machine.map(name => `machine: ${name}`),
        ...transports.map(name => `transports: ${name}`),
        ...['names: dns', 'names: dnsaddr', 'local-network: mdns', 'local-network: upnp']
      ]
    )
    for (const name of ['node', 'tcp-port', 'udp-port', 'tcp', 'ws', 'circuit']) {
      assert.equal(check(result.events, name).status, 'ok', name)
    }
    assert.match(check(result.events, 'circuit').addr!, /\/p2p-circuit\//)
    for (const { status, fix } of all) assert.equal(status === 'warn' ? fix != null : true, true)
    for (const name of ['dns', 'dnsaddr', 'mdns', 'upnp']) assert.equal(check(result.events, name).status, 'skip')
    const { fails, warns } = summaryOf(result.events)
    assert.deepEqual([fails, warns], [0, all.filter(({ status }) => status === 'warn').length])
  })

  test('where the network is down, that fails, and all the rest is looked at too', { skip: noNamespaces }, () => {
    const { status, stdout } = spawnSync('unshare', ['-n', process.execPath, bin, ...OFFLINE], {
      env: cleanEnv(),
      encoding: 'utf8',
      timeout: 50_000
    })
    const events = stdout.trim().split('\n').map(parseEvent)
    assert.equal(status, 1)
    assert.deepEqual(
      checksOf(events).map(one => [one.check, one.status]),
      [
        ...[
          ['node', 'ok'],
          ['quic', check(events, 'quic').status],
          ['webrtc', check(events, 'webrtc').status]
        ],
        ...[
          ['interfaces', 'fail'],
          ['ipv6', 'warn'],
          ['tcp-port', 'ok'],
          ['udp-port', 'ok']
        ],
        ...transports.map(name => [name, check(events, name).status]),
        ...['dns', 'dnsaddr', 'mdns', 'upnp'].map(name => [name, 'skip'])
      ]
    )
    assert.match(check(events, 'interfaces').fix!, /ip link set lo up/)
    for (const name of ['tcp', 'ws', 'circuit']) assert.equal(check(events, name).status, 'fail', name)
    const { ok, exit_code, fails } = one(events, 'run.summary') as Event<'run.summary'>
    assert.deepEqual([ok, exit_code, fails], [false, 1, checksOf(events).filter(one => one.status === 'fail').length])
  })

  test('native code that is not there is named, with its package, and only warned of', async () => {
    const shim = join(folder, 'no-addons.cjs')
    writeFileSync(
      shim,
      `const Module = require('node:module')
      const resolve = Module._resolveFilename
      Module._resolveFilename = function (request, ...rest) {
        if (!/libp2p-quic-|@node-datachannel/.test(request)) return resolve.call(this, request, ...rest)
        throw Object.assign(new Error("Cannot find module '" + request + "'"), { code: 'MODULE_NOT_FOUND' })
      }`
    )
    const args = [...OFFLINE, '--transport', 'tcp']
    const { code, events } = await run(args, { env: { NODE_OPTIONS: `--require=${shim}` } })
    assert.equal(code, 0)
    const [quic, webrtc] = [check(events, 'quic'), check(events, 'webrtc')]
    assert.equal(quic.status, 'warn')
    assert.ok(quic.package!.startsWith(`@chainsafe/libp2p-quic-${process.platform}-${process.arch}`), quic.package)
    assert.equal(quic.message, `${quic.package} is not installed`)
    assert.equal(webrtc.status, 'warn')
    assert.ok(webrtc.package!.startsWith(`@node-datachannel/${process.platform}-${process.arch}`), webrtc.package)
    assert.match(webrtc.fix!, /npm install --include=optional/)
  })

  test('a transport that does not work fails alone', async () => {
    const shim = join(folder, 'no-relay.cjs')
    writeFileSync(shim, "if (process.argv[2] === 'relay') process.exit(9)")
    const { code, events } = await run(OFFLINE, { env: { NODE_OPTIONS: `--require=${shim}` } })
    assert.equal(code, 1)
    assert.equal(check(events, 'circuit').status, 'fail')
    assert.match(check(events, 'circuit').message, /relay ended before it said listen\.ready/)
    assert.deepEqual([check(events, 'tcp').status, check(events, 'ws').status], ['ok', 'ok'])
    assert.equal(summaryOf(events).fails, 1)
  })

  test('--transport looks at some of them only', async () => {
    const { events } = await run([...OFFLINE, '--transport', 'ws'])
    assert.deepEqual(
      checksOf(events).flatMap(one => (one.group === 'transports' ? [one.check] : [])),
      ['ws']
    )
  })

  test('^C ends it while it waits', async () => {
    await using dns = await startDns(() => 'silent')
    await using running = start(['doctor', '--json', '--dns', dns.address])
    await dns.asked()
    died(await running.stop('SIGINT'), 'SIGINT')
  })

  test('machines that are not this one', () => {
    assert.equal(lookAtNode('22.11.0').status, 'fail')
    assert.equal(lookAtNode('22.12.0').status, 'ok')
    assert.equal(lookAtNode('23.0.0').status, 'ok')
    const address = (text: string, family: 'IPv4' | 'IPv6', internal: boolean) =>
      ({ address: text, family, internal, netmask: '', mac: '', cidr: null, scopeid: 0 }) as never
    const lo = [address('127.0.0.1', 'IPv4', true)]
    assert.equal(lookAtInterfaces({}).status, 'fail')
    assert.equal(lookAtInterfaces({ lo }).status, 'warn')
    const eth0 = [address('fe80::1', 'IPv6', false), address('192.168.1.9', 'IPv4', false)]
    assert.deepEqual(
      [lookAtInterfaces({ lo, eth0 }).status, lookAtInterfaces({ lo, eth0 }).message],
      ['ok', 'eth0 192.168.1.9']
    )
    assert.equal(lookAtIpv6({ lo }).status, 'warn')
    assert.equal(lookAtIpv6({ eth0 }).status, 'warn')
    assert.equal(lookAtIpv6({ eth0: [address('2001:db8::1', 'IPv6', false)] }).status, 'ok')
  })
})

describe('doctor asks for names', patient, () => {
  const doctor = async (zone: Parameters<typeof startDns>[0], ...args: string[]) => {
    await using dns = await startDns(zone)
    const argv = ['doctor', '--json', '--transport', 'tcp', '--dns', dns.address, ...args]
    return { ...(await run(argv)), questions: dns.questions, server: dns.address }
  }
  const record = 'dnsaddr=/ip4/192.0.2.7/tcp/4001'

  test('of bootstrap.libp2p.io, and of no other', async () => {
    const { code, events, questions, server } = await doctor({ '_dnsaddr.bootstrap.libp2p.io': { TXT: [record] } })
    assert.equal(code, 0)
    const [dns, dnsaddr] = [check(events, 'dns'), check(events, 'dnsaddr')]
    assert.deepEqual([dns.status, dns.servers], ['ok', [server]])
    assert.deepEqual([dnsaddr.status, dnsaddr.addrs], ['ok', ['/ip4/192.0.2.7/tcp/4001']])
    assert.deepEqual(new Set(questions), new Set(['TXT _dnsaddr.bootstrap.libp2p.io']))
  })

  test('a server that knows no such name works, and the dnsaddr fails', async () => {
    const { code, events } = await doctor({}, '--dns-name', 'example.org')
    assert.equal(code, 1)
    assert.equal(check(events, 'dns').status, 'ok')
    assert.equal(check(events, 'dnsaddr').status, 'fail')
    assert.match(check(events, 'dnsaddr').fix!, /dig TXT _dnsaddr\.example\.org/)
  })

  test('a server that does not answer fails in time, and says what to do', async () => {
    const { code, events } = await doctor(() => 'silent', '-W', '1s')
    assert.equal(code, 1)
    assert.equal(check(events, 'dns').status, 'fail')
    assert.match(check(events, 'dns').message, /no answer/)
    assert.match(check(events, 'dns').fix!, /--dns/)
    assert.equal(check(events, 'dnsaddr').status, 'fail')
  })
})

describe('doctor asks the neighbours', { ...patient, skip: noLab }, () => {
  test('mDNS is heard, and a UPnP gateway answers', async () => {
    await using lab = await openLab()
    const [a, b] = [await lab.host('a', '192.168.7.1/24'), await lab.host('b', '192.168.7.2/24')]
    const gateway = a.spawn(process.execPath, join(root, 'test/helpers/gateway.ts'), a.ip)
    await once(gateway.stdout!, 'data')
    // there is no DNS in the lab, which is a fail of its own
    const { code, events } = await b.run(['doctor', '--json', '--transport', 'tcp', '-W', '3s', '--dns', a.ip])
    assert.equal(code, 1)
    assert.deepEqual([check(events, 'mdns').status, check(events, 'mdns').addrs], ['ok', [b.ip]])
    const upnp = check(events, 'upnp')
    assert.deepEqual([upnp.status, upnp.addr], ['ok', a.ip])
    assert.equal(upnp.message, 'the gateway 192.168.7.1 opens ports (test/1 \\x1b[2JUPnP/1.0)')
    assert.equal(check(events, 'dns').status, 'fail')
  })

  test('no gateway is a warning', async () => {
    await using lab = await openLab()
    const host = await lab.host('a', '192.168.7.1/24')
    const { events } = await host.run(['doctor', '--json', '--transport', 'tcp', '-W', '3s', '--dns', host.ip])
    const { status, message, fix } = check(events, 'upnp')
    assert.deepEqual([status, message], ['warn', 'no gateway answers within 2 s'])
    assert.match(fix!, /relay/)
  })
})

describe('doctor --via', patient, () => {
  const via = (...addrs: string[]) => run([...OFFLINE, '--transport', 'tcp', '--via', ...addrs])

  test('a relay gives a reservation, and has it back', async () => {
    await using relay = start(['relay', '-l', LOOPBACK, '--json'])
    const [addr] = (await relay.next('listen.ready')).addrs
    const { code, events } = await via(addr!)
    assert.equal(code, 0)
    const held = check(events, 'relay')
    assert.deepEqual([held.status, held.relay_status], ['ok', 'OK'])
    await relay.next('reservation.open')
    assert.equal((await relay.next('reservation.close')).status, 'disconnected')
    assert.equal(check(events, 'autonat').status, 'skip')
    assert.equal(check(events, 'mapping').nat, 'none')
    assert.match(check(events, 'observed').observed!, /^\/ip4\/127\.0\.0\.1\/tcp\//)
  })

  test('a relay that is full is a warning, with its status', async () => {
    await using relay = start(['relay', '-l', LOOPBACK, '--deny', '127.0.0.1', '--json'])
    const [addr] = (await relay.next('listen.ready')).addrs
    const { code, events } = await via(addr!)
    assert.equal(code, 0)
    const { status, relay_status } = check(events, 'relay')
    assert.deepEqual([status, relay_status], ['warn', 'PERMISSION_DENIED'])
  })

  test('loopback is not dialed back, and a peer that is nothing of this is no fault', async () => {
    await using server = start(['listen', '--serve', 'autonat', '-l', LOOPBACK, '--json'])
    await using plain = await plainNode({ identify: false })
    const [addr] = (await server.next('listen.ready')).addrs
    const { code, events } = await via(addr!, plain.getMultiaddrs()[0]!.toString())
    assert.equal(code, 0)
    const asked = checksOf(events).filter(one => one.check === 'autonat')
    assert.ok(asked.some(({ verdict, addr }) => verdict === 'refused' && addr!.startsWith('/ip4/127.0.0.1/')))
    const [known, unknown] = checksOf(events).filter(one => one.check === 'observed')
    assert.deepEqual([known!.status, unknown!.status, unknown!.observed], ['ok', 'warn', null])
  })

  test('a peer that is not there fails, and the next one is asked all the same', async () => {
    await using peer = await plainNode()
    const closed = `/ip4/127.0.0.1/tcp/${await closedPort()}`
    const { code, events } = await via(closed, peer.getMultiaddrs()[0]!.toString())
    assert.equal(code, 1)
    assert.deepEqual(
      checksOf(events).flatMap(one => (one.check === 'reach' ? [[one.status, one.target === closed]] : [])),
      [
        ['fail', true],
        ['ok', false]
      ]
    )
  })

  test('the same peer twice is reached twice, from two ports then', async () => {
    await using peer = await plainNode()
    const addr = peer.getMultiaddrs()[0]!.toString()
    const { code, events } = await via(addr, addr)
    assert.equal(code, 0)
    const seen = checksOf(events).flatMap(one => (one.check === 'observed' ? [one.observed] : []))
    assert.equal(new Set(seen).size, 2)
    assert.equal(check(events, 'mapping').nat, 'none')
  })

  test('a port that is taken fails, and so does an address that is none', async () => {
    await using peer = await plainNode({ listen: ['/ip4/0.0.0.0/tcp/0'] })
    const [addr] = peer.getMultiaddrs().map(String)
    const port = /tcp\/(\d+)/.exec(addr!)![1]!
    const taken = await run([...OFFLINE, '--transport', 'tcp', '--via', addr!, '--tcp', port])
    assert.equal(taken.code, 1)
    assert.equal(check(taken.events, 'listen').status, 'fail')
    const wrong = await via('/ip4/127.0.0.1/tpc/1')
    assert.deepEqual([wrong.code, checksOf(wrong.events)], [2, []])
  })
})
