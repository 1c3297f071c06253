import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { echo } from '@libp2p/echo'
import { one, only } from './helpers/collect.ts'
import { run, type Running, start } from './helpers/cli.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { frame } from '../src/protocols/framing.ts'
import { streamReader, write } from '../src/protocols/stream.ts'
import { hexRows } from '../src/raw.ts'
import type { Stream } from '@libp2p/interface'

const PROTOCOL = '/test/1.0.0'
const raw = (addr: string, ...more: string[]): string[] => ['send', addr, '--protocol', PROTOCOL, '--raw', ...more]

/** A plain node that does with each stream as it is told. */
async function peer(onStream: (stream: Stream) => unknown) {
  const node = await plainNode()
  await node.handle(PROTOCOL, stream => void onStream(stream), { maxInboundStreams: 100 })
  return Object.assign(node, { addr: addrOf(node) })
}

async function listener(...args: string[]): Promise<Running & { addr: string }> {
  const file = join(mkdtempSync(join(tmpdir(), 'p2pctl-raw-')), 'ready.json')
  const running = start([
    ...['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--ready-file', file, '--protocol', PROTOCOL],
    ...args
  ])
  // with --raw there are no events on stdout, so what it says on stderr tells that it is ready
  if (!args.includes('--json')) while (!existsSync(file)) await new Promise(resolve => setImmediate(resolve))
  else await running.next('listen.ready')
  return Object.assign(running, { addr: JSON.parse(readFileSync(file, 'utf8')).addrs[0] as string })
}

test('--raw talks to the echo of a plain js-libp2p node', async () => {
  await using node = await plainNode({ services: { echo: echo() } })
  const stdin = `${randomBytes(300_000).toString('base64')}\n`
  const { code, stdout, stderr } = await run(['send', addrOf(node), '--protocol', '/echo/1.0.0', '--raw'], { stdin })
  assert.equal(code, 0, stderr)
  assert.equal(stdout, stdin)
  assert.equal(stderr, '')
})

test('the end of stdin half-closes, and what the peer says after it still comes', async () => {
  await using it = await peer(async stream => {
    const reader = streamReader(stream)
    let bytes = 0
    for (let some = await reader.readSome(); some !== null; some = await reader.readSome()) bytes += some.byteLength
    await write(stream, Buffer.from(`${bytes} bytes came\n`))
    await stream.close()
  })
  const { code, stdout } = await run(raw(it.addr), { stdin: 'hello' })
  assert.equal(code, 0)
  assert.equal(stdout, '5 bytes came\n')
})

test('it ends when the peer ends, though stdin is open', async () => {
  await using it = await peer(async stream => {
    await write(stream, Buffer.from('bye\n'))
    await stream.close()
  })
  const { code, stdout } = await run(raw(it.addr), { stdin: null })
  assert.equal(code, 0)
  assert.equal(stdout, 'bye\n')
})

test('a peer that resets is a failure, after what it has said', async () => {
  await using it = await peer(async stream => {
    const reader = streamReader(stream)
    await write(stream, Buffer.from('almost\n'))
    // when this has come, so has that
    await reader.readExactly(5)
    stream.abort(new Error('no'))
  })
  await using running = start(raw(it.addr), { stdin: null })
  const [first] = (await once(running.child.stdout!, 'data')) as [string]
  assert.equal(first, 'almost\n')
  running.child.stdin!.write('hello')
  const { code, stderr } = await running.done
  assert.equal(code, 1)
  assert.match(stderr, /reset the stream\n/)
  assert.match(stderr, /code {3}stream_reset/)
})

test('a protocol that the peer does not speak is exit 6', async () => {
  await using node = await plainNode()
  const { code, stderr } = await run(['send', addrOf(node), '--protocol', '/none/1.0.0', '--raw'])
  assert.equal(code, 6)
  assert.match(stderr, /does not speak \/none\/1\.0\.0\n/)
})

