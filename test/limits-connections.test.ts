import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { noise } from '@chainsafe/libp2p-noise'
import { multiaddr } from '@multiformats/multiaddr'
import { certificates } from './helpers/certificates.ts'
import { type Running, run, start } from './helpers/cli.ts'
import { plainNode } from './helpers/plain-node.ts'
import { type Caller, call, message, questions, upgrade } from './helpers/raw-caller.ts'
import { rawServer } from './helpers/raw-server.ts'
import { unreadListener } from './helpers/unread.ts'
import type { MessageStream, MultiaddrConnection } from '@libp2p/interface'

const TCP = '/ip4/127.0.0.1/tcp/0'
/** 127.0.0.1 and 127.0.0.2 are two hosts, and none is spared. */
const STRICT = 'exempt-loopback=0,new-per-ip=1000,new-per-ip-burst=1000'
const OTHER_HOST = '127.0.0.2'
const lacksFifo = typeof process.execve === 'function' ? false : 'needs process.execve (Node 22.15)'

interface Listening extends AsyncDisposable {
  running: Running
  /** Of the addresses, in their order. */
  ports: number[]
  addr: string
  /** The first refusal from now on has this reason. */
  refuses(reason: string): Promise<void>
}

async function listening(limits: string, args: string[] = ['-l', TCP], command = 'listen'): Promise<Listening> {
  const running = start([command, ...args, '--limit', limits, '--json'])
  const { addrs } = await running.next('listen.ready')
  return {
    running,
    ports: addrs.map(addr => Number(/\/tcp\/(\d+)/.exec(addr)![1])),
    addr: addrs[0]!,
    async refuses(reason) {
      const event = await running.next('connection.refused')
      assert.deepEqual([event.reason, event.count], [reason, 1])
      assert.match(event.remote_addr!, /^\/ip4\/127\.0\.0\.[12]\/tcp\/\d+/)
    },
    [Symbol.asyncDispose]: () => running[Symbol.asyncDispose]()
  }
}

const honest = noise()

const tls = await certificates()
after(() => tls[Symbol.dispose]())
const pair = await tls.sign('server')

