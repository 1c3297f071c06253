import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import type { Socket } from 'node:net'
import { describe, test } from 'node:test'
import dial from '../src/commands/dial.ts'
import type { Code } from '../src/errors.ts'
import type { Phase, Said } from '../src/events.ts'
import { strangerIn } from '../src/stranger.ts'
import { bin, cleanEnv } from './helpers/cli.ts'
import { collect, one, only } from './helpers/collect.ts'
import { startDns } from './helpers/dns-server.ts'
import { noNetwork, ownNetwork } from './helpers/own-network.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { multistream, rawServer } from './helpers/raw-server.ts'
import { parseEvent } from './helpers/schema.ts'
import { withoutMuxer } from './helpers/without-muxer.ts'

const patient = { timeout: 30_000 }
/** Long enough for a busy machine to come to the phase that is to time out. */
const SHORT = 1500

const run = (target: string, timeout = 10_000): Promise<Said[]> => collect(dial, { target: [target], timeout })

async function fails(target: string, code: Code, phase: Phase, timeout?: number) {
  const said = await run(target, timeout)
  const { error: told } = one(said, 'dial.attempt')
  assert.deepEqual([told?.code, told?.phase], [code, phase], told?.message)
  const error = one(said, 'error')
  assert.equal(error.code, code)
  return error
}

describe('dial, something else there', patient, () => {
  const greeted = (text: string) => (socket: Socket) => void socket.write(text, 'latin1')
  const asked = (text: string) => (socket: Socket) => void socket.once('data', () => socket.write(text, 'latin1'))
  const cases: [string, (socket: Socket) => void, RegExp][] = [
    [
      'SSH',
      greeted('SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n'),
      /an SSH server answered \(SSH-2\.0-OpenSSH_9\.2p1 Debian-2\)$/
    ],
    ['SMTP', greeted('220 mx.example.org ESMTP Postfix\r\n'), /an SMTP server answered \(220 mx\.example\.org/],
    ['FTP', greeted('220 ProFTPD Server ready\r\n'), /an FTP or SMTP server answered/],
    ['IMAP', greeted('* OK IMAP4rev1 ready\r\n'), /an IMAP server answered/],
    ['MySQL', greeted('\x4a\0\0\0\x0a8.0.36\0rest'), /a MySQL server answered$/],
    ['Redis', asked("-ERR unknown command '\x13/multistream/1.0.0'\r\n"), /a Redis server answered \(-ERR unknown/],
    ['TLS', asked('\x15\x03\x01\0\x02\x02\x46'), /a TLS server answered$/],
    ['PostgreSQL', asked('E\0\0\0\x2fSFATAL\0'), /a PostgreSQL server answered$/]
  ]
  for (const [name, serve, says] of cases) {
    test(`${name} is named, and not waited for until the time is over`, async () => {
      await using server = await rawServer(serve)
      const { message, hint, exit_code } = await fails(server.addr, 'security_failed', 'security')
      assert.match(message, says)
      assert.match(hint!, /belongs to something else/)
      assert.equal(exit_code, 6)
      await server.closed
    })
  }

  test('an HTTP server is named with its first line', async () => {
    // one that stays: where it resets at once, a write that fails may come before its answer is read
    await using server = await rawServer(asked('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n'))
    const { message } = await fails(server.addr, 'security_failed', 'security')
    assert.match(message, /an HTTP server answered \(HTTP\/1\.1 400 Bad Request\)$/)
  })

  test('a server that answers and resets at once is asked again', async () => {
    await using server = await rawServer(socket => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 400 Bad Request\r\n\r\n')
        socket.destroySoon()
      })
    })
    const { message } = await fails(server.addr, 'security_failed', 'security')
    assert.match(message, /an HTTP server answered/)
  })

  test('SSH where a WebSocket should be is named too', async () => {
    await using server = await rawServer(greeted('SSH-2.0-dropbear\r\n'))
    const { message } = await fails(`${server.addr}/ws`, 'security_failed', 'connect')
    assert.match(message, /an SSH server answered \(SSH-2\.0-dropbear\)$/)
  })

  test('a banner is shown escaped', async () => {
    await using server = await rawServer(greeted('SSH-2.0-\x1b[2Jowned\x07\r\n'))
    const { message } = await fails(server.addr, 'security_failed', 'security')
    assert.doesNotMatch(message, /[\x00-\x1f\x7f-\x9f]/)
  })

  test('libp2p itself is no stranger, nor is HTTP on the way to a WebSocket', () => {
    assert.equal(strangerIn(multistream('/multistream/1.0.0'), false), undefined)
    assert.equal(strangerIn(Buffer.from('HTTP/1.1 101 Switching Protocols\r\n'), true), undefined)
    assert.equal(
      strangerIn(Buffer.from('HTTP/1.1 400 Bad Request\r\n'), false),
      'an HTTP server answered (HTTP/1.1 400 Bad Request)'
    )
  })
})

