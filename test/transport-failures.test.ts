// What goes wrong on the transports beside TCP and WebSocket, through the built binary.
import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { quic } from '@chainsafe/libp2p-quic'
import { webRTCDirect } from '@libp2p/webrtc'
import type { EventType } from '../src/events.ts'
import { multiaddr } from '@multiformats/multiaddr'
import { openNode } from '../src/node.ts'
import { missing } from '../src/transports/native.ts'
import { certificates } from './helpers/certificates.ts'
import { cleanEnv, type Result, root, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { plainNode } from './helpers/plain-node.ts'
import { execFile } from 'node:child_process'
import { cleanup } from 'node-datachannel'

// its threads hold the process otherwise (node-datachannel 0.33)
after(() => cleanup())

const patient = { timeout: 60_000 }
const OTHER = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'
const CERTHASH = 'uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g'
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-faults-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** The code and the phase of what a dial failed with, and how it ended. */
async function fails(args: string[], code: string, exitCode: number): Promise<Result> {
  const result = await run([...args, '--json'])
  assert.equal(result.code, exitCode, `${result.stdout}${result.stderr}`)
  assert.equal(one(result.events, 'error').code, code)
  return result
}

/** A UDP port that takes everything and says nothing. */
async function mute(): Promise<{ port: number } & AsyncDisposable> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return {
    port: socket.address().port,
    [Symbol.asyncDispose]: () => new Promise(resolve => socket.close(() => resolve()))
  }
}

const tailOf = { 'quic-v1': 'quic-v1', 'webrtc-direct': `webrtc-direct/certhash/${CERTHASH}` }

for (const kind of ['quic-v1', 'webrtc-direct'] as const) {
  describe(`${kind}: a dial that fails`, patient, () => {
    const listen = ['listen', '--json', '--listen', `/ip4/127.0.0.1/udp/0/${kind}`]

    test('another peer answers: exit 5, with the peer that it was', async () => {
      await using peer = start(listen)
      const { addrs, peer_id } = await peer.next('listen.ready')
      const { events } = await fails(['dial', addrs[0]!.replace(peer_id, OTHER)], 'peer_id_mismatch', 5)
      const { expected, actual, phase } = one(events, 'error')
      assert.deepEqual([expected, actual, phase], [OTHER, peer_id, 'security'])
    })

    test('nobody has the port: refused, long before the time is over', async () => {
      let port: number
      {
        await using socket = await mute()
        port = socket.port
      }
      const addr = `/ip4/127.0.0.1/udp/${port}/${tailOf[kind]}`
      const { events } = await fails(['dial', '-W', '50s', addr], 'connection_refused', 1)
      assert.equal(one(events, 'dial.attempt').error?.phase, 'connect')
    })

    test('nobody answers: the time of the attempt ends it', async () => {
      await using socket = await mute()
      const addr = `/ip4/127.0.0.1/udp/${socket.port}/${tailOf[kind]}`
      const { events } = await fails(['dial', '-W', '1s', addr], 'io_timeout', 1)
      assert.equal(one(events, 'dial.attempt').error?.phase, 'connect')
    })

    test('^C ends it, with its native code still waiting', async () => {
      await using socket = await mute()
      await using dial = start(['dial', '--json', '-W', '50s', `/ip4/127.0.0.1/udp/${socket.port}/${tailOf[kind]}`])
      await dial.next('run.start')
      assert.equal((await dial.stop('SIGINT')).signal, 'SIGINT')
    })

    test('a peer at its limits lets us in and hangs up: that is no connection, for ping and send as well', async () => {
      const rtc = webRTCDirect({ rtcConfiguration: { iceServers: [] } })
      await using peer = await plainNode({
        listen: [`/ip4/127.0.0.1/udp/0/${kind}`],
        libp2p: { transports: [quic(), rtc], connectionGater: { denyInboundEncryptedConnection: () => true } }
      })
      const addr = peer.getMultiaddrs()[0]!.toString()
      for (const args of [
        ['dial', addr],
        ['ping', '-c', '1', addr],
        ['send', addr, 'hello']
      ]) {
        const { events } = await run([...args, '--json'])
        assert.deepEqual(only(events, 'connection.open'), [], args[0])
        assert.equal(one(events, 'dial.attempt').error?.code, 'connection_reset', args[0])
      }
    })

    test('a name is looked up, and tried address by address', async () => {
      await using peer = start(listen)
      const [addr] = (await peer.next('listen.ready')).addrs
      await using dns = await startDns({ 'peer.example.org': { A: ['127.0.0.1'] } })
      const named = addr!.replace('/ip4/127.0.0.1', '/dns4/peer.example.org')
      const { code, events } = await run(['dial', '--json', '--dns', dns.address, named])
      assert.equal(code, 0)
      assert.deepEqual(one(events, 'dial.resolve').addrs.length, 1)
      assert.ok(one(events, 'dial.attempt').phases.resolve_ms != null)
    })

    test('a port in use is exit 3', async () => {
      await using peer = start(listen)
      const [addr] = (await peer.next('listen.ready')).addrs
      const own = addr!.replace(/\/(certhash|p2p)\/.*/, '')
      await fails(['listen', '--listen', own], 'address_in_use', 3)
    })

    test('an address that this machine does not have is exit 3', async () => {
      await fails(['listen', '--listen', `/ip4/192.0.2.77/udp/0/${kind}`], 'address_not_available', 3)
    })
  })
}