suite('limits on who comes', { concurrency: 3 }, () => {
  for (const [limit, title, more] of [
    ['pending', 'limit pending: two silent sockets are held, the third is reset', 'pending=2'],
    [
      'new-per-ip',
      'limit new-per-ip: two silent sockets are held, the third is reset',
      'exempt-loopback=0,pending-per-ip=9,new-per-ip=1,new-per-ip-burst=2'
    ]
  ] as const) {
    for (const [kind, tail] of Object.entries({ tcp: '', ws: '/ws' })) {
      test(`${title} (${kind})`, async () => {
        await using node = await listening(more, ['-l', `${TCP}${tail}`])
        using first = await call(node.ports[0]!)
        using second = await call(node.ports[0]!)
        using third = await call(node.ports[0]!)
        await node.refuses(limit)
        assert.equal(await third.ended, 'reset')
        assert.deepEqual([first.socket.closed, second.socket.closed], [false, false])
        if (limit === 'pending') return
        using other = await call(node.ports[0]!, OTHER_HOST)
        other.socket.write(kind === 'tcp' ? questions(20) : 'GET / HTTP/1.0\r\n\r\n')
        await other.heard(1)
      })
    }
  }

  for (const [kind, tail] of Object.entries({ tcp: '', ws: '/ws' })) {
    test(`limit pending-per-ip: of one host two are answered, eight wait, and the next is reset (${kind})`, async () => {
      await using node = await listening(`${STRICT},pending-per-ip=2`, ['-l', `${TCP}${tail}`])
      const asks = async (host?: string): Promise<Caller> => {
        const caller = await call(node.ports[0]!, host)
        caller.socket.write(kind === 'tcp' ? questions(20) : 'GET / HTTP/1.0\r\n\r\n')
        return caller
      }
      using first = await call(node.ports[0]!)
      using _second = await call(node.ports[0]!)
      using third = await asks()
      // it came later, and is answered first
      using other = await asks(OTHER_HOST)
      await other.heard(1)
      assert.equal(third.socket.bytesRead, 0)
      using more = new DisposableStack()
      for (let count = 1; count < 8; count++) more.use(await call(node.ports[0]!))
      using eleventh = await call(node.ports[0]!)
      await node.refuses('pending-per-ip')
      assert.equal(await eleventh.ended, 'reset')
      first.socket.destroy()
      await third.heard(1)
    })
  }

  test('limit exempt-loopback: this machine is spared what counts for a host, unless it is 0', async () => {
    await using spared = await listening('pending-per-ip=1,pending=3')
    const callers = []
    for (let count = 0; count < 4; count++) callers.push(await call(spared.ports[0]!))
    await spared.refuses('pending')
    for (const caller of callers) caller[Symbol.dispose]()
    await using counted = await listening(`${STRICT},pending-per-ip=1,pending=3`)
    using more = new DisposableStack()
    for (let count = 0; count < 4; count++) more.use(await call(counted.ports[0]!))
    await counted.refuses('pending-per-ip')
  })

  test('limit upgrade-timeout: whoever says nothing is gone after so long, however far it had come', async () => {
    const ms = 1500
    const args = ['-l', TCP, '-l', `${TCP}/ws`, '-l', `${TCP}/tls/ws`, '--cert', pair.cert, '--key', pair.key]
    await using node = await listening(`upgrade-timeout=${ms}ms`, args)
    const [tcp = 0, ws = 0, wss = 0] = node.ports
    const asks = async (port: number): Promise<Caller> => {
      const caller = await call(port)
      await upgrade(caller)
      return caller
    }
    const ways: [says: string, Promise<Caller>][] = [
      ['TCP', call(tcp)],
      ['WebSocket, and no byte', call(ws)],
      ['half a request', call(ws)],
      ['upgraded', asks(ws)],
      ['TLS, and no byte', call(wss)],
      ['TLS, and no request', call(wss, undefined, true)]
    ]
    const from = performance.now()
    await Promise.all(
      ways.map(async ([says, calling]) => {
        using caller = await calling
        if (says === 'half a request') caller.socket.write('GET / HT')
        if (says === 'upgraded') caller.socket.write(message(questions(20)))
        await caller.ended
        const took = performance.now() - from
        assert.ok(took > ms - 500 && took < 2 * ms - 100, `${says} ended after ${took} ms`)
      })
    )
    await node.refuses('upgrade-timeout')
  })

  for (const kind of ['tcp', 'ws']) {
    test(`limit bytes-before-auth: 1024 bytes are answered over ${kind}, one more is a reset`, async () => {
      await using node = await listening('bytes-before-auth=1KiB', ['-l', kind === 'tcp' ? TCP : `${TCP}/ws`])
      using caller = await call(node.ports[0]!)
      if (kind === 'ws') await upgrade(caller)
      // the request of a WebSocket counts, with 200 bytes, and so does the head of its message, with 8
      const bytes = questions(kind === 'tcp' ? 1024 : 1024 - 208)
      caller.socket.write(kind === 'tcp' ? bytes : message(bytes))
      // each question has an answer of at least three bytes
      await caller.heard((bytes.length / 4) * 3)
      assert.equal(caller.socket.closed, false)
      caller.socket.write(Buffer.of(0x80))
      await node.refuses('bytes-before-auth')
      assert.equal(await caller.ended, 'reset')
    })
  }

  test('limit bytes-before-auth: a server that never ends a number is left at 1025 bytes, and waited for at 1024', async () => {
    for (const [bytes, code] of [
      [1024, 'io_timeout'],
      [1025, 'security_failed']
    ] as const) {
      await using server = await rawServer(socket => void socket.write(Buffer.alloc(bytes, 0x80)))
      const args = ['dial', server.addr, '--limit', 'bytes-before-auth=1KiB', '-W', '1', '--json']
      const { events } = await run(args)
      const error = events.find(({ type }) => type === 'error')
      assert.ok(error?.type === 'error')
      assert.equal(error.code, code)
    }
  })

  test('honest handshakes need about 2 KiB, and pass where they end with more than they may', async () => {
    await using node = await listening('bytes-before-auth=2KiB', ['-l', TCP, '-l', `${TCP}/ws`])
    for (const port of node.ports) {
      const tail = port === node.ports[1] ? '/ws' : ''
      for (const security of ['noise', 'tls']) {
        const to = `/ip4/127.0.0.1/tcp/${port}${tail}`
        const args = ['--security', security, '--limit', 'bytes-before-auth=2KiB']
        assert.equal((await run(['ping', '-c', '1', ...args, to])).code, 0, `${to} ${security}`)
      }
    }
  })
})

