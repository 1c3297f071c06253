import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  statfsSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  bytesOf,
  chunks,
  connected,
  data,
  end,
  exchange,
  failed,
  hello,
  hex,
  send,
  sha256
} from './helpers/send-peers.ts'
import { failureOf } from './helpers/collect.ts'
import { defaultOf } from './helpers/limits.ts'
import { type InboxOptions, openInbox } from '../src/inbox.ts'
import { numbered } from '../src/names.ts'
import { encodeSenderFrame, KIND, STATUS } from '../src/protocols/send-frames.ts'
import { type Item, receiveItems, SEND_PROTOCOL } from '../src/protocols/send.ts'
import { streamReader, write } from '../src/protocols/stream.ts'
import type { Event } from '../src/events.ts'

type Told = Event<'file.received' | 'file.refused'>

const tmp = (): string => mkdtempSync(join(tmpdir(), 'p2pctl-inbox-'))
const file = (name: string, bytes: Uint8Array = hello, size: number | null = bytes.byteLength): Item => ({
  kind: 'file',
  name,
  size,
  source: chunks(bytes)
})
const resumable = (name: string, bytes: Uint8Array): Item => ({ ...file(name, bytes), sha256: sha256(bytes) })
const offerOf = (name: string, size?: number): Uint8Array =>
  encodeSenderFrame({ offer: { kind: KIND.FILE, name, size } })

/** Two nodes, one of which takes files into a new folder. */
async function withInbox(options: Partial<InboxOptions> = {}) {
  const dir = options.dir ?? tmp()
  const told: Told[] = []
  const waiting = new Set<() => void>()
  const said = async (event: Told): Promise<void> => {
    told.push(event)
    for (const wake of waiting) wake()
  }
  const inbox = await openInbox({ maxFile: 2 ** 30, maxTotal: 2 ** 31, keepFree: 0, ...options, dir, said })
  const { onFile } = inbox
  const peers = await connected(
    receiveItems({ maxMessageBytes: 1000, onMessage: async () => {}, onFile, maxItemsOfPeer: 1000, maxItems: 1000 })
  )
  const next = async (type: Told['type']): Promise<Told> => {
    for (;;) {
      const at = told.findIndex(event => event.type === type)
      if (at >= 0) return told.splice(at, 1)[0]!
      await new Promise<void>(resolve => waiting.add(resolve))
    }
  }
  return Object.assign(peers, { dir, told, next, inbox })
}

/** Every path below a folder. */
const below = (dir: string): string[] => readdirSync(dir, { recursive: true }).map(String).sort()

test('a file arrives whole, readable by its owner alone, and is told with its hash', async () => {
  await using it = await withInbox()
  const bytes = new Uint8Array(randomBytes(3_000_001))
  const { done } = await send(it.connection, file('a.bin', bytes))
  assert.equal(done.name, 'a.bin')
  assert.deepEqual(below(it.dir), ['a.bin'])
  assert.equal(Buffer.compare(readFileSync(join(it.dir, 'a.bin')), bytes), 0)
  assert.equal(lstatSync(join(it.dir, 'a.bin')).mode & 0o777, 0o600)
  const event = await it.next('file.received')
  assert.ok(event.type === 'file.received')
  assert.equal(event.path, join(it.dir, 'a.bin'))
  assert.equal(event.bytes, bytes.byteLength)
  assert.equal(event.sha256, hex(sha256(bytes)))
})

test('an empty file arrives, of known size and of unknown, and one in folders that were not there', async () => {
  await using it = await withInbox()
  await send(it.connection, file('empty', new Uint8Array(0)))
  await send(it.connection, file('a/b/c.txt', hello, null))
  await send(it.connection, file('a/b/d.txt'))
  assert.deepEqual(below(it.dir), ['a', 'a/b', 'a/b/c.txt', 'a/b/d.txt', 'empty'])
})