describe('webrtc-direct: the certhash', patient, () => {
  test('another one: certhash_mismatch, with both', async () => {
    await using peer = start(['listen', '--json', '--listen', '/ip4/127.0.0.1/udp/0/webrtc-direct'])
    const [addr] = (await peer.next('listen.ready')).addrs
    const own = /certhash\/([^/]+)/.exec(addr!)![1]!
    const { events } = await fails(['dial', addr!.replace(own, CERTHASH)], 'certhash_mismatch', 1)
    const { expected, actual, phase } = one(events, 'error')
    assert.deepEqual([expected, actual, phase], [CERTHASH, own, 'security'])
    assert.equal(one(events, 'dial.attempt').peer_id, null, 'a certificate is no peer')
  })

  test('none: it says so, without a packet', async () => {
    const { events } = await fails(['dial', '/ip4/127.0.0.1/udp/4001/webrtc-direct'], 'invalid_multiaddr', 2)
    assert.match(one(events, 'error').message, /without its \/certhash/)
  })
})

describe('what Node cannot do is said, on both sides', patient, () => {
  const addr = `/ip4/127.0.0.1/udp/4001/quic-v1/webtransport/certhash/${CERTHASH}`

  test('webtransport', async () => {
    const dialed = await fails(['dial', addr], 'no_transport', 1)
    const listening = await fails(['listen', '-l', '/ip4/127.0.0.1/udp/0/quic-v1/webtransport'], 'no_such_listener', 3)
    for (const { events } of [dialed, listening]) {
      const { message, hint } = one(events, 'error')
      assert.match(message, /Node has no WebTransport/)
      assert.match(hint!, /\/quic-v1, \/webrtc-direct, \/ws or \/tcp/)
    }
    const { events } = await run(['dial', '--each', '--json', addr])
    assert.match(one(events, 'dial.attempt').skipped!, /Node has no WebTransport/)
  })

  test('memory', async () => {
    await fails(['dial', '/memory/here'], 'no_transport', 1)
    await fails(['listen', '-l', '/memory/here'], 'no_such_listener', 3)
  })
})

describe('unix sockets that do not work', patient, () => {
  const addrOf = (path: string): string => `/unix/${encodeURIComponent(path)}`

  test('dialing one that is not there, or that nobody listens on', async () => {
    const absent = await fails(['dial', addrOf(join(folder, 'absent.sock'))], 'connection_refused', 1)
    assert.match(one(absent.events, 'error').message, /there is no such socket$/)
    const relative = await fails(['dial', addrOf('absent.sock')], 'connection_refused', 1)
    assert.match(one(relative.events, 'error').message, /there is no such socket$/)
    const path = join(folder, 'dead.sock')
    await using peer = start(['listen', '--json', '--unix', path])
    await peer.next('listen.ready')
    await peer.stop('SIGKILL')
    await fails(['dial', addrOf(path)], 'connection_refused', 1)
  })

  test('listening on one that is in use, on a file, in no folder, with a path that is too long', async () => {
    const path = join(folder, 'used.sock')
    await using peer = start(['listen', '--json', '--unix', path])
    await peer.next('listen.ready')
    const used = await fails(['listen', '--unix', path], 'address_in_use', 3)
    assert.match(one(used.events, 'error').hint!, /choose another path$/)
    assert.equal((await run(['dial', '--json', addrOf(path)])).code, 0, 'the first one still has it')
    const file = join(folder, 'file')
    writeFileSync(file, 'not a socket')
    await fails(['listen', '--unix', file], 'address_in_use', 3)
    await fails(['listen', '--unix', join(folder, 'nowhere/a.sock')], 'address_not_available', 3)
    const { events } = await fails(['listen', '--unix', join(folder, 'x'.repeat(120))], 'address_not_available', 3)
    assert.match(one(events, 'error').message, /the path is \d+ bytes long, and a socket has room for \d+$/)
  })
})