test('limit bytes-before-auth: it counts for who comes through a relay too', async () => {
  await using relay = await listening('streams=64', ['-l', TCP], 'relay')
  const limit = 'bytes-before-auth=1KiB'
  await using target = start(['listen', '--circuit', relay.addr, '--limit', limit, '--json'])
  const { addrs } = await target.next('listen.ready')
  const garbling: typeof honest = components => {
    const encrypter = honest(components)
    const secureOutbound = async (stream: MessageStream, options: never) => {
      if (!`${(stream as MultiaddrConnection).remoteAddr}`.includes('p2p-circuit')) {
        return await encrypter.secureOutbound(stream, options)
      }
      stream.send(Buffer.alloc(1025, 0x80))
      return await new Promise<never>((_, reject) =>
        stream.addEventListener('close', () => reject(new Error('closed')))
      )
    }
    return Object.create(encrypter, { secureOutbound: { value: secureOutbound } })
  }
  await using peer = await plainNode({ listen: [], libp2p: { connectionEncrypters: [garbling] } })
  await assert.rejects(peer.dial(multiaddr(addrs[0]!)))
  const { reason, remote_addr } = await target.next('connection.refused')
  assert.equal(reason, 'bytes-before-auth')
  assert.match(remote_addr!, /p2p-circuit/)
})

suite('limits on who is there', { concurrency: 2 }, () => {
  for (const [limit, title, more] of [
    ['connections', 'limit connections: two peers are served, the third is refused', 'connections=2'],
    [
      'connections-per-ip',
      'limit connections-per-ip: two of a host are served, the third is refused',
      `${STRICT},connections-per-ip=2`
    ]
  ] as const) {
    for (const command of ['listen', 'relay']) {
      test(`${title} (${command})`, async () => {
        await using node = await listening(more, ['-l', TCP], command)
        await using nodes = new AsyncDisposableStack()
        for (let count = 0; count < 2; count++) {
          const peer = nodes.use(await plainNode({ listen: [] }))
          await peer.dial(multiaddr(node.addr))
          await node.running.next('connection.open')
        }
        await using third = await plainNode({ listen: [] })
        await assert.rejects(third.dial(multiaddr(node.addr)))
        await node.refuses(limit)
      })
    }
  }

  test('limit connections-per-peer: one peer has two, and the third is refused', async () => {
    await using node = await listening('connections-per-peer=2')
    await using peer = await plainNode({ listen: [] })
    for (let count = 0; count < 2; count++) {
      await peer.dial(multiaddr(node.addr), { force: true })
      await node.running.next('connection.open')
    }
    await peer.dial(multiaddr(node.addr), { force: true }).catch(() => {})
    const { reason, remote_addr } = await node.running.next('connection.refused')
    assert.equal(reason, 'connections-per-peer')
    assert.ok(remote_addr!.endsWith(`/p2p/${peer.peerId}`))
    assert.equal((await run(['ping', '-c', '1', node.addr])).code, 0)
  })

  test('limit memory-refuse: with less than a Node takes, nobody is let in', async () => {
    await using node = await listening('memory-refuse=32MiB')
    using caller = await call(node.ports[0]!)
    await node.refuses('memory-refuse')
    assert.equal(await caller.ended, 'reset')
  })

  test('limit memory-close: with less than a Node takes, whoever comes is closed again', async () => {
    await using node = await listening('memory-close=32MiB')
    await using peer = await plainNode({ listen: [] })
    await peer.dial(multiaddr(node.addr))
    const { peer_id } = await node.running.next('connection.open')
    await node.refuses('memory-close')
    await node.running.next('connection.close', closed => closed.peer_id === peer_id)
  })
})