test('--lp puts each line behind its length, and takes frames apart', async () => {
  const frames: string[] = []
  await using it = await peer(async stream => {
    const reader = streamReader(stream, { maxFrameBytes: 1 << 20 })
    for (let next = await reader.read(); next !== null; next = await reader.read()) {
      frames.push(Buffer.from(next).toString())
    }
    // in two pieces, so that a frame is not what comes at once
    const answer = Buffer.concat([
      frame(Buffer.from('one')),
      frame(Buffer.from('')),
      frame(Buffer.from('x'.repeat(200)))
    ])
    await write(stream, answer.subarray(0, 6))
    await write(stream, answer.subarray(6))
    await stream.close()
  })
  const { code, stdout } = await run(raw(it.addr, '--lp'), { stdin: `hello\n\n${'y'.repeat(100_000)}\nlast` })
  assert.equal(code, 0)
  assert.deepEqual(frames, ['hello', '', 'y'.repeat(100_000), 'last'])
  assert.equal(stdout, `one\n\n${'x'.repeat(200)}\n`)
})

test('--lp with a peer that sends no frames is a failure', async () => {
  await using it = await peer(async stream => {
    await write(stream, new Uint8Array(20).fill(0xff))
    await stream.close()
  })
  const { code, stderr } = await run(raw(it.addr, '--lp'), { stdin: null })
  assert.equal(code, 6)
  assert.match(stderr, /not length-prefixed/)
})

test('--lp refuses a line that no frame can hold', async () => {
  await using it = await peer(() => {})
  const { code, stderr } = await run(raw(it.addr, '--lp'), { stdin: 'x'.repeat(2_000_000) })
  assert.equal(code, 1)
  assert.match(stderr, /a line on stdin is longer than a frame/)
})

test('--hex shows what comes in rows', async () => {
  await using it = await peer(async stream => {
    await write(stream, Buffer.from('hello\x1b[2J\n'))
    await stream.close()
  })
  const { stdout } = await run(raw(it.addr, '--hex'), { stdin: null })
  assert.equal(stdout, '00000000  68 65 6c 6c 6f 1b 5b 32 4a 0a                    hello.[2J.\n')
  assert.equal(hexRows(new Uint8Array(17), 16).split('\n')[1], `00000020  00${' '.repeat(45)}  .`)
})

test('listen --raw is the other side: nothing is lost of either, and both end', async () => {
  await using it = await listener('--raw')
  const stdin = `${randomBytes(2_000_000).toString('base64')}\n`
  const sent = await run(raw(it.addr), { stdin })
  assert.equal(sent.code, 0, sent.stderr)
  const { code, stdout, stderr } = await it.done
  assert.equal(code, 0, stderr)
  assert.equal(stdout, stdin)
  assert.match(stderr, /listening as/)
})

test('listen --echo gives back what comes, to several at once', async () => {
  await using it = await listener('--echo', '--json')
  const texts = ['one', 'two', 'three'].map(text => `${text.repeat(50_000)}\n`)
  const results = await Promise.all(texts.map(stdin => run(raw(it.addr), { stdin })))
  for (const [index, { code, stdout }] of results.entries()) {
    assert.equal(code, 0)
    assert.equal(stdout, texts[index])
  }
  const { events } = await it.stop()
  const closed = only(events, 'stream.close')
  assert.deepEqual(closed.map(({ in_bytes }) => in_bytes).sort(), texts.map(text => text.length).sort())
  for (const { in_bytes, out_bytes, error } of closed) {
    assert.equal(in_bytes, out_bytes)
    assert.equal(error, null)
  }
})

test('listen --exec joins a process with each stream, and tells how it ended', async () => {
  await using it = await listener('--exec', 'sha256sum; echo $P2PCTL_PEER_ID; exit 3', '--json')
  const stdin = randomBytes(3_000_000)
  const { code, stdout } = await run(raw(it.addr), { stdin })
  assert.equal(code, 0)
  const { peer_id, exit_code, in_bytes, error } = await it.next('stream.close')
  assert.equal(stdout, `${createHash('sha256').update(stdin).digest('hex')}  -\n${peer_id}\n`)
  assert.equal(exit_code, 3)
  assert.equal(in_bytes, 3_000_000)
  assert.equal(error, null)
})