describe('wss certificates', patient, () => {
  const listenWith = (pair: { cert: string; key: string }): string[] => [
    ...['listen', '--json', '--listen', '/ip4/127.0.0.1/tcp/0/tls/ws', '--cert', pair.cert, '--key', pair.key]
  ]

  test('not trusted, until --ca names the authority; --insecure takes anything, and says so', async () => {
    using tls = await certificates()
    await using peer = start(listenWith(await tls.sign('peer')))
    const [addr] = (await peer.next('listen.ready')).addrs
    const { events } = await fails(['dial', addr!], 'tls_cert_invalid', 1)
    assert.match(one(events, 'error').message, /nobody here knows who signed it, UNABLE_TO_\w+$/)
    assert.match(one(events, 'error').hint!, /--ca FILE/)
    const trusting = await run(['dial', '--json', '--ca', tls.ca, addr!])
    assert.equal(one(trusting.events, 'dial.attempt').certificate_checked, true)
    assert.doesNotMatch(trusting.stderr, /insecure/)
    const careless = await run(['ping', '--json', '-c', '1', '--insecure', addr!])
    assert.equal(careless.code, 0)
    assert.equal(one(careless.events, 'dial.attempt').certificate_checked, false)
    assert.match(careless.stderr, /^p2pctl: --insecure: the certificate was not checked/m)
  })

  for (const [what, options, fault] of [
    ['has expired', { from: -10, days: 5 }, /it has expired, CERT_HAS_EXPIRED$/],
    ['is of tomorrow', { from: 1 }, /it is not valid yet, CERT_NOT_YET_VALID$/],
    [
      'is for another name',
      { names: [{ type: 'dns', value: 'other.example.org' }] },
      /it is for another name \(DNS:other\.example\.org\), ERR_TLS_CERT_ALTNAME_INVALID$/
    ]
  ] as const) {
    test(`one that ${what} is named as that, though its authority is trusted`, async () => {
      using tls = await certificates()
      await using peer = start(listenWith(await tls.sign('peer', options as object)))
      const [addr] = (await peer.next('listen.ready')).addrs
      const { events } = await fails(['dial', '--ca', tls.ca, addr!], 'tls_cert_invalid', 1)
      assert.match(one(events, 'error').message, fault)
      assert.equal((await run(['dial', '--json', '--insecure', addr!])).code, 0)
    })
  }

  test('a self-signed one is named as that, and is an authority of its own', async () => {
    using tls = await certificates()
    const pair = await tls.selfSigned('alone')
    await using peer = start(listenWith(pair))
    const [addr] = (await peer.next('listen.ready')).addrs
    const { events } = await fails(['dial', addr!], 'tls_cert_invalid', 1)
    assert.match(one(events, 'error').message, /it is self-signed, DEPTH_ZERO_SELF_SIGNED_CERT$/)
    assert.equal((await run(['dial', '--json', '--ca', pair.cert, addr!])).code, 0)
  })

  test('--insecure does not look away from who answers', async () => {
    using tls = await certificates()
    await using peer = start(listenWith(await tls.sign('peer')))
    const { addrs, peer_id } = await peer.next('listen.ready')
    await fails(['dial', '--insecure', addrs[0]!.replace(peer_id, OTHER)], 'peer_id_mismatch', 5)
  })

  test('a listener needs both files, that can be read, that belong together, and a key for few eyes', async () => {
    using tls = await certificates()
    const [one_, other] = [await tls.sign('one'), await tls.sign('other')]
    const wss = ['listen', '--wss']
    await fails(wss, 'invalid_option', 2)
    await fails(['listen', '-l', '/ip4/127.0.0.1/tcp/0/wss'], 'invalid_option', 2)
    await fails([...wss, '--cert', one_.cert], 'invalid_option', 2)
    await fails(['listen', '--key', one_.key], 'invalid_option', 2)
    await fails([...wss, '--cert', join(tls.folder, 'none'), '--key', one_.key], 'file_unreadable', 3)
    await fails([...wss, '--cert', one_.cert, '--key', other.key], 'key_invalid', 2)
    await fails([...wss, '--cert', one_.key, '--key', one_.key], 'certificate_invalid', 2)
    chmodSync(one_.key, 0o644)
    await fails([...wss, '--cert', one_.cert, '--key', one_.key], 'key_permissions', 3)
  })

  test('--insecure is of one node: another of the same process does not trust with it', async () => {
    using tls = await certificates()
    const { cert, key } = await tls.selfSigned('peer')
    const wss = ['listen', '--json', '-l', '/ip4/127.0.0.1/tcp/0/tls/ws', '--cert', cert, '--key', key]
    await using peer = start(wss)
    const [addr] = (await peer.next('listen.ready')).addrs
    await using trusting = await openNode({ insecure: true })
    await using careful = await openNode({})
    for (const node of [trusting, careful]) await node.use('ws')
    const connection = await trusting.libp2p.dial(multiaddr(addr!))
    assert.equal(connection.status, 'open')
    await assert.rejects(careful.libp2p.dial(multiaddr(addr!)))
    assert.equal((await trusting.libp2p.dial(multiaddr(addr!), { force: true })).status, 'open')
  })

  test('a --ca file without a certificate in it is wrong use', async () => {
    using tls = await certificates()
    const { key } = await tls.sign('peer')
    await fails(['dial', '--ca', key, `/ip4/127.0.0.1/tcp/1/tls/ws/p2p/${OTHER}`], 'certificate_invalid', 2)
  })
})