const hostile = [
  '', '.', '..', '...', '../x', 'a/../../x', 'a/../x', 'a/./x', '/etc/x', '//x', 'a//x', 'a/', '/',
  '..\\x', 'a\\x', 'C:x', 'C:\\x', 'x:stream', 'CON', 'con.txt', 'NUL', 'COM1', 'a/LPT9.log', 'a\0b', 'a\nb', 'a\x1b[2Jb',
  'a\x7fb', 'a\u0085b', 'a\u202egpj.exe', 'a\u2028b', 'a\u200fb', 'x'.repeat(300), 'é'.repeat(128), `${'d/'.repeat(40)}x`,
  '-rf', 'a/-rf', 'dot.', 'space ', 'a./b', '.ssh/authorized_keys', '.bashrc', '.p2pctl-x.part', 'a/.p2pctl-1.part', 'a*b', 'a?b', '\ufffd'
] // biome-ignore format: a list of names

test('a hostile name is refused, and makes nothing', async () => {
  const outer = tmp()
  const dir = join(outer, 'in')
  mkdirSync(dir)
  await using it = await withInbox({ dir })
  for (const name of hostile) {
    const receipt = await exchange(it.connection, offerOf(name, 5), data(hello), end(hello))
    assert.equal(receipt.status, STATUS.REFUSED, JSON.stringify(name))
    assert.notEqual(receipt.detail, '')
    assert.equal((await it.next('file.refused')).name, name)
  }
  assert.deepEqual(below(outer), ['in'])
})

test('a name with bytes that are not Unicode is refused, and one of 1025 bytes is not read', async () => {
  await using it = await withInbox()
  // "a", 0xff, "b" where the name stands
  const frame = Uint8Array.of(11, 0x0a, 9, 8, 2, 0x12, 3, 0x61, 0xff, 0x62, 0x18, 5)
  assert.equal((await exchange(it.connection, frame, data(hello), end(hello))).status, STATUS.REFUSED)
  assert.equal((await exchange(it.connection, offerOf('x'.repeat(1025), 5))).status, STATUS.MALFORMED)
  assert.deepEqual(below(it.dir), [])
})

test('names that are unusual and harmless are taken', async () => {
  await using it = await withInbox()
  const names = ['grüße 2026.txt', '👩‍💻.txt', 'a b/c,d;e(f)[g]{h}', "it's", 'sub/.hidden', '$(id)', 'x'.repeat(240)]
  for (const name of names) await send(it.connection, file(name))
  for (const name of names) assert.ok(existsSync(join(it.dir, name)), name)
})

test('a file that is there stays as it is, unless it may be replaced or the new one renamed', async () => {
  const dir = tmp()
  const old = 'what was there'
  writeFileSync(join(dir, 'a.txt'), old)
  {
    await using it = await withInbox({ dir })
    const failure = await failed(send(it.connection, file('a.txt')), 'file_exists')
    assert.equal(failure.exitCode, 1)
    assert.equal(readFileSync(join(dir, 'a.txt'), 'utf8'), old)
  }
  {
    await using it = await withInbox({ dir, rename: true })
    await send(it.connection, file('a.txt'))
    await send(it.connection, file('a.txt'))
    assert.deepEqual(below(dir), ['a-1.txt', 'a-2.txt', 'a.txt'])
    assert.equal(readFileSync(join(dir, 'a.txt'), 'utf8'), old)
  }
  {
    await using it = await withInbox({ dir, overwrite: true })
    await send(it.connection, file('a.txt'))
    assert.equal(readFileSync(join(dir, 'a.txt'), 'utf8'), 'hello')
    mkdirSync(join(dir, 'folder'))
    await failed(send(it.connection, file('folder')), 'file_exists')
    await failed(send(it.connection, file('a.txt/b')), 'receiver_refused')
  }
  assert.deepEqual(below(dir), ['a-1.txt', 'a-2.txt', 'a.txt', 'folder'])
})

test('of two files that come at once under one name, one is kept', async () => {
  await using it = await withInbox()
  const one = Promise.withResolvers<void>()
  const slow: Item = {
    ...file('a.txt'),
    source: (async function* () {
      yield bytesOf('he')
      await one.promise
      yield bytesOf('llo')
    })()
  }
  const sending = send(it.connection, slow)
  await send(it.connection, file('a.txt', bytesOf('the first to end')))
  one.resolve()
  await failed(sending, 'file_exists')
  assert.equal(readFileSync(join(it.dir, 'a.txt'), 'utf8'), 'the first to end')
  assert.deepEqual(below(it.dir), ['a.txt'])
})