describe('dial, silence', patient, () => {
  test('from the beginning', async () => {
    await using server = await rawServer()
    const { hint } = await fails(server.addr, 'io_timeout', 'security', SHORT)
    assert.match(hint!, /never said a word/)
  })

  test('once a security protocol is agreed on', async () => {
    await using server = await rawServer(socket => {
      socket.write(Buffer.concat([multistream('/multistream/1.0.0'), multistream('/noise')]))
    })
    const { hint } = await fails(server.addr, 'io_timeout', 'security', SHORT)
    assert.match(hint!, /began to speak libp2p/)
  })

  test('once the peer has shown who it is, where the muxer has still to be agreed on', async () => {
    await using peer = await plainNode({ libp2p: { connectionEncrypters: [withoutMuxer] } })
    await fails(addrOf(peer), 'io_timeout', 'muxer', SHORT)
  })
})

describe('dial, not let in', patient, () => {
  test('a peer whose gater refuses us after the handshake', async () => {
    await using peer = await plainNode({ libp2p: { connectionGater: { denyInboundUpgradedConnection: () => true } } })
    const { hint, code } = one(await run(addrOf(peer)), 'error')
    assert.equal(code, 'connection_reset')
    assert.match(hint!, /connection limit, or its gater/)
  })

  test('a peer that takes no connection at all', async () => {
    await using peer = await plainNode({ libp2p: { connectionGater: { denyInboundConnection: () => true } } })
    // the reset may come before the connection was seen, or behind it
    const { code, hint } = one(await run(addrOf(peer)), 'error')
    assert.equal(code, 'connection_reset')
    assert.match(hint!, /over its limits/)
  })
})

test('a dnsaddr without a usable record', patient, async () => {
  await using dns = await startDns({ '_dnsaddr.example.test': { TXT: ['v=spf1 -all'] } })
  const said = await collect(dial, { target: ['/dnsaddr/example.test'], timeout: 10_000, dns: dns.address })
  const { code, phase, exit_code } = one(said, 'error')
  assert.deepEqual([code, phase, exit_code], ['dnsaddr_empty', 'resolve', 1])
})

describe('dial, no way there', { ...patient, skip: noNetwork() }, () => {
  const addr = '/ip4/198.51.100.7/tcp/4001'
  const cases: [string, string, Code][] = [
    ['a network that no route leads to', 'true', 'network_unreachable'],
    ['a host that is not reachable', 'ip link set lo up && ip route add unreachable 198.51.100.0/24', 'no_route'],
    ['a network that swallows every packet', 'ip link set lo up && ip route add 198.51.100.0/24 dev lo', 'io_timeout']
  ]
  for (const [name, prepare, code] of cases) {
    test(`${name}: ${code}`, async () => {
      const line = `${prepare} && exec '${process.execPath}' '${bin}' dial --json -W ${SHORT}ms ${addr}`
      const stdout = await new Promise<string>(resolve => {
        const [command, flag] = ownNetwork as [string, string]
        execFile(command, [flag, 'sh', '-c', line], { env: cleanEnv() }, (_, text) => resolve(text))
      })
      const events = stdout.trim().split('\n').map(parseEvent)
      const [attempt] = only(events, 'dial.attempt')
      assert.deepEqual([attempt?.error?.code, attempt?.error?.phase], [code, 'connect'], stdout)
      assert.equal(one(events, 'run.summary').exit_code, 1)
    })
  }
})
