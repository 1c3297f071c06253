import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { Agent, createServer, type IncomingMessage, request } from 'node:http'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import forward, { type Options } from '../src/commands/forward.ts'
import listen from '../src/commands/listen.ts'
import { generateKeyFile } from '../src/keys.ts'
import { Failure } from '../src/errors.ts'
import { createSlots } from '../src/slots.ts'
import { parsePlace, placeText } from '../src/place.ts'
import { run as runBinary, start as startBinary } from './helpers/cli.ts'
import { begin, collect, failureOf, one, only } from './helpers/collect.ts'
import { appears, ended } from './helpers/ends.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { closedPort } from './helpers/raw-server.ts'
import { connectTo, listening, PROTOCOL, readAll, service, tunnel, type Way } from './helpers/tunnel.ts'

const patient = { timeout: 60_000 }
const MIB = 2 ** 20
const ways: Way[] = ['tcp', 'quic', 'circuit']
const folder = mkdtempSync(join(tmpdir(), 'p2pctl-forward-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const echo = (socket: Socket): void => void socket.pipe(socket)

async function bodyOf(message: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of message) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

describe('forward', patient, () => {
  for (const way of ways) {
    test(`over ${way}: HTTP with keep-alive, a large download and a large upload`, async () => {
      const large = randomBytes(16 * MIB)
      await using web = await listening(
        createServer(async (asked, answer) => {
          const body = await bodyOf(asked)
          answer.end(asked.url === '/large' ? large : `${asked.method} ${body.byteLength} ${sha256(body)}`)
        })
      )
      await using it = await tunnel(web.place, { way })
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const sockets = new Set<Socket>()
      const ask = async (method: string, path: string, body?: Uint8Array): Promise<Buffer> => {
        const asking = request({ host: '127.0.0.1', port: it.port, agent, method, path })
        asking.once('socket', socket => sockets.add(socket))
        asking.end(body)
        const [answer] = (await once(asking, 'response')) as [IncomingMessage]
        return await bodyOf(answer)
      }
      for (let i = 0; i < 20; i++) assert.equal(String(await ask('GET', '/')), `GET 0 ${sha256(Buffer.alloc(0))}`)
      assert.equal(sha256(await ask('GET', '/large')), sha256(large))
      assert.equal(String(await ask('PUT', '/', large)), `PUT ${large.byteLength} ${sha256(large)}`)
      assert.equal(sockets.size, 1, 'all of it went over one TCP connection')
      agent.destroy()
      const close = await it.near.next('stream.close')
      assert.equal(close.error, null)
      const { in_bytes, out_bytes, error } = await it.far.next('stream.close')
      assert.deepEqual([in_bytes, out_bytes, error], [close.out_bytes, close.in_bytes, null])
    })

    test(`over ${way}: the end of one way leaves the other open, from either side`, async () => {
      await using asked = await service(async socket => {
        const all = (await readAll(socket)) as Buffer
        socket.end(`${all.byteLength} ${sha256(all)}`)
      })
      const payload = randomBytes(3 * MIB)
      await using there = await tunnel(asked.place, { way })
      const client = await there.connect()
      client.end(payload)
      assert.equal(String(await readAll(client)), `${payload.byteLength} ${sha256(payload)}`)
      assert.equal((await there.near.next('stream.close')).error, null)

      const heard = Promise.withResolvers<Buffer | string>()
      await using greeter = await service(socket => {
        socket.end('bye\n')
        void readAll(socket).then(heard.resolve)
      })
      await using back = await tunnel(greeter.place, { way })
      const other = await back.connect()
      assert.equal(String(await readAll(other)), 'bye\n')
      other.end(payload)
      assert.equal(sha256((await heard.promise) as Buffer), sha256(payload))
      assert.equal((await back.far.next('stream.close')).error, null)
    })

    test(`over ${way}: a reset is a reset at the other end, from either side`, async () => {
      const sockets: Socket[] = []
      const came = Promise.withResolvers<void>()
      await using silent = await service(socket => {
        sockets.push(socket)
        if (sockets.length === 2) came.resolve()
      })
      await using it = await tunnel(silent.place, { way })
      const clients = [await it.connect(), await it.connect()]
      await came.promise
      const [first, second] = sockets as [Socket, Socket]
      const told = [readAll(first), readAll(second)]
      clients[0]!.resetAndDestroy()
      assert.equal(await Promise.race(told), 'ECONNRESET')
      const near = await it.near.next('stream.close')
      assert.equal(near.error, 'the TCP connection was reset')
      assert.equal((await it.far.next('stream.close')).error, 'the peer reset the stream')
      for (const socket of sockets) socket.resetAndDestroy()
      assert.equal(await readAll(clients[1]!), 'ECONNRESET')
      assert.equal((await it.far.next('stream.close')).error, 'the TCP connection was reset')
    })
  }

  test('a service that refuses is a reset for the client, and said in both logs', async () => {
    const port = await closedPort()
    await using it = await tunnel(`localhost:${port}`)
    assert.equal(await readAll(await it.connect()), 'ECONNRESET')
    const far = await it.far.next('stream.close')
    assert.equal(far.error, `cannot connect to localhost:${port}: connection refused`)
    assert.equal((await it.near.next('stream.close')).error, 'the peer reset the stream')
  })

  test('what a client sends before there is a stream is not lost, and 100 at once all get theirs', async () => {
    let open = 0
    let most = 0
    await using echoing = await service(socket => {
      most = Math.max(most, ++open)
      socket.once('close', () => open--)
      echo(socket)
    })
    const far = { maxConnections: 10 }
    await using it = await tunnel(echoing.place, { near: { maxConnections: 40 }, far })
    const client = async (): Promise<void> => {
      const payload = randomBytes(100_000)
      const socket = connect({ port: it.port, host: '127.0.0.1', allowHalfOpen: true })
      socket.end(payload)
      assert.equal(sha256((await readAll(socket)) as Buffer), sha256(payload))
    }
    await Promise.all(Array.from({ length: 100 }, client))
    assert.ok(most <= 11, `${most} at once`)
    const said = await it.near.stop()
    const opened = only(said, 'stream.open')
    assert.equal(new Set(opened.map(({ stream_id }) => stream_id)).size, 100)
    for (const { tcp_addr } of opened) assert.match(tcp_addr!, /^127\.0\.0\.1:\d+$/)
    assert.deepEqual(new Set(only(said, 'stream.close').map(({ error }) => error)), new Set([null]))
    assert.equal(one(said, 'run.summary').connections, 100)
  })

  test('a reader that is slower holds the sender back, both ways', async () => {
    const total = 128 * MIB
    const chunk = Buffer.alloc(1 << 16, 0x61)
    // three TCP connections, each with the buffers of the system, and the windows of two nodes
    const bound = 64 * MIB
    const pour = async (socket: Socket, sent: { bytes: number }): Promise<void> => {
      for (; sent.bytes < total; sent.bytes += chunk.byteLength) {
        if (!socket.write(chunk)) await once(socket, 'drain')
      }
      socket.end()
    }
    const sip = async (socket: Socket, sent: { bytes: number }): Promise<void> => {
      let read = 0
      for await (const part of socket.iterator({ destroyOnReturn: false })) {
        read += (part as Buffer).byteLength
        assert.ok(sent.bytes - read < bound, `${sent.bytes - read} bytes are under way`)
        await new Promise(setImmediate)
      }
      assert.equal(read, total)
    }
    const down = { bytes: 0 }
    const up = { bytes: 0 }
    const read = Promise.withResolvers<void>()
    await using both = await service(socket => {
      void pour(socket, down)
      sip(socket, up).then(read.resolve, read.reject)
    })
    await using it = await tunnel(both.place)
    const client = await it.connect()
    await Promise.all([pour(client, up), sip(client, down), read.promise])
  })

  test('when the peer is away a new connection waits until it is back, and one that was open is reset', async () => {
    const identity = join(folder, 'far.key')
    await generateKeyFile(identity)
    await using echoing = await service(echo)
    await using it = await tunnel(echoing.place, { far: { identity } })
    const open = await it.connect()
    open.write('hello')
    await once(open, 'data')
    const addr = one(it.far.said, 'listen.ready').addrs[0]!.replace(/\/p2p\/.*/, '')
    const broken = readAll(open)
    await it.far.stop()
    assert.equal(await broken, 'ECONNRESET')
    await it.near.next('connection.close')
    const { code } = await it.near.next('forward.retry')
    assert.equal(code, 'connection_refused')
    const waiting = await it.connect()
    waiting.end('are you back?')
    await using _ = begin(listen, {
      ...{ maxMessage: 1, protocol: PROTOCOL, forward: echoing.place },
      ...{ identity, listen: [addr] }
    })
    assert.equal(String(await readAll(waiting)), 'are you back?')
    const again = (await it.near.next('connection.open')) && (await it.near.next('connection.open'))
    assert.equal(again.direction, 'outbound')
  })

  test('when the peer stays away a new connection is reset, and the reason is said', async () => {
    await using echoing = await service(echo)
    await using it = await tunnel(echoing.place, { near: { timeout: 1000 } })
    await it.far.stop()
    await it.near.next('forward.retry')
    assert.equal(await readAll(await it.connect()), 'ECONNRESET')
    const { code, message } = await it.near.next('forward.refused')
    assert.equal(code, 'io_timeout')
    assert.match(message, /^no stream within 1 s: cannot dial .*: connection refused$/)
  })

  test('a peer that goes without a word is found out, and connected to again once it is back', async () => {
    await using echoing = await service(echo)
    await using far = startBinary([
      ...['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'],
      ...['--protocol', PROTOCOL, '--forward', echoing.place]
    ])
    const [target = ''] = (await far.next('listen.ready')).addrs
    await using near = begin(forward, { target, local: '0', protocol: PROTOCOL, timeout: 2000 })
    const port = Number((await near.next('forward.ready')).local_addr.split(':')[1])
    await near.next('connection.open')
    far.child.kill('SIGSTOP')
    assert.equal(await readAll(await connectTo(port)), 'ECONNRESET')
    assert.match((await near.next('forward.refused')).message, /^no stream within 2 s/)
    await near.next('connection.close')
    far.child.kill('SIGCONT')
    await near.next('connection.open')
    const socket = await connectTo(port)
    socket.end('hello')
    assert.equal(String(await readAll(socket)), 'hello')
  })

  test('another peer at the same address is not taken for the first one', async () => {
    await using echoing = await service(echo)
    const far = begin(listen, { maxMessage: 1, listen: ['/ip4/127.0.0.1/tcp/0'], protocol: PROTOCOL, forward: '1' })
    const bare = (await far.next('listen.ready')).addrs[0]!.replace(/\/p2p\/.*/, '')
    await using near = begin(forward, { target: bare, local: '0', protocol: PROTOCOL, timeout: 10_000 })
    await near.next('forward.ready')
    await far.stop()
    await using _ = begin(listen, { maxMessage: 1, listen: [bare], protocol: PROTOCOL, forward: echoing.place })
    await near.next('forward.retry', ({ code }) => code === 'peer_id_mismatch')
  })

  test('a peer that does not forward the protocol is exit 6, and no stream is opened to find out', async () => {
    await using node = await plainNode()
    const said = await collect(forward, { target: addrOf(node), local: '0', protocol: PROTOCOL, timeout: 10_000 })
    assert.deepEqual([one(said, 'error').code, one(said, 'run.summary').exit_code], ['protocol_not_supported', 6])
    assert.equal(only(said, 'forward.ready').length, 0)
  })

  test('an address that is taken, or is none of this machine, is a local failure', async () => {
    await using taken = await service(echo)
    for (const [local, code] of [
      [taken.place, 'address_in_use'],
      ['203.0.113.7:0', 'address_not_available'],
      // too long for a name: nobody is asked for it
      [`${'x'.repeat(64)}.example:0`, 'address_not_available'],
      [join(folder, 'none/x.sock'), 'address_not_available']
    ] as const) {
      const said = await collect(forward, { target: '/ip4/127.0.0.1/tcp/1', local, protocol: PROTOCOL, timeout: 1000 })
      assert.deepEqual([one(said, 'error').code, one(said, 'run.summary').exit_code], [code, 3])
    }
  })

  test('socket files at both ends; the near one is for its owner alone, and goes with it', async () => {
    const inner = join(folder, 'inner.sock')
    const outer = join(folder, 'outer.sock')
    const server = createServer((_, answer) => answer.end('hello'))
    server.listen(inner)
    await once(server, 'listening')
    await using far = begin(listen, {
      ...{ maxMessage: 1, listen: ['/ip4/127.0.0.1/tcp/0'], protocol: PROTOCOL, forward: inner }
    })
    const [target = ''] = (await far.next('listen.ready')).addrs
    const near = begin(forward, { target, local: outer, protocol: PROTOCOL, timeout: 10_000 })
    assert.equal((await near.next('forward.ready')).local_addr, outer)
    assert.equal(statSync(outer).mode & 0o777, 0o600)
    const asking = request({ socketPath: outer, agent: false })
    asking.end()
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    assert.equal(String(await bodyOf(answer)), 'hello')
    assert.equal((await near.next('stream.open')).tcp_addr, null)
    await near.stop()
    assert.equal(existsSync(outer), false)
    server.close()
  })

  test('the binary: a ready file, --exit-after, and a stop that resets what is open and is no failure', async () => {
    await using echoing = await service(echo)
    await using far = startBinary([
      ...['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'],
      ...['--protocol', PROTOCOL, '--forward', echoing.place]
    ])
    const [target = ''] = (await far.next('listen.ready')).addrs
    const file = join(folder, 'ready.json')
    const args = ['forward', target, '--local', '0', '--protocol', PROTOCOL, '--json', '--ready-file', file]
    await using once_ = startBinary([...args, '--exit-after', '1'])
    await appears(file)
    const { pid, local_addr } = JSON.parse(readFileSync(file, 'utf8'))
    assert.equal(pid, once_.child.pid)
    const socket = await connectTo(Number(local_addr.split(':')[1]))
    socket.end('hello')
    assert.equal(String(await readAll(socket)), 'hello')
    const result = await once_.done
    ended(result, 0, 'complete')
    assert.equal(one(result.events, 'run.summary').connections, 1)
    assert.equal(existsSync(file), false)

    await using running = startBinary(args)
    const { local_addr: again } = await running.next('forward.ready')
    const open = await connectTo(Number(again.split(':')[1]))
    open.write('hello')
    await once(open, 'data')
    const reset = readAll(open)
    ended(await running.stop(), 0, 'interrupted')
    assert.equal(await reset, 'ECONNRESET')
    ended(await runBinary([...args, '--for', '100ms']), 0, 'complete')
  })

  test('what makes no sense is refused before anything is dialed', async () => {
    const target = '/ip4/127.0.0.1/tcp/1'
    const cases: Partial<Options>[] = [
      { protocol: PROTOCOL },
      { local: '0' },
      ...['70000', ':80', 'a b:1', '::1:80', '[x]:1', 'host', '/ip4/127.0.0.1/tcp/80', ''].map(local => ({
        local,
        protocol: PROTOCOL
      }))
    ]
    for (const options of cases) {
      const failure = await failureOf(collect(forward, { target, timeout: 1000, ...options }))
      assert.equal(failure.code, 'invalid_option', JSON.stringify(options))
    }
    for (const [words, sentence] of [
      [['--forward', '80'], /--forward needs --protocol ID/],
      [['--protocol', '/x/a', '--forward', '80', '--echo'], /choose one/],
      [['--protocol', '/x/a', '--forward', 'nowhere'], /is no address of a TCP port/]
    ] as const) {
      const { code, stderr } = await runBinary(['listen', ...words])
      assert.equal(code, 2)
      assert.match(stderr, sentence)
    }
  })

  test('a slot goes to whoever waits longest, and the line has an end', async () => {
    const { signal } = new AbortController()
    const slots = createSlots(1, 2)
    const leave = await slots.take(signal)
    const left = new AbortController()
    const impatient = slots.take(left.signal)
    const patientOne = slots.take(signal)
    assert.equal(slots.full, true)
    left.abort(new Error('gone'))
    await assert.rejects(impatient, { message: 'gone' })
    assert.equal(slots.full, false)
    leave()
    leave()
    const next = slots.take(signal)
    const leaveToo = await patientOne
    leaveToo()
    await next
  })

  test('places are read and written', () => {
    for (const [text, written = text] of [
      ['5432', '127.0.0.1:5432'],
      ['localhost:80'],
      ['[::1]:80'],
      ['0.0.0.0:0'],
      ['/run/a.sock'],
      ['./a.sock', join(process.cwd(), 'a.sock')]
    ] as const) {
      assert.equal(placeText(parsePlace(text, '--local')), written)
    }
    assert.throws(() => parsePlace('x', '--local'), Failure)
  })
})