test('an honest peer is served 20 of 20 times while 40 silent sockets of another host keep coming', async () => {
  await using node = await listening(`exempt-loopback=0,new-per-ip=50,new-per-ip-burst=50`, [
    '-l',
    TCP,
    '-l',
    `${TCP}/ws`
  ])
  let over = false
  let calls = 0
  const silent = Array.from({ length: 40 }, async (_, index) => {
    while (!over && calls++ < 4000) {
      using caller = await call(node.ports[index % 2]!, OTHER_HOST)
      await Promise.race([caller.ended, stopped.promise])
    }
  })
  const stopped = Promise.withResolvers<void>()
  await node.refuses('pending-per-ip')
  for (let count = 0; count < 20; count++) {
    await using peer = await plainNode({ listen: [] })
    const connection = await peer.dial(
      multiaddr(`/ip4/127.0.0.1/tcp/${node.ports[count % 2]}${count % 2 === 0 ? '' : '/ws'}`)
    )
    assert.equal(connection.remotePeer.toString(), /[^/]+$/.exec(node.addr)![0])
  }
  over = true
  stopped.resolve()
  await Promise.all(silent)
})

test('refusals are counted in the metrics, and in few events however many there are', async () => {
  const args = ['-l', TCP, '--metrics', '0']
  const running = start(['listen', ...args, '--limit', 'pending=1', '--json'])
  await using _ = running
  const { addrs, metrics_url } = await running.next('listen.ready')
  const port = Number(/\/tcp\/(\d+)/.exec(addrs[0]!)![1])
  using held = await call(port)
  for (let count = 0; count < 100; count++) {
    using caller = await call(port)
    await caller.ended
  }
  let counted = 0
  let events = 0
  while (counted < 100) {
    counted += (await running.next('connection.refused')).count
    events++
  }
  assert.ok(events < 20, `${events} events`)
  assert.equal(held.socket.closed, false)
  const text = await (await fetch(metrics_url!)).text()
  assert.match(text, /^p2p_connections_refused_total\{reason="pending"\} 100$/m)
})

test('silent sockets do not keep a listener from its end, over TCP and WebSocket', async () => {
  await using node = await listening('upgrade-timeout=1h', ['-l', TCP, '-l', `${TCP}/ws`])
  const callers = await Promise.all(node.ports.map(port => call(port)))
  const result = await node.running.stop('SIGINT')
  assert.equal(result.code, 0)
  assert.deepEqual(await Promise.all(callers.map(({ ended }) => ended)), ['reset', 'reset'])
})

test('limit stop-hard: where nobody reads stdout, a signal ends the process after so long', async () => {
  const ms = 2000
  await using listener = await unreadListener('--limit', `stop-hard=${ms}ms`)
  const { child } = listener
  const from = performance.now()
  child.kill('SIGTERM')
  const [code, signal] = await once(child, 'exit')
  const took = performance.now() - from
  assert.deepEqual([code, signal], [null, 'SIGTERM'])
  assert.ok(took > ms - 100 && took < 2 * ms - 100, `ended after ${took} ms`)
})

test('a file that never answers does not keep a server that was stopped', { skip: lacksFifo }, async () => {
  const fifo = join(tls.folder, 'fifo')
  assert.equal(spawnSync('mkfifo', [fifo]).status, 0)
  await using server = start(['listen', '-l', `${TCP}/tls/ws`, '--cert', fifo, '--key', pair.key, '--json'])
  await server.next('run.start')
  const { code, events } = await server.stop('SIGINT')
  assert.equal(code, 0)
  const summary = events.at(-1)
  assert.ok(summary?.type === 'run.summary' && summary.reason === 'interrupted')
})
