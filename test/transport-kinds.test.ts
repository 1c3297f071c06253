// Every transport beside TCP, WebSocket and circuits (which have files of their own), through the built binary.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { quic } from '@chainsafe/libp2p-quic'
import { ping } from '@libp2p/ping'
import { webRTCDirect } from '@libp2p/webrtc'
import { multiaddr } from '@multiformats/multiaddr'
import { type Certificates, certificates, type Pair } from './helpers/certificates.ts'
import { type Result, run, start } from './helpers/cli.ts'
import { one, only } from './helpers/collect.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import type { Ping } from '@libp2p/ping'
import { cleanup } from 'node-datachannel'

// its threads hold the process otherwise (node-datachannel 0.33)
after(() => cleanup())

const patient = { timeout: 60_000 }
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-kinds-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const socket = join(folder, 'peer.sock')

let tls: Certificates
let pair: Pair
before(async () => {
  tls = await certificates()
  pair = await tls.sign('peer')
})
after(() => tls[Symbol.dispose]())

interface Kind {
  name: string
  listen(): string[]
  /** The address that is printed. */
  shape: RegExp
  security: string
  muxer: string
  /** The phases that it has beside connect and identify. */
  phases: string[]
  /** What it takes to dial it. */
  options(): string[]
}

const kinds: Kind[] = [
  {
    name: 'quic-v1',
    listen: () => ['--listen', '/ip4/127.0.0.1/udp/0/quic-v1'],
    shape: /^\/ip4\/127\.0\.0\.1\/udp\/[1-9]\d+\/quic-v1\/p2p\/12D3\w+$/,
    security: 'native',
    muxer: 'quic',
    phases: [],
    options: () => []
  },
  {
    name: 'webrtc-direct',
    listen: () => ['--listen', '/ip4/127.0.0.1/udp/0/webrtc-direct'],
    shape: /^\/ip4\/127\.0\.0\.1\/udp\/[1-9]\d+\/webrtc-direct\/certhash\/uEi[\w-]+\/p2p\/12D3\w+$/,
    security: 'native',
    muxer: 'webrtc',
    phases: ['security_ms'],
    options: () => []
  },
  {
    name: 'wss',
    listen: () => ['--listen', '/ip4/127.0.0.1/tcp/0/tls/ws', '--cert', pair.cert, '--key', pair.key],
    shape: /^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d+\/tls\/ws\/p2p\/12D3\w+$/,
    security: 'noise',
    muxer: 'yamux',
    phases: ['security_ms'],
    options: () => ['--ca', tls.ca]
  },
  {
    name: 'unix',
    listen: () => ['--unix', socket],
    shape: /^\/unix\/%2F[^/]+peer\.sock\/p2p\/12D3\w+$/,
    security: 'noise',
    muxer: 'yamux',
    phases: ['security_ms'],
    options: () => []
  }
]

function succeeded(result: Result): Result {
  assert.equal(result.code, 0, `${result.stderr}${result.stdout}`)
  return result
}

