import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  truncateSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { only } from './helpers/collect.ts'
import { type Running, run, start } from './helpers/cli.ts'
import { addrOf, plainNode } from './helpers/plain-node.ts'
import { receiveItems, SEND_PROTOCOL, sendHandlerOptions } from '../src/protocols/send.ts'

const tmp = (): string => mkdtempSync(join(tmpdir(), 'p2pctl-files-'))
const sha256 = (path: string): string => createHash('sha256').update(readFileSync(path)).digest('hex')

/** A listener that takes files, and its address. */
async function receiver(dir: string, ...more: string[]): Promise<Running & { addr: string }> {
  const listener = start(['listen', '--json', '-l', '/ip4/127.0.0.1/tcp/0', '--recv', dir, ...more])
  const { addrs } = await listener.next('listen.ready')
  return Object.assign(listener, { addr: addrs[0]! })
}

/** The most memory that a process has held, in MiB. */
function peakOf(pid: number): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024
}

test('a folder and a file make the trip with their hashes, and links are left out', async () => {
  const from = tmp()
  const to = tmp()
  mkdirSync(join(from, 'photos/2026/empty'), { recursive: true })
  writeFileSync(join(from, 'photos/a.jpg'), randomBytes(1_500_000))
  writeFileSync(join(from, 'photos/2026/ü b.jpg'), randomBytes(100))
  writeFileSync(join(from, 'photos/2026/.note'), '')
  symlinkSync('a.jpg', join(from, 'photos/link'))
  writeFileSync(join(from, 'readme'), 'read me')
  await using listener = await receiver(to)
  const sent = await run(['send', '--json', listener.addr, '-f', 'photos', 'readme'], { cwd: from })
  assert.equal(sent.code, 0, sent.stderr)
  const names = ['photos/2026/.note', 'photos/2026/ü b.jpg', 'photos/a.jpg', 'readme']
  const done = only(sent.events, 'send.done')
  assert.deepEqual(
    done.map(({ name }) => name),
    names
  )
  for (const { name, sha256: hash, confirmed } of done) {
    assert.ok(confirmed)
    assert.equal(hash, sha256(join(to, name!)))
    assert.equal(hash, sha256(join(from, name!)))
    assert.equal((await listener.next('file.received')).sha256, hash)
  }
  assert.deepEqual(
    only(sent.events, 'send.skip').map(({ path, reason }) => [path, reason]),
    [[join('photos', 'link'), 'link']]
  )
  const [summary] = only(sent.events, 'run.summary')
  assert.equal(summary!.sent, 4)
  assert.equal(summary!.received, 4)
  assert.equal((await listener.stop()).code, 0)
})

test('stdin is sent as a file of any name, larger than a message may be', async () => {
  const to = tmp()
  await using listener = await receiver(to)
  const bytes = randomBytes(3_000_000)
  const args = ['send', listener.addr, '-f', '-', '--name', 'a/dump.bin']
  const sent = await run(args, { stdin: bytes })
  assert.equal(sent.code, 0, sent.stderr)
  assert.match(sent.stdout, /^sent a\/dump\.bin, 2\.9 MiB in .*, confirmed by the receiver\n$/)
  assert.equal(Buffer.compare(readFileSync(join(to, 'a/dump.bin')), bytes), 0)
})

test('one file of several that is refused is named, the others arrive, and the exit code is 1', async () => {
  const from = tmp()
  const to = tmp()
  for (const name of ['a', 'b', 'c']) writeFileSync(join(from, name), name)
  writeFileSync(join(to, 'b'), 'mine')
  await using listener = await receiver(to)
  const sent = await run(['send', '--json', listener.addr, '-f', 'a', 'b', 'c'], { cwd: from })
  assert.equal(sent.code, 1)
  const [error, ...others] = only(sent.events, 'error')
  assert.deepEqual(others, [])
  assert.equal(error!.code, 'file_exists')
  assert.match(error!.message, /^b: /)
  assert.deepEqual(readdirSync(to).sort(), ['a', 'b', 'c'])
  assert.equal(readFileSync(join(to, 'b'), 'utf8'), 'mine')
  assert.equal((await listener.next('file.refused')).name, 'b')
  // with --resume what is there already counts, and only what differs does not
  const again = await run(['send', '--json', listener.addr, '-f', 'a', 'c', '--resume'], { cwd: from })
  assert.equal(again.code, 0)
})

test('a transfer that was cut off is resumed by another run', async () => {
  const from = tmp()
  const to = tmp()
  const path = join(from, 'big.bin')
  writeFileSync(path, randomBytes(8_000_000))
  truncateSync(path, 200_000_000)
  await using listener = await receiver(to, '--max-file', '1GiB')
  const cut = start(['send', '--json', listener.addr, '-f', path, '--resume'])
  await cut.next('send.progress')
  await cut.stop('SIGKILL')
  assert.equal((await listener.next('file.refused')).reason, 'it did not come whole')
  assert.equal(existsSync(join(to, 'big.bin')), false)
  const sent = await run(['send', '--json', listener.addr, '-f', path, '--resume'])
  assert.equal(sent.code, 0, sent.stdout)
  const [done] = only(sent.events, 'send.done')
  assert.ok(done!.resumed_bytes! > 0)
  assert.equal(done!.bytes, 200_000_000)
  assert.equal(sha256(join(to, 'big.bin')), sha256(path))
  assert.deepEqual(readdirSync(to), ['big.bin'])
})