test('a link is never followed, neither as the file nor as a folder on the way', async () => {
  const outside = tmp()
  writeFileSync(join(outside, 'secret'), 'secret')
  const dir = tmp()
  symlinkSync(join(outside, 'secret'), join(dir, 'a.txt'))
  symlinkSync(join(outside, 'new'), join(dir, 'dangling'))
  symlinkSync(outside, join(dir, 'sub'))
  {
    await using it = await withInbox({ dir })
    await failed(send(it.connection, file('a.txt')), 'file_exists')
    await failed(send(it.connection, file('dangling')), 'file_exists')
    await failed(send(it.connection, file('sub/x')), 'receiver_refused')
    await failed(send(it.connection, file('sub/deeper/x')), 'receiver_refused')
  }
  {
    await using it = await withInbox({ dir, overwrite: true })
    await send(it.connection, file('a.txt'))
    await failed(send(it.connection, file('sub/secret')), 'receiver_refused')
    // the link itself is replaced, and what it led to is not
    await send(it.connection, file('sub'))
  }
  assert.equal(readFileSync(join(outside, 'secret'), 'utf8'), 'secret')
  assert.deepEqual(below(outside), ['secret'])
  assert.ok(lstatSync(join(dir, 'a.txt')).isFile())
})

test('a folder that is swapped for a link while a file comes leads nowhere', {
  skip: process.platform !== 'linux' && 'needs descriptors of folders'
}, async () => {
  await using it = await withInbox()
  const outside = tmp()
  const begun = Promise.withResolvers<void>()
  const swapped = Promise.withResolvers<void>()
  const item: Item = {
    ...file('sub/a.txt'),
    source: (async function* () {
      yield bytesOf('he')
      begun.resolve()
      await swapped.promise
      yield bytesOf('llo')
    })()
  }
  // so that the folder is there
  await send(it.connection, file('sub/before.txt'))
  const sending = send(it.connection, item)
  await begun.promise
  renameSync(join(it.dir, 'sub'), join(it.dir, 'moved'))
  symlinkSync(outside, join(it.dir, 'sub'))
  swapped.resolve()
  // what it is told depends on how far it had come
  await sending.catch(() => {})
  assert.deepEqual(below(outside), [])
})

test('what is kept to go on with is not opened through a link', async () => {
  await using it = await withInbox()
  const outside = join(tmp(), 'x')
  writeFileSync(outside, 'he')
  symlinkSync(outside, join(it.dir, `.p2pctl-${hex(sha256(hello))}-5.part`))
  await failed(send(it.connection, resumable('a.txt', hello)), 'receiver_refused')
  assert.equal(readFileSync(outside, 'utf8'), 'he')
})

test('a sender that lies about size or hash leaves nothing', async () => {
  await using it = await withInbox()
  const jello = bytesOf('jello')
  assert.equal((await exchange(it.connection, offerOf('a', 4), data(hello), end(hello))).status, STATUS.MALFORMED)
  assert.equal((await exchange(it.connection, offerOf('a', 6), data(hello), end(hello))).status, STATUS.MALFORMED)
  assert.equal((await exchange(it.connection, offerOf('a', 5), data(hello), end(jello))).status, STATUS.HASH_MISMATCH)
  assert.equal((await exchange(it.connection, offerOf('a', 5), data(hello))).status, STATUS.MALFORMED)
  assert.equal((await exchange(it.connection, offerOf('a', 2 ** 40))).status, STATUS.TOO_LARGE)
  assert.deepEqual(below(it.dir), [])
  for (let i = 0; i < 5; i++) await it.next('file.refused')
})

const MAX_FILE = defaultOf('listen', '--max-file')
const MAX_TOTAL = defaultOf('listen', '--max-total')