for (const { name, listen, shape, security, muxer, phases, options } of kinds) {
  describe(name, patient, () => {
    test('listen prints the address that dial, ping and send take; each phase is what it is', async () => {
      const inbox = mkdtempSync(join(folder, 'inbox-'))
      await using peer = start(['listen', '--json', ...listen(), '--recv', inbox])
      const { addrs } = await peer.next('listen.ready')
      assert.equal(addrs.length, 1)
      const addr = addrs[0]!
      assert.match(addr, shape)

      const dialed = succeeded(await run(['dial', '--json', ...options(), addr]))
      const attempt = one(dialed.events, 'dial.attempt')
      assert.deepEqual(
        [attempt.ok, attempt.transport, attempt.security, attempt.muxer, attempt.addr],
        [true, name, security, muxer, addr]
      )
      const measured = Object.entries(attempt.phases).flatMap(([phase, ms]) => (ms == null ? [] : phase))
      assert.deepEqual(measured, ['connect_ms', ...phases, 'identify_ms'])
      const identity = one(dialed.events, 'peer.identify')
      assert.deepEqual(identity.listen_addrs, [addr.replace(/\/p2p\/.*/, '')], 'it announces what it printed')
      const arrived = await peer.next('connection.open')
      assert.deepEqual([arrived.transport, arrived.security, arrived.muxer], [name, security, muxer])

      const pinged = succeeded(await run(['ping', '--json', '-c', '3', '-i', '0.1', ...options(), addr]))
      assert.equal(only(pinged.events, 'ping.reply').length, 3)

      const sent = succeeded(await run(['send', '--json', ...options(), addr, `hello over ${name}`]))
      assert.equal(one(sent.events, 'send.done').confirmed, true)
      assert.equal((await peer.next('message.received')).text, `hello over ${name}`)

      assert.equal((await peer.stop()).code, 0)
    })

    test('a file that is larger than every buffer arrives whole, and memory stays bounded', async () => {
      const inbox = mkdtempSync(join(folder, 'inbox-'))
      await using peer = start(['listen', '--json', ...listen(), '--recv', inbox])
      const [addr] = (await peer.next('listen.ready')).addrs
      const bytes = randomBytes(48 << 20)
      const file = join(folder, 'large.bin')
      await writeFile(file, bytes)
      const held = await peakBytes(peer.child.pid!)
      const sent = succeeded(await run(['send', '--json', ...options(), addr!, '--file', file]))
      const { bytes: count, confirmed } = one(sent.events, 'send.done')
      assert.deepEqual([count, confirmed], [bytes.length, true])
      assert.ok(bytes.equals(await readFile(join(inbox, 'large.bin'))))
      const grown = (await peakBytes(peer.child.pid!)) - held
      // the window of the sender is 2 MiB: all of it in memory would be 48 and more above what the code itself takes
      assert.ok(grown < 150 << 20, `${grown >> 20} MiB more`)
    })

    test('a relay on it serves both ways, without limits 8 MiB as well', async () => {
      const inbox = mkdtempSync(join(folder, 'inbox-'))
      await using relay = start(['relay', '--json', '--no-limits', ...listen()])
      const [relayAddr] = (await relay.next('listen.ready')).addrs
      const env = { NODE_EXTRA_CA_CERTS: tls.ca }
      await using hidden = start(['listen', '--json', '--circuit', relayAddr!, '--recv', inbox], { env })
      const circuit = (await hidden.next('listen.ready')).addrs.find(addr => addr.startsWith(relayAddr!))
      assert.ok(circuit?.includes('/p2p-circuit') === true, circuit)
      const pinged = succeeded(await run(['ping', '--json', '-c', '2', '-i', '0.1', ...options(), circuit]))
      assert.equal(only(pinged.events, 'ping.reply').length, 2)
      const bytes = randomBytes(8 << 20)
      const file = join(folder, 'relayed.bin')
      await writeFile(file, bytes)
      succeeded(await run(['send', '--json', ...options(), circuit, '--file', file]))
      assert.ok(bytes.equals(await readFile(join(inbox, 'relayed.bin'))))
      for (const one of [hidden, relay]) assert.equal((await one.stop()).code, 0)
    })

    test('dial --each has it in its table', async () => {
      await using peer = start(['listen', '--json', '--tcp', '0', ...listen()])
      const { addrs } = await peer.next('listen.ready')
      const local = addrs.filter(addr => /^\/(ip4\/127|unix)/.test(addr))
      const { events } = succeeded(await run(['dial', '--each', '--json', ...options(), ...local]))
      const kinds = only(events, 'dial.attempt').map(({ transport, ok }) => [transport, ok])
      assert.deepEqual(
        kinds.sort(),
        [
          [name, true],
          ['tcp', true]
        ].sort()
      )
    })

    test('twenty dials in a row, each in a process of its own, all end well', async () => {
      await using peer = start(['listen', '--json', ...listen()])
      const [addr] = (await peer.next('listen.ready')).addrs
      for (let time = 0; time < 20; time++) {
        const { code, signal, stderr } = await run(['dial', '--json', ...options(), addr!], { timeoutMs: 20_000 })
        assert.deepEqual([code, signal], [0, null], `dial ${time}: ${stderr}`)
      }
      assert.equal((await peer.stop('SIGINT')).code, 0)
    })
  })
}