test('a file that is larger than what a relay lets through arrives in several runs', async () => {
  const from = tmp()
  const to = tmp()
  const path = join(from, 'mid.bin')
  writeFileSync(path, randomBytes(300_000))
  await using relay = start(['relay', '--json', '-l', '/ip4/127.0.0.1/tcp/0'])
  const { addrs } = await relay.next('listen.ready')
  await using listener = start(['listen', '--json', '--circuit', addrs[0]!, '--recv', to])
  const [addr] = (await listener.next('listen.ready')).addrs
  let runs = 1
  while ((await run(['send', addr!, '-f', path, '--resume'])).code !== 0) {
    await listener.next('file.refused')
    runs++
    assert.ok(runs < 10)
  }
  assert.ok(runs > 1)
  assert.equal(sha256(join(to, 'mid.bin')), sha256(path))
})

test('a receiver that is stopped in the middle keeps nothing of a file that cannot be resumed', async () => {
  const from = tmp()
  const to = tmp()
  const path = join(from, 'big.bin')
  writeFileSync(path, '')
  truncateSync(path, 2_000_000_000)
  await using listener = await receiver(to, '--max-file', '10GiB', '--max-total', '10GiB')
  await using sender = start(['send', '--json', listener.addr, '-f', path])
  await sender.next('send.progress')
  assert.equal((await listener.stop()).code, 0)
  assert.equal((await sender.done).code, 1)
  assert.deepEqual(readdirSync(to), [])
})

test('200 MB pass in bounded memory, to a receiver that is slow', { skip: process.platform !== 'linux' }, async () => {
  const path = join(tmp(), 'big.bin')
  writeFileSync(path, '')
  truncateSync(path, 200_000_000)
  {
    await using listener = await receiver(tmp(), '--max-file', '1GiB')
    assert.equal((await run(['send', listener.addr, '-f', path])).code, 0)
    assert.ok(peakOf(listener.child.pid!) < MEMORY_MIB, `the receiver held ${peakOf(listener.child.pid!)} MiB`)
  }
  await using node = await plainNode()
  let peak = 0
  let taken = 0
  let sender: Running | undefined
  const onFile = async () => ({
    offset: 0,
    maxBytes: Number.MAX_SAFE_INTEGER,
    write: async (data: Uint8Array) => {
      taken += data.byteLength
      // a sender that does not wait would have read all of it by now
      for (let turn = 0; turn < 20; turn++) await new Promise(resolve => setImmediate(resolve))
      peak = peakOf(sender!.child.pid!)
    },
    keep: async () => {},
    drop: async () => {}
  })
  const handler = receiveItems({ maxMessageBytes: 1, onMessage: async () => {}, onFile })
  await node.handle(SEND_PROTOCOL, handler, sendHandlerOptions)
  sender = start(['send', '--json', addrOf(node), '-f', path])
  const { code } = await sender.done
  assert.equal(code, 0)
  assert.equal(taken, 200_000_000)
  assert.ok(peak < MEMORY_MIB, `the sender held ${peak} MiB`)
})

/** Far above what Node and libp2p take by themselves, and below that with the file. */
const MEMORY_MIB = 280

test('nonsense is refused with exit 2, before anything is dialed', async () => {
  const addr = '/ip4/127.0.0.1/tcp/1'
  const dir = tmp()
  mkdirSync(join(dir, 'x'))
  writeFileSync(join(dir, 'x/a'), '')
  writeFileSync(join(dir, 'a'), '')
  const cases = [
    [],
    ['hello', '-f', 'a'],
    ['hello', '--resume'],
    ['hello', '--name', 'x'],
    ['-f', 'a', 'x/a'],
    ['-f', 'a', 'x', '--name', 'y'],
    ['-f', 'x', '--name', 'y'],
    ['-f', '-', '--resume'],
    ['-f', '-', '-'],
    ['hello', '--protocol', '/x'],
    ['hello', '--raw', '--protocol', '/x'],
    ['--raw'],
    ['--raw', '--protocol', '/x', '-f', 'a'],
    ['--raw', '--protocol', 'x'],
    ['hello', '--lp'],
    ['hello', '--hex']
  ]
  for (const args of cases) {
    const { code, stderr } = await run(['send', addr, ...args], { cwd: dir })
    assert.equal(code, 2, `${args.join(' ')}: ${stderr}`)
  }
  const { code, events } = await run(['send', addr, '--raw', '--protocol', '/x', '--json'])
  assert.equal(code, 2)
  assert.equal(only(events, 'error')[0]!.code, 'invalid_option')
  const missing = await run(['send', addr, '-f', 'none'], { cwd: dir })
  assert.equal(missing.code, 3)
  assert.match(missing.stderr, /cannot send none: there is no such file/)
})

test('listen --recv with a folder that is not there is exit 3, before it listens', async () => {
  const { code, events } = await run(['listen', '--json', '--recv', join(tmp(), 'none')])
  assert.equal(code, 3)
  assert.equal(only(events, 'error')[0]!.code, 'file_unwritable')
  assert.deepEqual(only(events, 'listen.ready'), [])
  assert.equal((await run(['listen', '--overwrite'])).code, 2)
  assert.equal((await run(['listen', '--recv', tmp(), '--overwrite', '--rename'])).code, 2)
})