describe('without the native packages', patient, () => {
  /** The command as npm leaves it with --omit=optional: nothing beside it. */
  const bare = join(folder, 'bare')
  mkdirSync(bare)
  for (const part of ['bin', 'dist', 'package.json']) cpSync(join(root, part), join(bare, part), { recursive: true })
  const runBare = (args: string[]): Promise<Pick<Result, 'code' | 'stdout'>> =>
    new Promise(resolve => {
      const child = execFile(
        process.execPath,
        [join(bare, 'bin/p2pctl.js'), ...args],
        { env: cleanEnv() },
        (_, stdout) => resolve({ code: child.exitCode, stdout })
      )
    })
  const eventOf = (stdout: string, type: EventType) =>
    stdout.split('\n').flatMap(line => (line.includes(`"type":"${type}"`) ? JSON.parse(line) : []))[0]

  for (const [kind, name] of [
    ['quic-v1', /@chainsafe\/libp2p-quic-\w+-\w+/],
    ['webrtc-direct', /@node-datachannel\/\w+-\w+/]
  ] as const) {
    test(`${kind}: it names the package and the platform, and how to get it`, async () => {
      const dialed = await runBare(['dial', '--json', `/ip4/127.0.0.1/udp/4001/${tailOf[kind]}`])
      const listening = await runBare(['listen', '--json', '--listen', `/ip4/127.0.0.1/udp/0/${kind}`])
      assert.deepEqual([dialed.code, listening.code], [1, 3])
      for (const [{ stdout }, code] of [
        [dialed, 'no_transport'],
        [listening, 'no_such_listener']
      ] as const) {
        const error = eventOf(stdout, 'error')
        assert.equal(error.code, code)
        assert.match(error.message, name)
        assert.ok(error.message.includes(`on ${process.platform}-${process.arch}`), error.message)
        assert.match(error.hint, /npm install -g p2pctl --include=optional/)
      }
      const each = await runBare(['dial', '--each', '--json', `/ip4/127.0.0.1/udp/4001/${tailOf[kind]}`])
      assert.match(eventOf(each.stdout, 'dial.attempt').skipped, name)
    })
  }

  test('everything else works', async () => {
    assert.equal((await runBare(['demo', '--json'])).code, 0)
  })

  test('a package that is there and does not load gives its reason', () => {
    const everything = (): boolean => true
    assert.match(missing('QUIC', 'linux-x64-gnu', everything, new Error('GLIBC_2.99 not found')).message, /GLIBC_2\.99/)
  })

  test('a platform that has no such package', () => {
    const { message, hint } = missing('QUIC', 'linux-riscv64-gnu', () => false)
    assert.equal(message, 'there is no native code for QUIC on linux-riscv64-gnu')
    assert.match(hint, /linux-x64-gnu/)
  })
})