describe('js-libp2p without anything of ours', patient, () => {
  const rtc = webRTCDirect({ rtcConfiguration: { iceServers: [] } })
  const plain = (listen: string[]) =>
    plainNode<{ ping: Ping }>({
      listen,
      services: { ping: ping() },
      libp2p: { transports: [quic(), rtc] }
    })

  for (const [name, listen] of [
    ['quic-v1', '/ip4/127.0.0.1/udp/0/quic-v1'],
    ['webrtc-direct', '/ip4/127.0.0.1/udp/0/webrtc-direct']
  ] as const) {
    test(`is dialed and pinged over ${name}`, async () => {
      await using node = await plain([listen])
      // the library's own text of the address: the bytes have another port (test/upstream.test.ts)
      const addr = multiaddr(addrOf(node)).toString()
      const { events } = succeeded(await run(['ping', '--json', '-c', '2', '-i', '0.1', addr]))
      assert.equal(only(events, 'ping.reply').length, 2)
    })

    test(`dials and pings listen over ${name}`, async () => {
      await using peer = start(['listen', '--json', '--listen', listen])
      const [addr] = (await peer.next('listen.ready')).addrs
      await using node = await plain([])
      assert.ok((await node.services.ping.ping(multiaddr(addr), { signal: AbortSignal.timeout(10_000) })) >= 0)
    })
  }
})

test('the socket file is for its owner alone, goes with the listener, and one that was left behind is replaced', async () => {
  const path = join(folder, 'own.sock')
  await using peer = start(['listen', '--json', '--unix', path])
  await peer.next('listen.ready')
  assert.equal(statSync(path).mode & 0o777, 0o600)
  peer.child.kill('SIGKILL')
  await peer.done
  assert.ok(statSync(path).isSocket(), 'a killed process leaves it')
  await using next = start(['listen', '--json', '--unix', path])
  const [addr] = (await next.next('listen.ready')).addrs
  succeeded(await run(['dial', '--json', addr!]))
  await next.stop()
  assert.throws(() => statSync(path), { code: 'ENOENT' })
})

test('the certhash stays the same with the same identity, and is another with another', async () => {
  const identity = join(folder, 'id.key')
  succeeded(await run(['key', 'gen', identity, '--json']))
  const certhashOf = async (...options: string[]): Promise<string | undefined> => {
    await using peer = start(['listen', '--json', '--listen', '/ip4/127.0.0.1/udp/0/webrtc-direct', ...options])
    const [addr] = (await peer.next('listen.ready')).addrs
    return /\/certhash\/([^/]+)/.exec(addr!)?.[1]
  }
  const first = await certhashOf('--identity', identity)
  assert.match(first!, /^uEi/)
  assert.equal(await certhashOf('--identity', identity), first)
  assert.notEqual(await certhashOf(), first)
})

test('--quic, --webrtc-direct and --wss listen on every interface, of both families where there are two', async () => {
  const flags = ['--quic', '--webrtc-direct', '--wss', '--cert', pair.cert, '--key', pair.key]
  await using peer = start(['listen', '--json', ...flags])
  const { addrs } = await peer.next('listen.ready')
  const local = addrs.filter(addr => /^\/ip(4\/127\.0\.0\.1|6\/::1)\//.test(addr))
  const { events } = await run(['dial', '--each', '--json', '--insecure', ...local])
  const attempts = only(events, 'dial.attempt')
  assert.equal(attempts.length, local.length)
  for (const { addr, ok, error } of attempts) assert.ok(ok, `${addr}: ${error?.message}`)
  for (const kind of ['quic-v1', 'webrtc-direct', 'wss'])
    assert.ok(attempts.some(({ transport }) => transport === kind))
})

/** The most memory that a process has had. */
async function peakBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)![1]) * 1024
}
