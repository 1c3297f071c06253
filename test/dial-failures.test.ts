import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { after, describe, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import dial from '../src/commands/dial.ts'
import { collect, one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { addrOf, plainNode, renamed } from './helpers/plain-node.ts'
import { closedPort, multistream, rawServer } from './helpers/raw-server.ts'
import type { Socket } from 'node:net'
import type { Code } from '../src/errors.ts'
import type { Phase, Said } from '../src/events.ts'

const patient = { timeout: 30_000 }
/** Long enough for a busy machine to come to the phase that is to time out. */
const SHORT = 1500
const ID = '12D3KooWGC6TvWhfapngX6wvJHMYvKpDMXPb3ZnCZ6dMoaMtimQ5'

const run = (target: string, timeout = 10_000): Promise<Said[]> => collect(dial, { target: [target], timeout })

/** Dials, and holds that attempt, error and summary say the same of the failure. */
async function fails(target: string, code: Code, phase: Phase, exitCode: number, timeout?: number) {
  const said = await run(target, timeout)
  const attempt = one(said, 'dial.attempt')
  const error = one(said, 'error')
  const told = `${attempt.error?.message} / ${error.message}`
  assert.deepEqual([attempt.ok, attempt.error?.code, attempt.error?.phase], [false, code, phase], told)
  assert.deepEqual(
    [error.code, error.phase, error.exit_code, error.addr, error.target],
    [code, phase, exitCode, attempt.addr, target]
  )
  assert.ok(error.hint != null && error.hint !== '')
  assert.deepEqual(one(said, 'run.summary'), {
    type: 'run.summary',
    ok: false,
    exit_code: exitCode,
    target,
    reason: 'error'
  })
  assert.equal(only(said, 'connection.open').length, 0)
  return { attempt, error, said }
}

describe('dial, nobody there', patient, () => {
  for (const [name, tail] of [
    ['TCP', ''],
    ['WebSocket', '/ws']
  ]) {
    test(`${name}: refused`, async () => {
      const target = `/ip4/127.0.0.1/tcp/${await closedPort()}${tail}`
      const { attempt } = await fails(target, 'connection_refused', 'connect', 1)
      assert.deepEqual(attempt.phases, {
        resolve_ms: null,
        connect_ms: null,
        security_ms: null,
        muxer_ms: null,
        identify_ms: null
      })
    })
  }

  test('a name that does not resolve', async () => {
    await using dns = await startDns({})
    const target = '/dns4/nowhere.test/tcp/4001'
    const said = await collect(dial, { target: [target], timeout: 10_000, dns: dns.address })
    const { code, phase, exit_code, ...error } = one(said, 'error')
    assert.deepEqual([code, phase, exit_code, error.target], ['dns_not_found', 'resolve', 1, target])
    assert.deepEqual(one(said, 'dial.resolve').addrs, [])
  })

  test('a transport that this build does not have', async () => {
    const { error } = await fails(
      `/ip4/127.0.0.1/udp/4001/quic-v1/webtransport/p2p/${ID}`,
      'no_transport',
      'connect',
      1
    )
    assert.match(error.message, /WebTransport/)
  })

  test('a port that the fetch standard closes to WebSockets', async () => {
    const { error } = await fails('/ip4/127.0.0.1/tcp/6667/ws', 'no_transport', 'connect', 1)
    assert.match(error.message, /WebSocket refuses/)
  })
})

describe('dial, somebody else there', patient, () => {
  for (const [name, listen] of [
    ['TCP', '/ip4/127.0.0.1/tcp/0'],
    ['WebSocket', '/ip4/127.0.0.1/tcp/0/ws']
  ] as const) {
    test(`${name}: another peer answers, and both are named`, async () => {
      await using peer = await plainNode({ listen: [listen] })
      const target = addrOf(peer).replace(/[^/]+$/, ID)
      const { error, attempt } = await fails(target, 'peer_id_mismatch', 'security', 5)
      assert.deepEqual([error.expected, error.actual], [ID, peer.peerId.toString()])
      assert.equal(attempt.peer_id, peer.peerId.toString())
      assert.match(error.message, new RegExp(`expected ${ID}, got ${peer.peerId}`))
    })

    test(`${name}: an HTTP server`, async () => {
      const server = createServer((_, response) => response.writeHead(404).end()).listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as { port: number }
      after(() => server.close())
      if (name === 'TCP') {
        const { error } = await fails(`/ip4/127.0.0.1/tcp/${port}`, 'security_failed', 'security', 6)
        assert.match(error.message, /HTTP server answered/)
      } else {
        const { error } = await fails(`/ip4/127.0.0.1/tcp/${port}/ws`, 'security_failed', 'connect', 6)
        assert.match(error.message, /HTTP server answered with status 404/)
      }
    })

    test(`${name}: a server that resets at once`, async () => {
      await using server = await rawServer(socket => socket.resetAndDestroy())
      const said = await run(`${server.addr}${name === 'TCP' ? '' : '/ws'}`)
      // over TCP the reset may come before the connection was seen, or behind it
      const { code, exit_code } = one(said, 'error')
      assert.deepEqual([code, exit_code], ['connection_reset', 1])
    })

    test(`${name}: a server that closes at once`, async () => {
      await using server = await rawServer(socket => socket.end())
      if (name === 'TCP') await fails(server.addr, 'connection_reset', 'security', 1)
      else await fails(`${server.addr}/ws`, 'connection_reset', 'connect', 1)
    })

    test(`${name}: an SSH server`, async () => {
      await using server = await rawServer(socket => socket.write('SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3\r\n'))
      // over TCP it would read as the length of a first message of 83 bytes, of which the rest never comes
      if (name === 'TCP') await fails(server.addr, 'security_failed', 'security', 6)
      else await fails(`${server.addr}/ws`, 'security_failed', 'connect', 6)
    })

    test(`${name}: a server that says nothing`, async () => {
      await using server = await rawServer()
      const phase = name === 'TCP' ? 'security' : 'connect'
      const target = `${server.addr}${name === 'TCP' ? '' : '/ws'}`
      const { error } = await fails(target, 'io_timeout', phase, 1, SHORT)
      assert.match(error.message, new RegExp(`timed out in the ${phase} phase`))
      await server.closed
    })
  }

  test('what a stranger writes is shown escaped', async () => {
    await using server = await rawServer(socket => socket.write(multistream('/\x1b[2J\x1b]0;owned\x07')))
    const { error, attempt } = await fails(server.addr, 'security_failed', 'security', 6)
    assert.doesNotMatch(error.message + attempt.error!.message, /[\x00-\x1f\x7f-\x9f]/)
  })
})

describe('dial, nothing in common', patient, () => {
  test('a peer with a security protocol of its own', async () => {
    const other = renamed(noise(), '/other/1.0.0') as ReturnType<typeof noise>
    await using peer = await plainNode({ libp2p: { connectionEncrypters: [other] } })
    const { error } = await fails(addrOf(peer), 'security_failed', 'security', 6)
    assert.match(error.message, /no security protocol in common/)
  })

  test('a peer that refuses every protocol by hand', async () => {
    await using server = await rawServer(refuseAll)
    await fails(server.addr, 'security_failed', 'security', 6)
  })

  test('a peer without our muxer', async () => {
    const other = renamed(yamux(), '/other/1.0.0') as ReturnType<typeof yamux>
    await using peer = await plainNode({ libp2p: { streamMuxers: [other] } })
    await fails(addrOf(peer), 'muxer_failed', 'muxer', 6)
  })

  test('a peer that leaves once it has agreed to noise', async () => {
    await using server = await rawServer(socket => {
      socket.write(Buffer.concat([multistream('/multistream/1.0.0'), multistream('/noise')]))
      socket.end()
    })
    await fails(server.addr, 'connection_reset', 'security', 1)
  })

  test('a peer that agrees to noise and speaks garbage', async () => {
    await using server = await rawServer(socket => {
      const garbage = Buffer.concat([Buffer.of(0, 96), Buffer.alloc(96, 7)])
      socket.write(Buffer.concat([multistream('/multistream/1.0.0'), multistream('/noise'), garbage]))
    })
    await fails(server.addr, 'security_failed', 'security', 6)
  })
})

function refuseAll(socket: Socket): void {
  socket.write(multistream('/multistream/1.0.0'))
  socket.on('data', data => {
    const asked = data.toString('latin1').match(/(?<=[\s\S])(\/(?!multistream)\S+|ls)\n/g) ?? []
    for (const _ of asked) socket.write(multistream('na'))
  })
}
