// interop/: p2pctl in the transport suite of libp2p's unified-testing, each side in a process of its own, through a real Redis.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { after, before, describe, test } from 'node:test'
import { parse } from 'yaml'
import { openRedis, type Redis, RedisError } from '../interop/redis.ts'
import { muxers, readSettings, secureChannels, standalone, transports } from '../interop/settings.ts'
import { bin, cleanEnv, root, start } from './helpers/cli.ts'
import { multistream, type RawServer, closedPort, rawServer } from './helpers/raw-server.ts'
import { type RedisServer, startRedis } from './helpers/redis.ts'
import { lacks } from './helpers/shell.ts'
import { silentPeer } from './helpers/silent-peer.ts'

const never = new AbortController().signal

interface Ended {
  code: number | null
  signal: NodeJS.Signals | null
  stdout: string
  stderr: string
}

interface Runner extends AsyncDisposable {
  child: ChildProcess
  done: Promise<Ended>
  /** Once stderr has it. */
  says(what: string): Promise<void>
}

const looksAt =
  'IS_DIALER REDIS_ADDR TEST_KEY TRANSPORT SECURE_CHANNEL MUXER LISTENER_IP TEST_TIMEOUT_SECS DEBUG'.split(' ')

/** The runner with this environment, and with nothing else that it looks at. */
function startRunner(env: Record<string, string>): Runner {
  const around = Object.entries(cleanEnv()).filter(([name]) => !looksAt.includes(name))
  const child = spawn(process.execPath, [join(root, 'interop/transport.ts'), bin], {
    env: { ...Object.fromEntries(around), ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
    killSignal: 'SIGKILL'
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', chunk => {
    stderr += chunk
  })
  const stdout = text(child.stdout)
  let over = false
  const done = once(child, 'close').then(async ([code, signal]): Promise<Ended> => {
    over = true
    return { code, signal, stdout: await stdout, stderr }
  })
  return {
    child,
    done,
    async says(what) {
      while (!stderr.includes(what)) {
        assert.ok(!over, `ended without ${what}:\n${stderr}`)
        await Promise.race([once(child.stderr, 'data'), done])
      }
    },
    async [Symbol.asyncDispose]() {
      if (child.exitCode == null && child.signalCode == null) child.kill('SIGTERM')
      await done
    }
  }
}

/** What the suite takes from the log of a dialer, as docker compose prints it: transport/lib/run-single-test.sh. */
function taken(stdout: string): { latency: { handshake_plus_one_rtt: number; ping_rtt: number; unit: string } } {
  const lines = stdout.split('\n').map(line => `dialer-1  | ${line}`)
  const measured = lines.filter(line => /dialer.*\| (latency:| {2}(handshake_plus_one_rtt|ping_rtt|unit):)/.test(line))
  return parse(measured.map(line => line.replace(/^.*\| /, '')).join('\n'))
}

const NO_RESULT = ''
const skip = lacks('redis-server')

describe('a runner', { skip, timeout: 120_000 }, () => {
  let server: RedisServer
  /** In front of its socket, since the suite has a host and a port. */
  let front: RawServer
  let redis: Redis
  let tests = 0
  before(async () => {
    server = await startRedis()
    front = await rawServer(socket => {
      const behind: Socket = connect(server.socket)
      socket.pipe(behind).pipe(socket)
      behind.on('error', () => {})
      socket.on('close', () => behind.destroy())
    })
    redis = await openRedis({ host: '127.0.0.1', port: front.port }, never)
  })
  after(async () => {
    redis?.[Symbol.dispose]()
    await front?.[Symbol.asyncDispose]()
    await server?.[Symbol.asyncDispose]()
  })

  /** Of one test, as the suite would give it. */
  function environment(more: Record<string, string> = {}): Record<string, string> & { TEST_KEY: string } {
    const TEST_KEY = (++tests).toString(16).padStart(8, '0')
    const tcp = { TRANSPORT: 'tcp', SECURE_CHANNEL: 'noise', MUXER: 'yamux' }
    const REDIS_ADDR = `127.0.0.1:${front.port}`
    return { IS_DIALER: 'true', REDIS_ADDR, TEST_KEY, LISTENER_IP: '0.0.0.0', DEBUG: 'false', ...tcp, ...more }
  }
  /** A dialer that is told this address, in the words of the suite's document: the key is "set". */
  async function dialTo(addr: string, more: Record<string, string> = {}): Promise<Ended> {
    const env = environment(more)
    await redis.send('SET', `${env.TEST_KEY}_listener_multiaddr`, addr)
    await using dialer = startRunner(env)
    return await dialer.done
  }

  describe('meets another', { concurrency: 2 }, () => {
    const rows: Record<string, string>[] = transports.flatMap((transport): Record<string, string>[] => {
      if (standalone.includes(transport)) return [{ TRANSPORT: transport }]
      return secureChannels.flatMap(SECURE_CHANNEL =>
        muxers.map(MUXER => ({ TRANSPORT: transport, SECURE_CHANNEL, MUXER }))
      )
    })
    for (const row of rows) {
      const needs = row.TRANSPORT === 'wss' ? lacks('openssl') : false
      test(`over ${Object.values(row).join(', ')}`, { skip: needs }, async () => {
        const { SECURE_CHANNEL: _, MUXER: __, ...common } = environment()
        const env = { ...common, ...row }
        // in any order, as the suite starts them
        await using dialer = startRunner(env)
        await using listener = startRunner({ ...env, IS_DIALER: 'false' })
        const { code, stdout, stderr } = await dialer.done
        assert.equal(code, 0, stderr)
        const number = /\d+\.\d{3}/.source
        assert.match(
          stdout,
          new RegExp(
            `^# Measurements from dialer\nlatency:\n  handshake_plus_one_rtt: ${number}\n  ping_rtt: ${number}\n  unit: ms\n$`
          )
        )
        const { latency } = taken(stdout)
        assert.deepEqual(latency, parse(stdout).latency)
        assert.ok(latency.handshake_plus_one_rtt > latency.ping_rtt && latency.ping_rtt > 0, stdout)
        const lines = stderr.split('\n').flatMap(line => (line.startsWith('{') ? JSON.parse(line) : []))
        const opened = lines.find(({ type }) => type === 'connection.open')
        assert.equal(opened.transport, row.TRANSPORT)
        if (row.MUXER != null) assert.deepEqual([opened.security, opened.muxer], [row.SECURE_CHANNEL, row.MUXER])
        // until the suite stops it
        assert.equal(listener.child.exitCode, null)
        listener.child.kill('SIGTERM')
        const listened = await listener.done
        assert.deepEqual([listened.code, listened.stdout], [0, NO_RESULT], listened.stderr)
        assert.match(listened.stderr, /"type":"run.summary".*"reason":"interrupted"/)
      })
    }
  })

  test('dials what was set, and not pushed', async () => {
    await using peer = start(['listen', '--json', '-l', '/ip4/127.0.0.1/tcp/0'])
    const { code, stdout } = await dialTo((await peer.next('listen.ready')).addrs[0]!)
    assert.equal(code, 0)
    assert.equal(taken(stdout).latency.unit, 'ms')
  })

  test('sees what is set while it waits', async () => {
    await using peer = start(['listen', '--json', '-l', '/ip4/127.0.0.1/tcp/0'])
    const [addr = ''] = (await peer.next('listen.ready')).addrs
    const came = front.count
    const env = environment()
    await using dialer = startRunner(env)
    while (front.count === came)
      await Promise.race([once(dialer.child.stderr!, 'data'), redis.send('BLPOP', 'no', '0.1')])
    await redis.send('SET', `${env.TEST_KEY}_listener_multiaddr`, addr)
    assert.equal((await dialer.done).code, 0)
  })

  test('that listens tells an address of another host where there is one, and in the place of an older one', async () => {
    const env = environment({ IS_DIALER: 'false' })
    const key = `${env.TEST_KEY}_listener_multiaddr`
    await redis.send('RPUSH', key, '/ip4/192.0.2.1/tcp/1')
    await using listener = startRunner(env)
    await listener.says(`${key} is /`)
    const told = await redis.send('LRANGE', key, '0', '-1')
    assert.ok(Array.isArray(told) && told.length === 1, String(told))
    listener.child.kill('SIGINT')
    const { code, stderr } = await listener.done
    assert.equal(code, 0)
    const ready = JSON.parse(stderr.split('\n').find(line => line.includes('listen.ready'))!)
    const elsewhere = ready.addrs.filter((addr: string) => !addr.startsWith('/ip4/127.'))
    assert.equal(told[0], elsewhere[0] ?? ready.addrs[0])
  })

  test('with DEBUG has the log of libp2p on stderr, and the result alone on stdout', async () => {
    await using peer = start(['listen', '--json', '-l', '/ip4/127.0.0.1/tcp/0'])
    const [addr = ''] = (await peer.next('listen.ready')).addrs
    const { code, stdout, stderr } = await dialTo(addr, { DEBUG: 'true' })
    assert.equal(code, 0)
    assert.match(stdout, /^# Measurements from dialer\nlatency:\n( {2}.*\n){3}$/)
    assert.match(stderr, /^.*libp2p:.*$/m)
  })

  describe('fails', { concurrency: 2 }, () => {
    test('where no listener comes, once its time is up', async () => {
      const env = environment({ TEST_TIMEOUT_SECS: '1' })
      await using dialer = startRunner(env)
      const { code, stdout, stderr } = await dialer.done
      assert.deepEqual({ code, stdout }, { code: 4, stdout: NO_RESULT })
      assert.equal(stderr, `no listener has told its address at ${env.TEST_KEY}_listener_multiaddr within 1 s\n`)
    })

    test('where the listener says nothing, once its time is up', async () => {
      await using silent = await silentPeer()
      const { code, stdout, stderr } = await dialTo(silent.addr, { TEST_TIMEOUT_SECS: '2' })
      assert.deepEqual({ code, stdout }, { code: 1, stdout: NO_RESULT }, stderr)
      assert.match(stderr, /"reason":"deadline"/)
    })

    const told: [string, () => Promise<string> | string, number, RegExp][] = [
      ['where nobody listens', async () => `/ip4/127.0.0.1/tcp/${await closedPort()}`, 1, /"connection_refused"/],
      ['at an address of another transport', () => '/ip4/127.0.0.1/tcp/4001/ws', 1, /"no_addresses"|"no_transport"/],
      ['at what is no multiaddr', () => '--help', 1, /_listener_multiaddr is no multiaddr, but "--help"\n$/],
      ['at an address that p2pctl cannot read', () => '/ip4/127.0.0.1/tpc/4001', 2, /"invalid_multiaddr"/]
    ]
    for (const [name, addr, exitCode, says] of told) {
      test(name, async () => {
        const { code, stdout, stderr } = await dialTo(await addr())
        assert.match(stderr, says)
        assert.deepEqual({ code, stdout }, { code: exitCode, stdout: NO_RESULT }, stderr)
      })
    }

    test('where another peer answers, and where nothing is agreed on', async () => {
      await using peer = start(['listen', '--json', '--security', 'noise', '-l', '/ip4/127.0.0.1/tcp/0'])
      const [addr = ''] = (await peer.next('listen.ready')).addrs
      const other = addr.replace(/[^/]+$/, '12D3KooWQoqc1Smoa5QmnD5ER8UjijLcoFtMVDcSBsXM8hmxMKtQ')
      const wrong = await dialTo(other)
      assert.deepEqual([wrong.code, wrong.stdout], [5, NO_RESULT], wrong.stderr)
      const tls = await dialTo(addr, { SECURE_CHANNEL: 'tls' })
      assert.deepEqual([tls.code, tls.stdout], [6, NO_RESULT], tls.stderr)
    })

    test('where the peer answers no ping', async () => {
      await using ssh = await rawServer(socket => socket.end(multistream('/multistream/1.0.0')))
      const { code, stdout } = await dialTo(ssh.addr, { TEST_TIMEOUT_SECS: '5' })
      assert.deepEqual([code, stdout], [1, NO_RESULT])
    })

    test('where it cannot listen, and tells nobody an address', async () => {
      const env = environment({ IS_DIALER: 'false', LISTENER_IP: '192.0.2.77' })
      await using listener = startRunner(env)
      const { code, stdout, stderr } = await listener.done
      assert.deepEqual({ code, stdout }, { code: 3, stdout: NO_RESULT }, stderr)
      assert.match(stderr, /"address_not_available"/)
      assert.equal(await redis.send('EXISTS', `${env.TEST_KEY}_listener_multiaddr`), 0)
    })

    for (const IS_DIALER of ['true', 'false']) {
      const who = IS_DIALER === 'true' ? 'a dialer' : 'a listener'
      test(`without Redis, ${who}`, async () => {
        const REDIS_ADDR = `127.0.0.1:${await closedPort()}`
        await using runner = startRunner(environment({ IS_DIALER, REDIS_ADDR }))
        const { code, stdout, stderr } = await runner.done
        assert.deepEqual({ code, stdout }, { code: 1, stdout: NO_RESULT }, stderr)
        assert.match(stderr, new RegExp(`^cannot reach Redis at ${REDIS_ADDR}: connect ECONNREFUSED`, 'm'))
      })
    }

    test('where something else is in the place of Redis', async () => {
      await using ssh = await rawServer(socket => socket.write('SSH-2.0-OpenSSH_9.2p1\r\n'))
      await using runner = startRunner(environment({ REDIS_ADDR: `127.0.0.1:${ssh.port}` }))
      const { code, stdout, stderr } = await runner.done
      assert.deepEqual({ code, stdout }, { code: 1, stdout: NO_RESULT })
      assert.equal(stderr, 'this is not Redis: "SSH-2.0-OpenSSH_9.2p1\\r\\n"\n')
    })

    test('where a Redis says nothing, once its time is up', async () => {
      await using silent = await rawServer()
      await using runner = startRunner(
        environment({ REDIS_ADDR: `127.0.0.1:${silent.port}`, TEST_TIMEOUT_SECS: '0.5' })
      )
      const { code, stdout } = await runner.done
      assert.deepEqual({ code, stdout }, { code: 4, stdout: NO_RESULT })
    })
  })

  test('that is stopped while it waits or dials ends by that signal, without a result', async () => {
    await using waiting = startRunner(environment())
    await using silent = await silentPeer()
    const env = environment()
    await redis.send('SET', `${env.TEST_KEY}_listener_multiaddr`, silent.addr)
    await using dialing = startRunner(env)
    await silent.dialed
    for (const [runner, signal] of [[waiting, 'SIGTERM'] as const, [dialing, 'SIGINT'] as const]) {
      runner.child.kill(signal)
      const ended = await runner.done
      assert.deepEqual([ended.code, ended.signal, ended.stdout], [null, signal, NO_RESULT], ended.stderr)
    }
  })
})

describe('the environment', () => {
  const whole = { IS_DIALER: 'true', REDIS_ADDR: 'redis:6379', TEST_KEY: 'a5b50d5e', TRANSPORT: 'quic-v1' }

  test('that lacks everything is refused, with everything that it lacks', async () => {
    await using runner = startRunner({})
    const { code, stdout, stderr } = await runner.done
    assert.deepEqual({ code, stdout }, { code: 2, stdout: NO_RESULT })
    assert.deepEqual(stderr.trimEnd().split('\n'), [
      'IS_DIALER is not set: true or false',
      'REDIS_ADDR is not set: host:port',
      'TEST_KEY is not set: what keeps the tests of one Redis apart',
      'TRANSPORT is not set: tcp or ws or wss or quic-v1 or webrtc-direct or webrtc',
      'SECURE_CHANNEL is not set: noise or tls',
      'MUXER is not set: yamux or mplex'
    ])
  })

  const refused: [Record<string, string>, RegExp][] = [
    [{ IS_DIALER: 'yes' }, /^IS_DIALER is true or false, and not "yes"$/],
    [{ TRANSPORT: 'webtransport' }, /^TRANSPORT is tcp .* webrtc, and not "webtransport"\n/],
    [{ TRANSPORT: 'tcp', MUXER: 'yamux' }, /^SECURE_CHANNEL is not set: noise or tls$/],
    [
      { TRANSPORT: 'ws', SECURE_CHANNEL: 'plaintext', MUXER: 'spdy' },
      /^SECURE_CHANNEL .* "plaintext"\nMUXER .* "spdy"$/
    ],
    [{ REDIS_ADDR: 'redis:99999' }, /^REDIS_ADDR is host:port, and not "redis:99999"$/],
    [{ TEST_TIMEOUT_SECS: '-1' }, /^TEST_TIMEOUT_SECS is a number of seconds, and not "-1"$/],
    [{ TEST_TIMEOUT_SECS: '3m' }, /^TEST_TIMEOUT_SECS/],
    [{ DEBUG: '1' }, /^DEBUG is true or false, and not "1"$/]
  ]
  for (const [more, message] of refused) {
    test(`with ${Object.entries(more).map(([name, value]) => `${name}=${value}`)} is refused`, () => {
      assert.throws(() => readSettings({ ...whole, ...more }), { name: 'WrongEnvironment', message })
    })
  }

  test('is read as the suite means it', () => {
    assert.deepEqual(readSettings(whole), {
      ...{ isDialer: true, redis: { host: 'redis', port: 6379 }, key: 'a5b50d5e_listener_multiaddr' },
      ...{ transport: 'quic-v1', tail: 'udp/0/quic-v1', secureChannel: null, muxer: null },
      ...{ listenerIp: '0.0.0.0', timeoutMs: 180_000, debug: false }
    })
    const more = { TRANSPORT: 'tcp', SECURE_CHANNEL: 'tls', MUXER: 'mplex', DEBUG: 'true', REDIS_ADDR: '[::1]:7000' }
    const { redis, secureChannel, muxer, debug } = readSettings({ ...whole, ...more })
    assert.deepEqual(
      { redis, secureChannel, muxer, debug },
      {
        ...{ redis: { host: '::1', port: 7000 }, secureChannel: 'tls', muxer: 'mplex', debug: true }
      }
    )
  })
})

describe('what is understood of Redis', () => {
  const replies = '$-1\r\n*2\r\n$3\r\nkey\r\n$5\r\n/a\r\nb\r\n:12\r\n+OK\r\n*-1\r\n*0\r\n-WRONGTYPE no\r\n'
  const meant = [null, ['key', '/a\r\nb'], 12, 'OK', null, []]

  for (const size of [1, 7, replies.length]) {
    test(`in pieces of ${size}`, async () => {
      await using server = await rawServer(socket => {
        for (let at = 0; at < replies.length; at += size) socket.write(replies.slice(at, at + size))
        socket.setNoDelay()
      })
      using redis = await openRedis({ host: '127.0.0.1', port: server.port }, never)
      for (const reply of meant) assert.deepEqual(await redis.send('PING'), reply)
      await assert.rejects(redis.send('PING'), new RedisError('WRONGTYPE no'))
    })
  }

  test('a connection that ends is no reply', async () => {
    await using server = await rawServer(socket => socket.end('$12\r\nhalf'))
    using redis = await openRedis({ host: '127.0.0.1', port: server.port }, never)
    await assert.rejects(redis.send('PING'), new RedisError('Redis closed the connection'))
  })
})

describe('what the suite is given', () => {
  const read = (path: string): string => readFileSync(join(root, path), 'utf8')

  test('its list of images names what the runner has', () => {
    const [image] = parse(read('interop/images.yaml'))
    assert.deepEqual(image.transports, transports)
    assert.deepEqual(image.secureChannels, secureChannels)
    assert.deepEqual(image.muxers, muxers)
    assert.ok(existsSync(join(root, image.source.dockerfile)))
  })

  test('the image has the runner, and p2pctl where the runner looks', () => {
    const dockerfile = read('interop/Dockerfile')
    const [node, runner, p2pctl] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(dockerfile)![1]!)
    assert.deepEqual([node, runner], ['node', '/opt/interop/transport.ts'])
    assert.match(dockerfile, /^COPY interop \/opt\/interop$/m)
    assert.equal(p2pctl, `/usr/local/lib/node_modules/p2pctl/${JSON.parse(read('package.json')).bin.p2pctl}`)
    assert.match(read('.dockerignore'), /^!interop$/m)
    // what is imported when it runs is in the folder
    for (const name of ['transport', 'p2pctl', 'redis', 'settings']) {
      const imports = [...read(`interop/${name}.ts`).matchAll(/^import (?!type)[^']* from '([^']+)'/gm)].map(
        one => one[1]!
      )
      for (const from of imports) assert.match(from, /^(node:|\.\/)/)
    }
  })

  test('none of it is in the package', () => {
    assert.ok(!JSON.parse(read('package.json')).files.some((name: string) => name.startsWith('interop')))
  })
})