test('limit --max-file: 100 MiB are taken, and not one byte more', async () => {
  await using it = await withInbox({ maxFile: MAX_FILE })
  // an offer that is taken, of which nothing comes
  assert.equal((await exchange(it.connection, offerOf('a', 104_857_600))).status, STATUS.MALFORMED)
  const refused = await exchange(it.connection, offerOf('a', 104_857_601))
  assert.deepEqual([refused.status, refused.max_size], [STATUS.TOO_LARGE, 104_857_600])
  assert.deepEqual(below(it.dir), [])
})

test('limit --max-total: 1 GiB in all is taken, and not one byte more', async () => {
  await using it = await withInbox({ maxFile: 2 ** 40, maxTotal: MAX_TOTAL })
  assert.equal((await exchange(it.connection, offerOf('a', 2 ** 30))).status, STATUS.MALFORMED)
  assert.equal((await exchange(it.connection, offerOf('a', 2 ** 30 + 1))).status, STATUS.NO_SPACE)
  // what is there counts
  await send(it.connection, file('a', new Uint8Array(5000)))
  assert.equal((await exchange(it.connection, offerOf('b', 2 ** 30 - 5000))).status, STATUS.MALFORMED)
  assert.equal((await exchange(it.connection, offerOf('b', 2 ** 30 - 4999))).status, STATUS.NO_SPACE)
})

test('limit --keep-free: 10 % of the disk are left free, to the block', {
  skip: process.getuid?.() !== 0 && 'needs root'
}, async t => {
  const dir = tmp()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=4m', 'tmpfs', dir], { stdio: 'pipe' })
  } catch {
    return t.skip('cannot mount')
  }
  try {
    await using it = await withInbox({ dir, keepFree: defaultOf('listen', '--keep-free') })
    const { bavail, blocks, bsize } = statfsSync(dir)
    const most = bavail * bsize - Math.ceil((blocks * bsize) / 10)
    assert.ok(most > 3_000_000)
    assert.equal((await exchange(it.connection, offerOf('a', most + 1))).status, STATUS.NO_SPACE)
    assert.equal((await exchange(it.connection, offerOf('a', most))).status, STATUS.MALFORMED)
    await send(it.connection, file('a', new Uint8Array(most - bsize)))
    await failed(send(it.connection, file('b', new Uint8Array(3 * bsize))), 'no_space')
  } finally {
    execFileSync('umount', [dir])
  }
})

test('limits: of one file by its offer and by count, and of all together', async () => {
  await using it = await withInbox({ maxFile: 20_000, maxTotal: 30_000 })
  for (const size of [20_001, null]) {
    const failure = await failed(send(it.connection, file('a', new Uint8Array(20_001), size)), 'too_large')
    assert.match(failure.message, /takes 20000 bytes at most/)
  }
  await send(it.connection, file('a', new Uint8Array(20_000)))
  await failed(send(it.connection, file('b', new Uint8Array(20_000))), 'no_space')
  await failed(send(it.connection, file('b', new Uint8Array(20_000), null)), 'no_space')
  // an empty file costs a block, so that they come to an end
  await send(it.connection, file('c', new Uint8Array(0)))
  await send(it.connection, file('d', new Uint8Array(0)))
  await failed(send(it.connection, file('e', new Uint8Array(0))), 'no_space')
  assert.deepEqual(below(it.dir), ['a', 'c', 'd'])
})

test('a disk that is too full takes nothing', async () => {
  await using it = await withInbox({ keepFree: 99.99 })
  const failure = await failed(send(it.connection, file('a')), 'no_space')
  assert.equal(failure.exitCode, 1)
  assert.deepEqual(below(it.dir), [])
})

test('a disk that fills up in the middle leaves nothing', {
  skip: process.getuid?.() !== 0 && 'needs root'
}, async t => {
  const dir = tmp()
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', dir], { stdio: 'pipe' })
  } catch {
    return t.skip('cannot mount')
  }
  try {
    await using it = await withInbox({ dir })
    await failed(send(it.connection, file('a', new Uint8Array(4_000_000), null)), 'no_space')
    assert.deepEqual(below(dir), [])
    await send(it.connection, file('b', new Uint8Array(500_000)))
    assert.deepEqual(below(dir), ['b'])
  } finally {
    execFileSync('umount', [dir])
  }
})

