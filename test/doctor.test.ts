import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { getServers } from 'node:dns'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, watch, writeFileSync } from 'node:fs'
import { isIPv4 } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { transportOf } from '../src/addr.ts'
import { generateSwarmKeyFile } from '../src/psk.ts'
import { certificates } from './helpers/certificates.ts'
import { bin, cleanEnv, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { died, ended, summaryOf } from './helpers/ends.ts'
import { noLab, openLab } from './helpers/lab.ts'
import { plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { parseEvent } from './helpers/schema.ts'
import { lookAtInterfaces, lookAtIpv6, lookAtNode } from '../src/doctor/machine.ts'
import type { Event } from '../src/events.ts'
import { script } from './helpers/script.ts'

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

/** Those of the checks; Node keeps compiled code there too. */
function filesIn(tmp: string): string[] {
  return readdirSync(tmp).filter(name => name.startsWith('p2pctl-'))
}

const machine = ['node', 'quic-native', 'webrtc-native', 'interfaces', 'ipv6', 'tcp-port', 'udp-port']
const transports = ['tcp', 'ws', 'wss', 'unix', 'quic-v1', 'webrtc-direct', 'circuit', 'webrtc']
const overNative = { 'quic-v1': 'quic-native', 'webrtc-direct': 'webrtc-native', webrtc: 'webrtc-native' }

describe('doctor', patient, () => {
  test('every check is there, in order, and what this machine can do is done', async () => {
    const TMPDIR = mkdtempSync(join(folder, 'tmp-'))
    const result = await run(OFFLINE, { env: { TMPDIR } })
    assert.deepEqual(
      checksOf(result.events).filter(({ status }) => status === 'fail'),
      []
    )
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
    for (const name of ['node', 'tcp-port', 'udp-port']) assert.equal(check(result.events, name).status, 'ok', name)
    for (const name of transports) {
      const { status, addr, rtt_ms, message } = check(result.events, name)
      const native = overNative[name as keyof typeof overNative]
      assert.equal(status, native == null ? 'ok' : check(result.events, native).status, `${name}: ${message}`)
      if (status === 'ok') assert.deepEqual([transportOf(multiaddr(addr!)), rtt_ms! > 0], [name, true])
    }
    assert.deepEqual(filesIn(TMPDIR), [], 'neither certificates nor sockets are left')
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
          ['quic-native', check(events, 'quic-native').status],
          ['webrtc-native', check(events, 'webrtc-native').status]
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
    for (const name of ['tcp', 'ws', 'wss', 'circuit']) assert.equal(check(events, name).status, 'fail', name)
    assert.equal(check(events, 'unix').status, 'ok', 'a file needs no network')
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
    const { code, events } = await run(OFFLINE, { env: { NODE_OPTIONS: `--require=${shim}` } })
    assert.equal(code, 0)
    for (const [name, prefix] of [
      ['quic-native', '@chainsafe/libp2p-quic-'],
      ['webrtc-native', '@node-datachannel/']
    ] as const) {
      const { status, package: missing, message, fix } = check(events, name)
      assert.equal(status, 'warn')
      assert.ok(missing!.startsWith(`${prefix}${process.platform}-${process.arch}`), missing)
      assert.match(message, new RegExp(`needs the native package ${missing}, which is not installed$`))
      assert.match(fix!, /npm install .*--include=optional/)
    }
    for (const [name, native] of Object.entries(overNative)) {
      const { status, message, package: missing } = check(events, name)
      assert.deepEqual([status, missing], ['warn', check(events, native).package])
      assert.equal(message, `needs ${missing}`)
    }
    for (const name of ['tcp', 'ws', 'wss', 'unix', 'circuit']) assert.equal(check(events, name).status, 'ok', name)
  })

  test('a transport that does not work fails alone', async () => {
    const shim = join(folder, 'no-relay.cjs')
    writeFileSync(shim, "if (process.argv[2] === 'relay') process.exit(9)")
    const { code, events } = await run(OFFLINE, { env: { NODE_OPTIONS: `--require=${shim}` } })
    assert.equal(code, 1)
    const broken = ['circuit', ...(check(events, 'webrtc-direct').status === 'ok' ? ['webrtc'] : [])]
    for (const name of ['tcp', 'ws', 'wss', 'unix']) assert.equal(check(events, name).status, 'ok', name)
    for (const { status, message } of checksOf(events).filter(one => broken.includes(one.check))) {
      assert.equal(status, 'fail')
      assert.match(message, /relay ended before it said listen\.ready/)
    }
    assert.equal(summaryOf(events).fails, broken.length)
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

  describe('with peers that are stuck', { skip: process.platform !== 'linux' && 'it looks into /proc' }, () => {
    const stuck = join(folder, 'stuck.cjs')
    /** Says who it is, and then neither listens nor dies of a signal that can be caught. */
    const stall = (pids: string): Record<string, string> => {
      writeFileSync(
        stuck,
        `if (process.argv[2] === 'listen' || process.argv[2] === 'relay') {
          require('fs').writeFileSync(process.env.PIDS + '/' + process.pid, '')
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
        }`
      )
      return { NODE_OPTIONS: `--require=${stuck}`, PIDS: pids }
    }
    const gone = (pids: string): void => {
      const stay = readdirSync(pids).filter(pid => existsSync(`/proc/${pid}`) && stateOf(pid) !== 'Z')
      assert.deepEqual([readdirSync(pids).length > 0, stay], [true, []])
    }
    const stateOf = (pid: string): string | undefined => {
      try {
        return /\) (\w)/.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))?.[1]
      } catch {
        // it went away in between
        return 'Z'
      }
    }

    test('^C ends it and all of them', async () => {
      const pids = mkdtempSync(join(folder, 'pids-'))
      const TMPDIR = mkdtempSync(join(folder, 'tmp-'))
      await using running = start(OFFLINE, { env: { ...stall(pids), TMPDIR } })
      const watcher = watch(pids)
      while (readdirSync(pids).length === 0) await once(watcher, 'change')
      watcher.close()
      // its own end is what is waited for: what takes longer than the 2 s of the contract is not ended in order
      died(await running.stop('SIGINT'), 'SIGINT')
      gone(pids)
      assert.deepEqual(filesIn(TMPDIR), [], 'files of a check go with it')
    })

    test('a deadline ends it and them; what was looked at stays, and the rest is said to be open', async () => {
      const pids = mkdtempSync(join(folder, 'pids-'))
      const result = await run([...OFFLINE, '-w', '3s'], { env: stall(pids) })
      ended(result, 4, 'deadline')
      gone(pids)
      assert.equal(check(result.events, 'node').status, 'ok')
      for (const name of transports.filter(name => check(result.events, name).status !== 'warn')) {
        const { status, message } = check(result.events, name)
        assert.deepEqual([status, message], ['skip', 'not looked at to the end: the time of the run is over'])
      }
      assert.equal(one(result.events, 'error').code, 'deadline')
      assert.equal(summaryOf(result.events).fails, 0)
    })
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
    const gateway = a.spawn(process.execPath, script('gateway'), a.ip)
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

  const resolver = getServers().find(server => isIPv4(server) && !server.startsWith('127.'))
  test('with --dns nobody else is asked, not even by Node for the names of sockets', {
    skip: resolver == null && 'no DNS server is configured'
  }, async () => {
    await using lab = await openLab()
    const net = resolver!.replace(/\d+$/, '')
    const own = `${net}${resolver === `${net}2` ? 3 : 2}`
    const [servers, home] = [await lab.host('dns', `${resolver}/24`), await lab.host('home', `${own}/24`)]
    const script = `const socket = require('dgram').createSocket('udp4').bind(53, () => console.log('bound'))
      socket.on('message', bytes => console.log(bytes.toString('latin1')))`
    const server = servers.spawn(process.execPath, '-e', script)
    const heard: string[] = []
    server.stdout!.on('data', bytes => heard.push(String(bytes)))
    await once(server.stdout!, 'data')
    // while sockets are open for the neighbours, the native code of QUIC is looked for
    const args = ['doctor', '--json', '--transport', 'tcp,ws,wss,quic-v1', '-W', '4s']
    const { events } = await home.run([...args, '--dns', `${resolver}:5300`])
    for (const name of ['tcp', 'ws', 'wss']) assert.equal(check(events, name).status, 'ok', check(events, name).message)
    assert.deepEqual(heard, ['bound\n'])
    await home.run(args)
    assert.ok(heard.length > 1, 'it would have been heard')
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

  test('it asks as it is told to: in a private network, over TLS', async () => {
    const psk = join(folder, 'swarm.key')
    await generateSwarmKeyFile(psk)
    using tls = await certificates()
    const { cert, key } = await tls.sign('peer')
    const listen = ['listen', '--json', '-l', `${LOOPBACK}/tls/ws`, '--cert', cert, '--key', key, '--psk', psk]
    await using peer = start(listen)
    const [addr] = (await peer.next('listen.ready')).addrs
    const doctor = [...OFFLINE, '--transport', 'wss', '--via', addr!]
    const known = await run([...doctor, '--psk', psk, '--ca', tls.ca])
    assert.equal(known.code, 0, known.stdout)
    assert.deepEqual([check(known.events, 'wss').status, check(known.events, 'reach').status], ['ok', 'ok'])
    // what the check of wss trusts is its own peer, and nobody else after it
    const unknown = await run([...doctor, '--psk', psk])
    assert.deepEqual([check(unknown.events, 'wss').status, check(unknown.events, 'reach').status], ['ok', 'fail'])
    assert.match(check(unknown.events, 'reach').message, /certificate is not trusted/)
    const keyless = await run([...doctor, '--ca', tls.ca])
    assert.match(check(keyless.events, 'reach').message, /private network/)
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
