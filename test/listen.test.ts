import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { type Echo, echo } from '@libp2p/echo'
import { type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import listen, { type Options } from '../src/commands/listen.ts'
import { generateKeyFile } from '../src/keys.ts'
import { start as startBinary } from './helpers/cli.ts'
import { begin, failureOf, one, only } from './helpers/collect.ts'
import { plainNode } from './helpers/plain-node.ts'
import { rawServer } from './helpers/raw-server.ts'
import { bytesOf, failed, message, send } from './helpers/send-peers.ts'
import type { IdentifyResult } from '@libp2p/interface'

const patient = { timeout: 30_000 }
const LOCAL = '/ip4/127.0.0.1/tcp/0'
const text = (bytes: { subarray(): Uint8Array }): string => Buffer.from(bytes.subarray()).toString()

const start = (options: Partial<Options> = {}) => begin(listen, { listen: [LOCAL], maxMessage: 1 << 20, ...options })

function dialer() {
  return plainNode<{ ping: Ping; echo: Echo }>({ listen: [], services: { ping: ping(), echo: echo() } })
}

describe('listen', patient, () => {
  for (const addr of [LOCAL, `${LOCAL}/ws`, '/ip6/::1/tcp/0', '/ip6/::1/tcp/0/ws']) {
    test(`on ${addr}: a plain js-libp2p peer dials, identifies, pings and echoes`, async () => {
      await using listener = start({ listen: [addr] })
      const { addrs, peer_id, pid } = await listener.next('listen.ready')
      assert.equal(pid, process.pid)
      assert.equal(addrs.length, 1)
      assert.match(addrs[0]!, new RegExp(`^${addr.replace('/0', '/\\d+')}/p2p/${peer_id}$`))
      await using peer = await dialer()
      const asked = once(peer as unknown as EventTarget, 'peer:identify')
      const connection = await peer.dial(multiaddr(addrs[0]))
      const identified = await listener.next('peer.identify')
      assert.equal(identified.peer_id, peer.peerId.toString())
      const [{ detail: seen }] = (await asked) as [CustomEvent<IdentifyResult>]
      assert.match(seen.agentVersion!, /^p2pctl\/\d+\.\d+\.\d+/)
      assert.deepEqual(
        seen.listenAddrs.map(own => own.toString()),
        [addrs[0]!.replace(/\/p2p\/.*/, '')]
      )
      assert.ok(seen.signedPeerRecord)
      for (const protocol of ['/ipfs/ping/1.0.0', '/echo/1.0.0', '/p2pctl/send/1.0.0', '/ipfs/id/1.0.0']) {
        assert.ok(seen.protocols.includes(protocol), protocol)
      }
      assert.ok((await peer.services.ping.ping(connection.remotePeer)) >= 0)
      assert.equal(text(await peer.services.echo.echo(connection.remotePeer, Buffer.from('hello'))), 'hello')
    })
  }

  test('who comes and goes: connection.open, peer.identify, connection.close, in this order', async () => {
    await using listener = start()
    const { addrs } = await listener.next('listen.ready')
    await using peer = await dialer()
    const connection = await peer.dial(multiaddr(addrs[0]))
    await listener.next('peer.identify')
    await connection.close()
    await listener.next('connection.close')
    const said = await listener.stop()
    assert.deepEqual(
      said.map(({ type }) => type),
      [...['run.start', 'listen.ready', 'connection.open', 'peer.identify', 'connection.close'], 'run.summary']
    )
    const { remote_addr, ...open } = one(said, 'connection.open')
    assert.match(remote_addr, /^\/ip4\/127\.0\.0\.1\/tcp\/\d+/)
    const peer_id = peer.peerId.toString()
    const made = { direction: 'inbound', transport: 'tcp', security: 'noise', muxer: 'yamux', limited: false }
    assert.deepEqual(open, { type: 'connection.open', peer_id, ...made })
    const close = one(said, 'connection.close')
    assert.deepEqual([close.peer_id, close.remote_addr], [peer_id, remote_addr])
    assert.ok(close.duration_ms >= 0)
    assert.match(one(said, 'peer.identify').agent_version!, /^js-libp2p\//)
    assert.deepEqual(one(said, 'run.summary'), { type: 'run.summary', ok: true, connections: 1 })
  })

  for (const addr of [LOCAL, `${LOCAL}/ws`, '/ip4/127.0.0.1/udp/0/quic-v1', '/ip4/127.0.0.1/udp/0/webrtc-direct']) {
    test(`on ${addr}: a connection ends once, though its peer has to be cut off`, async () => {
      await using listener = start({ listen: [addr] })
      const { addrs } = await listener.next('listen.ready')
      await using peer = startBinary(['dial', '--hold', '1m', '--json', addrs[0]!])
      await listener.next('peer.identify')
      peer.child.kill('SIGSTOP')
      const said = await listener.stop()
      assert.equal(one(said, 'connection.close').remote_addr, one(said, 'connection.open').remote_addr)
    })
  }

  test('a peer that does not speak identify is shown, with nothing known of it', async () => {
    await using listener = start()
    const { addrs } = await listener.next('listen.ready')
    await using peer = await plainNode({ listen: [], identify: false })
    await peer.dial(multiaddr(addrs[0]))
    const { agent_version, protocols } = await listener.next('peer.identify')
    assert.deepEqual([agent_version, protocols], [null, []])
  })

  test('a message is shown before it is acknowledged: as text where it is UTF-8, else as base64', async () => {
    await using listener = start()
    const { addrs, peer_id } = await listener.next('listen.ready')
    await using peer = await dialer()
    const connection = await peer.dial(multiaddr(addrs[0]))
    const cases: [Uint8Array, object][] = [
      [bytesOf('hello \ud83d\udc4b \u202e\x1b[2J\n'), { text: 'hello \ud83d\udc4b \u202e\x1b[2J\n' }],
      [bytesOf(''), { text: '' }],
      [bytesOf('\ufeffwith a mark'), { text: '\ufeffwith a mark' }],
      [Uint8Array.of(0xff, 0x00), { base64: '/wA=' }]
    ]
    for (const [bytes, content] of cases) {
      const { done } = await send(connection, message(bytes))
      const shown = only(listener.said, 'message.received').at(-1)
      assert.deepEqual(shown, {
        type: 'message.received',
        peer_id: peer.peerId.toString(),
        protocol: '/p2pctl/send/1.0.0',
        ...content,
        bytes: bytes.length
      })
      assert.ok(done.confirmed)
    }
    assert.notEqual(peer_id, peer.peerId.toString())
  })

  test('a message of more than --max-message is refused, and not shown', async () => {
    await using listener = start({ maxMessage: 4 })
    const { addrs } = await listener.next('listen.ready')
    await using peer = await dialer()
    const connection = await peer.dial(multiaddr(addrs[0]))
    await failed(send(connection, message(bytesOf('12345'))), 'too_large')
    await send(connection, message(bytesOf('1234')))
    assert.deepEqual(
      only(listener.said, 'message.received').map(({ text }) => text),
      ['1234']
    )
  })

  test('announced addresses are told first, and are what identify says', async () => {
    const announce = ['/dns4/peer.example.org/tcp/4001']
    await using listener = start({ announce })
    const { addrs, peer_id } = await listener.next('listen.ready')
    assert.equal(addrs[0], `${announce[0]}/p2p/${peer_id}`)
    assert.match(addrs[1]!, /^\/ip4\/127/)
    await using peer = await dialer()
    const asked = once(peer as unknown as EventTarget, 'peer:identify')
    await peer.dial(multiaddr(addrs[1]))
    const [{ detail }] = (await asked) as [CustomEvent<IdentifyResult>]
    assert.deepEqual(detail.listenAddrs.map(String), announce)
  })

  test('an identity file gives the same peer each time', async () => {
    const identity = join(await mkdtemp(join(tmpdir(), 'p2pctl-')), 'id.key')
    const { peerId } = await generateKeyFile(identity)
    for (let time = 0; time < 2; time++) {
      await using listener = start({ identity })
      assert.equal((await listener.next('listen.ready')).peer_id, peerId)
      assert.equal(one(listener.said, 'run.start').peer_id, peerId)
    }
  })

  test('--exit-after ends when so many connections have ended', async () => {
    await using listener = start({ exitAfter: 2 })
    const { addrs } = await listener.next('listen.ready')
    for (let time = 0; time < 2; time++) {
      await using peer = await dialer()
      await peer.dial(multiaddr(addrs[0]))
    }
    const said = await listener.done
    assert.equal(only(said, 'connection.close').length, 2)
    assert.deepEqual(one(said, 'run.summary'), { type: 'run.summary', ok: true, connections: 2 })
  })

  test('--for ends it', async () => {
    assert.ok(one(await start({ for: 1 }).done, 'run.summary').ok)
  })

  test('every address that was asked for, or none: a port in use is exit 3', async () => {
    await using other = await rawServer()
    const failure = await failureOf(start({ listen: [LOCAL, other.addr] }).done)
    assert.deepEqual(
      [failure.code, failure.exitCode, failure.phase, failure.addr],
      ['address_in_use', 3, 'listen', other.addr]
    )
  })

  for (const [addr, code] of [
    ['/ip4/192.0.2.1/tcp/0', 'address_not_available'],
    ['/ip6/2001:db8::1/tcp/0', 'address_not_available'],
    ['/ip4/127.0.0.1/udp/0/quic-v1/webtransport', 'no_such_listener']
  ] as const) {
    test(`an address that is not of this machine or build: ${addr} is ${code}`, async () => {
      const failure = await failureOf(start({ listen: [addr] }).done)
      assert.deepEqual([failure.code, failure.exitCode, failure.addr], [code, 3, addr])
    })
  }
})
