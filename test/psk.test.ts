import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { preSharedKey } from '@libp2p/pnet'
import { multiaddr } from '@multiformats/multiaddr'
import dial from '../src/commands/dial.ts'
import listen from '../src/commands/listen.ts'
import ping from '../src/commands/ping.ts'
import send from '../src/commands/send.ts'
import { decodeSwarmKey, encodeSwarmKey, fingerprintOf, generateSwarmKeyFile, salsa20Block } from '../src/psk.ts'
import { looksRandom } from '../src/stranger.ts'
import { certificates } from './helpers/certificates.ts'
import { run, start } from './helpers/cli.ts'
import { begin, collect, one, only } from './helpers/collect.ts'
import { addrOf, type PlainNode, plainNode } from './helpers/plain-node.ts'
import { rawServer } from './helpers/raw-server.ts'

const patient = { timeout: 60_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-psk-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let files = 0
const fresh = (): string => join(folder, `${files++}.key`)
const ours = fresh()
const theirs = fresh()
const [our] = await Promise.all([generateSwarmKeyFile(ours), generateSwarmKeyFile(theirs)])

/** A js-libp2p node in the private network of a key file, or in none. */
function plainPeer(psk: string | null, listenOn: string[] = [LOCAL]): Promise<PlainNode> {
  const connectionProtector = psk == null ? undefined : preSharedKey({ psk: readFileSync(psk) })
  return plainNode({ listen: listenOn, ...(connectionProtector != null && { libp2p: { connectionProtector } }) })
}

const tls = await certificates()
after(() => tls[Symbol.dispose]())
const pair = await tls.sign('peer')

/** The transports that are under the key, through the built binary. */
const keyed: { name: string; listen(): string[]; trust(): string[] }[] = [
  { name: 'tcp', listen: () => ['-l', LOCAL], trust: () => [] },
  { name: 'ws', listen: () => ['-l', `${LOCAL}/ws`], trust: () => [] },
  {
    name: 'wss',
    listen: () => ['-l', `${LOCAL}/tls/ws`, '--cert', pair.cert, '--key', pair.key],
    trust: () => ['--ca', tls.ca]
  },
  { name: 'unix', listen: () => ['--unix', join(folder, `${files++}.sock`)], trust: () => [] }
]

const dialed = (target: string, psk?: string, timeout = 10_000) => collect(dial, { target: [target], timeout, psk })

describe('a swarm key', patient, () => {
  test('has the fingerprint that Kubo prints', () => {
    // from rust-libp2p, which checked it against go-ipfs
    const known = '6189c5cf0b87fb800c1a9feeda73c6ab5e998db48fb9e6a978575c770ceef683'
    assert.equal(fingerprintOf(Buffer.from(known, 'hex')), '45fc986bbc9388a11d939df26f730f0c')
    // from salsa20 of @noble/ciphers and SHAKE-128 of Node
    assert.equal(fingerprintOf(Buffer.alloc(32, 7)), '2189aa953f4967c1725ef3272d5419f4')
  })

  test('is put through Salsa20 as ECRYPT has it: set 1, vector 0, of 256 bits', () => {
    const key = Buffer.alloc(32)
    key[0] = 0x80
    const block = salsa20Block(key, Buffer.alloc(8)).toString('hex')
    assert.equal(block.slice(0, 64), 'e3be8fdd8beca2e3ea8ef9475b29a6e7003951e1097a5c38d23b7a5fad9f6844')
  })

  test('is made for its owner alone, is never written over another file, and is shown by its fingerprint', async () => {
    const file = fresh()
    const made = await run(['key', 'psk', '--json', file])
    assert.equal(made.code, 0)
    assert.equal(statSync(file).mode & 0o777, 0o600)
    const { fingerprint, created, path } = one(made.events, 'key.psk')
    assert.deepEqual([created, path], [true, file])
    const text = readFileSync(file, 'latin1')
    assert.match(text, /^\/key\/swarm\/psk\/1\.0\.0\/\n\/base16\/\n[0-9a-f]{64}\n$/)
    assert.equal(decodeSwarmKey(Buffer.from(text)).fingerprint, fingerprint)
    const again = await run(['key', 'psk', '--json', file])
    assert.deepEqual([again.code, one(again.events, 'error').code], [3, 'file_exists'])
    assert.equal(readFileSync(file, 'latin1'), text)
    const { stdout } = await run(['key', 'show', file])
    assert.equal(stdout, `${fingerprint}\n`)
    assert.ok(!made.stdout.includes(text.split('\n')[2]!))
  })

  test('is read in base16, base64 and as bytes, with any end of line', () => {
    const { key } = our
    const head = '/key/swarm/psk/1.0.0/\n'
    const forms = [
      encodeSwarmKey(key),
      encodeSwarmKey(key).trim(),
      encodeSwarmKey(key).replaceAll('\n', '\r\n'),
      `${head}/base64/\n${key.toString('base64')}\n`,
      Buffer.concat([Buffer.from(`${head}/bin/\n`), key])
    ]
    for (const form of forms) assert.equal(decodeSwarmKey(Buffer.from(form)).fingerprint, our.fingerprint)
  })

  const wrong: [string, string | null, number, string, number][] = [
    ['that is missing', null, 0o600, 'file_unreadable', 3],
    ['that others can read', readFileSync(ours, 'latin1'), 0o644, 'key_permissions', 3],
    ['that is something else', 'hello', 0o600, 'key_invalid', 2],
    ['that is too short', '/key/swarm/psk/1.0.0/\n/base16/\nabcd\n', 0o600, 'key_invalid', 2],
    ['that is no hex', `/key/swarm/psk/1.0.0/\n/base16/\n${'x'.repeat(64)}\n`, 0o600, 'key_invalid', 2],
    ['without its encoding', `/key/swarm/psk/1.0.0/\n${'a'.repeat(64)}\n`, 0o600, 'key_invalid', 2]
  ]
  for (const [name, text, mode, code, exit] of wrong) {
    test(`${name} is refused: ${code}`, async () => {
      const file = fresh()
      if (text != null) writeFileSync(file, text)
      if (text != null) chmodSync(file, mode)
      const { code: exitCode, events } = await run(['dial', '--json', '--psk', file, '/ip4/127.0.0.1/tcp/1'])
      const error = one(events, 'error')
      assert.deepEqual([error.code, exitCode], [code, exit], error.message)
      assert.match(error.message, /swarm key/)
      assert.ok(!error.message.includes('aaaaaaaa'))
    })
  }
})

describe('in a private network', patient, () => {
  for (const [name, addr] of [
    ['TCP', LOCAL],
    ['WebSocket', `${LOCAL}/ws`]
  ] as const) {
    test(`${name}: we dial, ping and send to ourselves`, async () => {
      await using listening = begin(listen, { listen: [addr], maxMessage: 1 << 20, psk: ours })
      const ready = await listening.next('listen.ready')
      assert.equal(ready.psk_fingerprint, our.fingerprint)
      const target = ready.addrs[0]!
      const shared = { timeout: 10_000, psk: ours }
      const { phases, ok } = one(await collect(dial, { target: [target], ...shared }), 'dial.attempt')
      assert.ok(ok && phases.connect_ms! > 0 && phases.security_ms! > 0 && phases.identify_ms! > 0)
      const pinged = await collect(ping, { target: [target], count: 1, ...shared })
      assert.equal(one(pinged, 'run.summary').received, 1)
      await collect(send, { target, text: 'hush', ...shared })
      assert.equal((await listening.next('message.received')).text, 'hush')
    })

    test(`${name}: a plain node takes us, and we take it`, async () => {
      await using peer = await plainPeer(ours, [addr])
      assert.ok(one(await dialed(addrOf(peer), ours), 'dial.attempt').ok)
      await using listening = begin(listen, { listen: [addr], maxMessage: 1 << 20, psk: ours })
      const [own] = (await listening.next('listen.ready')).addrs
      const connection = await peer.dial(multiaddr(own!))
      assert.equal(connection.status, 'open')
    })
  }

  test('through a relay of the network', async () => {
    const flags = ['--json', '--psk', ours]
    await using relay = start(['relay', ...flags, '-l', LOCAL])
    const { addrs } = await relay.next('listen.ready')
    await using listener = start(['listen', ...flags, '--circuit', addrs[0]!])
    const [addr] = (await listener.next('listen.ready')).addrs
    const { code, events } = await run(['ping', ...flags, '-c', '1', addr!])
    assert.equal(code, 0)
    assert.equal(one(events, 'connection.open').transport, 'circuit')
    const checked = await run(['relay', 'check', ...flags, addrs[0]!])
    assert.equal(checked.code, 0, checked.stderr)
  })

  for (const kind of keyed) {
    test(`${kind.name}: dial, ping and send, and a relay on it, with the one key`, async () => {
      const inbox = mkdtempSync(join(folder, 'inbox-'))
      const shared = ['--json', '--psk', ours]
      await using peer = start(['listen', ...shared, ...kind.listen(), '--recv', inbox])
      const [addr] = (await peer.next('listen.ready')).addrs
      const to = [...shared, ...kind.trust()]
      const dialed = await run(['dial', ...to, addr!])
      const { ok, transport, security } = one(dialed.events, 'dial.attempt')
      assert.deepEqual([ok, transport, security], [true, kind.name, 'noise'], dialed.stdout)
      assert.equal((await run(['ping', ...to, '-c', '1', addr!])).code, 0)
      assert.equal((await run(['send', ...to, addr!, 'hush'])).code, 0)
      assert.equal((await peer.next('message.received')).text, 'hush')

      await using relay = start(['relay', ...shared, ...kind.listen()])
      const [way] = (await relay.next('listen.ready')).addrs
      const env = { NODE_EXTRA_CA_CERTS: tls.ca }
      await using hidden = start(['listen', ...shared, '--circuit', way!], { env })
      const circuit = (await hidden.next('listen.ready')).addrs.find(own => own.includes('/p2p-circuit'))!
      const relayed = await run(['ping', ...to, '-c', '1', circuit])
      assert.deepEqual([relayed.code, one(relayed.events, 'connection.open').transport], [0, 'circuit'])
      // the circuit is under the key too, once more inside the connection to the relay
      const stranger = await run(['dial', '--json', '--psk', theirs, ...kind.trust(), circuit])
      assert.equal(one(stranger.events, 'error').code, 'psk_mismatch_suspected')
    })
  }

  test('WebRTC is refused: to be dialed over it, to dial it, and to make a circuit direct with it', async () => {
    const flags = ['--json', '--psk', ours]
    await using relay = start(['relay', ...flags, '-l', LOCAL])
    const [way] = (await relay.next('listen.ready')).addrs
    const listened = await run(['listen', ...flags, '--webrtc', '--circuit', way!])
    const { code, message, hint } = one(listened.events, 'error')
    assert.deepEqual([listened.code, code], [3, 'no_such_listener'])
    assert.equal(message, 'cannot listen on /webrtc: webrtc goes past the key of a private network (--psk)')
    assert.match(hint!, /it listens on \/tcp, \/ws/)
    await using hidden = start(['listen', ...flags, '--circuit', way!])
    const circuit = (await hidden.next('listen.ready')).addrs.find(own => own.includes('/p2p-circuit'))!
    for (const args of [['--upgrade', circuit], [circuit.replace('/p2p-circuit/', '/p2p-circuit/webrtc/')]]) {
      const dialed = await run(['dial', ...flags, ...args])
      const { code, message } = one(dialed.events, 'error')
      assert.deepEqual([dialed.code, code], [1, 'no_transport'])
      assert.match(message, /webrtc goes past the key of a private network/)
    }
  })

  test('the flags for QUIC and webrtc-direct are refused, and say where it can listen', async () => {
    for (const [flag, kind] of [
      ['--quic', 'quic-v1'],
      ['--webrtc-direct', 'webrtc-direct']
    ]) {
      for (const command of ['listen', 'relay']) {
        const { code, events } = await run([command, '--json', '--psk', ours, flag!])
        const error = one(events, 'error')
        assert.deepEqual([code, error.code], [3, 'no_such_listener'])
        assert.match(error.message, new RegExp(`: ${kind} goes past the key of a private network`))
        assert.ok(!error.hint!.includes('quic'))
      }
    }
  })

  test('the environment names the key as well', async () => {
    await using peer = await plainPeer(ours)
    const { code } = await run(['dial', '--json', addrOf(peer)], { env: { P2PCTL_PSK: ours } })
    assert.equal(code, 0)
  })

  test('what a person sees of it is the fingerprint', async () => {
    const { stdout } = await run(['listen', '--psk', ours, '-l', LOCAL, '--for', '1ms'])
    assert.ok(stdout.includes(`private network ${our.fingerprint}\n`), stdout)
  })

  test('transports that go past the key are refused, for dialing and for listening', async () => {
    for (const tail of ['quic-v1', 'webrtc-direct', 'quic-v1/webtransport']) {
      const addr = `/ip4/127.0.0.1/udp/4001/${tail}`
      const kind = tail.split('/').at(-1)!
      const { code, phase, message, hint } = one(await dialed(addr, ours), 'error')
      assert.deepEqual([code, phase], ['no_transport', 'connect'])
      assert.match(message, new RegExp(`${kind} goes past the key of a private network`))
      assert.match(hint!, /\/tcp, \/ws/)
      const listened = await run(['listen', '--json', '--psk', ours, '-l', addr])
      assert.equal(listened.code, 3)
      const failure = one(listened.events, 'error')
      assert.match(failure.message, /goes past the key of a private network/)
      assert.match(failure.hint!, /^in a private network it listens on \/tcp/)
    }
    const hidden = await run(['listen', '--json', '--psk', ours, '--webrtc', '--circuit', '/ip4/127.0.0.1/tcp/4001'])
    const { code, message } = one(hidden.events, 'error')
    assert.deepEqual([hidden.code, code], [3, 'no_such_listener'])
    assert.match(message, /webrtc goes past the key of a private network/)
    const target = ['/ip4/127.0.0.1/udp/4001/quic-v1']
    const said = await collect(dial, { target, timeout: 1000, psk: ours, each: true, concurrency: 1 })
    assert.match(one(said, 'dial.attempt').skipped!, /goes past the key/)
  })
})

describe('keys that differ', patient, () => {
  const cases = [
    ['another key', ours, theirs, /another one, or none/, /ours is [0-9a-f]{32}$/],
    ['a key on our side alone', ours, null, /in the open/, /without --psk/],
    ['a key on their side alone', undefined, theirs, /we gave no key/, /--psk FILE/]
  ] as const
  for (const [name, psk, peerPsk, message, hint] of cases) {
    for (const [transport, addr] of [
      ['TCP', LOCAL],
      ['WebSocket', `${LOCAL}/ws`]
    ] as const) {
      test(`${transport}: ${name}`, async () => {
        await using peer = await plainPeer(peerPsk, [addr])
        // what the other side makes of random bytes differs from one time to the next
        const runs = await Promise.all(Array.from({ length: 6 }, () => dialed(addrOf(peer), psk)))
        for (const said of runs) {
          const error = one(said, 'error')
          assert.deepEqual([error.code, error.phase], ['psk_mismatch_suspected', 'security'], error.message)
          assert.match(error.message, message)
          assert.match(error.hint!, hint)
          assert.equal(one(said, 'run.summary').exit_code, 1)
          assert.equal(only(said, 'connection.open').length, 0)
        }
      })
    }
  }

  for (const kind of keyed.filter(({ name }) => name === 'wss' || name === 'unix')) {
    for (const [name, psk, peerPsk, message, hint] of cases) {
      test(`${kind.name}: ${name}`, async () => {
        const keyOf = (file: string | null | undefined): string[] => (file == null ? [] : ['--psk', file])
        await using peer = start(['listen', '--json', ...keyOf(peerPsk), ...kind.listen()])
        const [addr] = (await peer.next('listen.ready')).addrs
        const { code, events } = await run(['dial', '--json', ...keyOf(psk), ...kind.trust(), addr!])
        const error = one(events, 'error')
        assert.deepEqual([code, error.code, error.phase], [1, 'psk_mismatch_suspected', 'security'], error.message)
        assert.match(error.message, message)
        assert.match(error.hint!, hint)
      })
    }
  }

  test('a peer that is silent after its nonce, as one that waits for the rest of garbage', async () => {
    await using server = await rawServer(socket => socket.write(Buffer.from(our.key).subarray(0, 24)))
    const { code, phase } = one(await dialed(server.addr, ours, 1000), 'error')
    assert.deepEqual([code, phase], ['psk_mismatch_suspected', 'security'])
  })

  test('a peer in the open that greets first, as go-libp2p does, is told for sure', async () => {
    const greeting = Buffer.from('\x13/multistream/1.0.0\n\x03na\n')
    await using server = await rawServer(socket => socket.write(greeting))
    const { code, message } = one(await dialed(server.addr, ours), 'error')
    assert.equal(code, 'psk_mismatch_suspected')
    assert.match(message, /in the open/)
  })

  test('a server of something else is still called that', async () => {
    await using server = await rawServer(socket => socket.write('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n'))
    const { code, message } = one(await dialed(server.addr, ours), 'error')
    assert.equal(code, 'security_failed')
    assert.match(message, /SSH server/)
  })

  test('a peer that is not there is not called a stranger to the key', async () => {
    const { code, phase } = one(await dialed('/ip4/127.0.0.1/tcp/1', ours), 'error')
    assert.deepEqual([code, phase], ['connection_refused', 'connect'])
  })
})

test('random bytes are told from what other servers begin with', () => {
  for (let seed = 0; seed < 1000; seed++) {
    assert.ok(looksRandom(createHash('sha256').update(`nonce ${seed}`).digest()))
  }
  const others = [
    'SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n',
    '\x13/multistream/1.0.0\n\x07/noise\n',
    '{"jsonrpc":"2.0","id":1,"error":{}}'
  ].map(text => Buffer.from(text))
  const hello = Buffer.from('160303007a0200007603035f3fb1c0d2e4a68897c1d9e2b6a5f4c3d2e1', 'hex')
  const settings = Buffer.concat([Buffer.from('00001204000000000000030000006400040000ffff', 'hex'), Buffer.alloc(9)])
  for (const bytes of [...others, hello, settings, Buffer.alloc(24, 0xff)]) assert.ok(!looksRandom(bytes))
})