/** Sends the beginning of a file and is gone. */
async function cut(
  it: Awaited<ReturnType<typeof withInbox>>,
  name: string,
  bytes: Uint8Array,
  at: number
): Promise<void> {
  const stream = await it.connection.newStream(SEND_PROTOCOL)
  const reader = streamReader(stream)
  const offer = { kind: KIND.FILE, name, size: bytes.byteLength, sha256: sha256(bytes), resumable: true }
  await write(stream, encodeSenderFrame({ offer }))
  await reader.read()
  for await (const chunk of chunks(bytes.subarray(0, at), 262_144))
    await write(stream, encodeSenderFrame({ data: chunk }))
  // the acknowledgement of what was written
  await reader.read()
  stream.abort(new Error('cut'))
  const event = await it.next('file.refused')
  assert.ok(event.type === 'file.refused' && event.reason === 'it did not come whole')
}

test('a file that was cut off goes on where it was, and is whole', async () => {
  await using it = await withInbox()
  const bytes = new Uint8Array(randomBytes(1_000_000))
  await cut(it, 'a.bin', bytes, 300_000)
  assert.deepEqual(below(it.dir), [`.p2pctl-${hex(sha256(bytes))}-1000000.part`])
  const { done } = await send(it.connection, resumable('a.bin', bytes))
  assert.ok(done.resumed_bytes! >= 262_144 && done.resumed_bytes! <= 300_000, String(done.resumed_bytes))
  assert.deepEqual(below(it.dir), ['a.bin'])
  assert.equal(Buffer.compare(readFileSync(join(it.dir, 'a.bin')), bytes), 0)
  // and once more: it is there already
  const again = await send(it.connection, resumable('a.bin', bytes))
  assert.equal(again.done.resumed_bytes, 1_000_000)
  assert.deepEqual(below(it.dir), ['a.bin'])
})

test('what was kept and is not the beginning is found out and forgotten', async () => {
  await using it = await withInbox()
  const bytes = new Uint8Array(randomBytes(1_000_000))
  await cut(it, 'a.bin', bytes, 300_000)
  const [part] = below(it.dir)
  writeFileSync(join(it.dir, part!), new Uint8Array(300_000))
  await failed(send(it.connection, resumable('a.bin', bytes)), 'hash_mismatch')
  assert.deepEqual(below(it.dir), [])
  const { done } = await send(it.connection, resumable('a.bin', bytes))
  assert.equal(done.resumed_bytes, undefined)
})

test('another file of the same size under the name is not taken for the same', async () => {
  await using it = await withInbox()
  await send(it.connection, resumable('a', hello))
  await failed(send(it.connection, resumable('a', bytesOf('jello'))), 'file_exists')
  assert.equal(readFileSync(join(it.dir, 'a'), 'utf8'), 'hello')
})

test('without --resume nothing is kept of what was cut off', async () => {
  await using it = await withInbox()
  const stream = await it.connection.newStream(SEND_PROTOCOL)
  const reader = streamReader(stream)
  await write(stream, offerOf('a', 1_000_000))
  await reader.read()
  for (let i = 0; i < 2; i++) await write(stream, data(new Uint8Array(200_000)))
  await reader.read()
  stream.abort(new Error('cut'))
  await it.next('file.refused')
  assert.deepEqual(below(it.dir), [])
})

test('a folder that is not there, is a file, or may not be written is exit 3', async () => {
  const dir = tmp()
  writeFileSync(join(dir, 'file'), '')
  const said = async (): Promise<void> => {}
  for (const name of ['none', 'file', 'none/deeper']) {
    const opening = openInbox({ dir: join(dir, name), maxFile: 1, maxTotal: 1, keepFree: 0, said })
    const failure = await failureOf(opening)
    assert.equal(failure.code, 'file_unwritable')
    assert.equal(failure.exitCode, 3)
  }
})

test('numbers stand in front of the extension', () => {
  assert.deepEqual(
    ['a.txt', 'a', 'a.tar.gz', '.a'].map(name => numbered(name, 2)),
    ['a-2.txt', 'a-2', 'a.tar-2.gz', '.a-2']
  )
})