test('a process of --exec does not outlive its stream, nor does what it has started', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'p2pctl-raw-')), 'pids')
  writeFileSync(file, '')
  await using it = await listener('--exec', `sleep 1000 & echo $$ $! > ${file}; echo ready; cat; wait`, '--json')
  await using node = await plainNode({ listen: [] })
  const { multiaddr } = await import('@multiformats/multiaddr')
  const connection = await node.dial(multiaddr(it.addr))
  const stream = await connection.newStream(PROTOCOL)
  assert.ok(await streamReader(stream).readExactly(6))
  const pids = readFileSync(file, 'utf8').trim().split(' ').map(Number)
  assert.equal(pids.length, 2)
  stream.abort(new Error('gone'))
  assert.notEqual((await it.next('stream.close')).error, null)
  for (const pid of pids) while (alive(pid)) await new Promise(resolve => setImmediate(resolve))
})

test('what is stopped takes its processes with it', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'p2pctl-raw-')), 'pid')
  await using it = await listener('--exec', `echo $$ > ${file}; echo ready; sleep 1000`, '--json')
  await using sender = start(raw(it.addr), { stdin: null })
  await once(sender.child.stdout!, 'data')
  const pid = Number(readFileSync(file, 'utf8'))
  const { code, events } = await it.stop()
  assert.equal(code, 0)
  assert.equal(one(events, 'run.summary').ok, true)
  while (alive(pid)) await new Promise(resolve => setImmediate(resolve))
})

/** Whether a process is there; one that has ended and was not yet asked for is not. */
function alive(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

test('listen --raw is stopped in the middle in good order, and the other side is told', async () => {
  const file = join(mkdtempSync(join(tmpdir(), 'p2pctl-raw-')), 'ready.json')
  const args = ['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--ready-file', file, '--protocol', PROTOCOL, '--raw']
  await using it = start(args, { stdin: null })
  while (!existsSync(file)) await new Promise(resolve => setImmediate(resolve))
  const { addrs } = JSON.parse(readFileSync(file, 'utf8')) as { addrs: string[] }
  await using sender = start(raw(addrs[0]!), { stdin: null })
  sender.child.stdin!.write('hello\n')
  await once(it.child.stdout!, 'data')
  const { code, stdout, stderr } = await it.stop('SIGINT')
  assert.equal(code, 0, stderr)
  assert.equal(stdout, 'hello\n')
  assert.equal((await sender.done).code, 1)
})

test('a slow reader of stdout holds the peer back, and not its bytes', {
  skip: process.platform !== 'linux'
}, async () => {
  const total = 200_000_000
  await using it = await peer(async stream => {
    const chunk = new Uint8Array(1_000_000)
    for (let sent = 0; sent < total; sent += chunk.byteLength) await write(stream, chunk)
    await stream.close()
  })
  await using sender = start(raw(it.addr), { stdin: null })
  const { stdout, pid } = sender.child
  // as a stream of its own, and not by the lines that the helper keeps
  stdout!.removeAllListeners('data')
  let bytes = 0
  let peakMiB = 0
  for await (const chunk of stdout!) {
    bytes += Buffer.byteLength(chunk)
    for (let turn = 0; turn < 5; turn++) await new Promise(resolve => setImmediate(resolve))
    if (bytes < total) peakMiB = Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
  }
  assert.equal(bytes, total)
  assert.equal((await sender.done).code, 0)
  assert.ok(peakMiB < 280, `it held ${peakMiB} MiB`)
})

test('nonsense is refused with exit 2 before it listens', async () => {
  const cases = [
    ['--raw'],
    ['--echo'],
    ['--exec', 'cat'],
    ['--protocol', PROTOCOL],
    ['--protocol', PROTOCOL, '--raw', '--echo'],
    ['--protocol', PROTOCOL, '--raw', '--json'],
    ['--protocol', PROTOCOL, '--echo', '--lp'],
    ['--protocol', 'x', '--echo'],
    ['--protocol', '/ipfs/ping/1.0.0', '--echo']
  ]
  for (const args of cases) {
    const { code, stderr } = await run(['listen', '-l', '/ip4/127.0.0.1/tcp/0', ...args])
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
  }
})
