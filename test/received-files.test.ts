/** What lies in wait in a folder that takes files: pipes, links to elsewhere, and somebody who changes it meanwhile. */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { once } from 'node:events'
import { after, test } from 'node:test'
import { type InboxOptions, openInbox } from '../src/inbox.ts'
import { Refusal, type Sink } from '../src/protocols/receive.ts'
import { KIND, type Offer, STATUS } from '../src/protocols/send-frames.ts'

const windows = process.platform === 'win32' && 'no FIFO and no links there'
const folders: string[] = []
after(() => folders.forEach(folder => void rmSync(folder, { recursive: true, force: true })))
const tmp = (): string => {
  folders.push(mkdtempSync(join(tmpdir(), 'p2pctl-received-')))
  return folders.at(-1)!
}
const hello = Buffer.from('hello')
const sha256 = createHash('sha256').update(hello).digest()
const offerOf = (name: string, resumable = false): Offer =>
  ({ kind: KIND.FILE, name, size: 5, sha256: resumable ? sha256 : undefined, resumable }) as Offer
const part = `.p2pctl-${sha256.toString('hex')}-5.part`

async function opened(dir: string, more: Partial<InboxOptions> = {}) {
  return await openInbox({ dir, maxFile: 100, maxTotal: 2 ** 30, keepFree: 0, said: async () => {}, ...more })
}

/** Takes all of a file, as the protocol would. */
async function take(inbox: Awaited<ReturnType<typeof opened>>, offer: Offer, bytes = hello): Promise<void> {
  const sink = await inbox.onFile(offer, 'peer')
  try {
    await sink.write(bytes.subarray(sink.offset))
    await sink.keep(sha256)
  } catch (error) {
    await sink.drop(false)
    throw error
  }
}

const isRefused = (status: number) => (error: unknown) => error instanceof Refusal && error.receipt.status === status

test('a pipe that has the name is not opened, and replaced only where that was asked for', {
  skip: windows,
  timeout: 20_000
}, async () => {
  const dir = tmp()
  execFileSync('mkfifo', [join(dir, 'a'), join(dir, part)])
  {
    await using inbox = await opened(dir)
    await assert.rejects(take(inbox, offerOf('a')), isRefused(STATUS.EXISTS))
    // the one to go on with is a pipe too
    await assert.rejects(take(inbox, offerOf('b', true)), isRefused(STATUS.REFUSED))
  }
  await using inbox = await opened(dir, { overwrite: true })
  await take(inbox, offerOf('a'))
  assert.ok(lstatSync(join(dir, 'a')).isFile())
  assert.equal(existsSync(join(dir, 'b')), false)
})

test('what was kept and has another name elsewhere is not written to', { skip: windows }, async () => {
  const dir = tmp()
  const elsewhere = join(tmp(), 'a document')
  writeFileSync(elsewhere, 'he')
  linkSync(elsewhere, join(dir, part))
  await using inbox = await opened(dir)
  await assert.rejects(take(inbox, offerOf('a', true)), isRefused(STATUS.REFUSED))
  assert.equal(readFileSync(elsewhere, 'utf8'), 'he')
})

test('a hard link that has the name keeps its bytes, also where names are replaced', { skip: windows }, async () => {
  const dir = tmp()
  const elsewhere = join(tmp(), 'a document')
  writeFileSync(elsewhere, 'theirs')
  linkSync(elsewhere, join(dir, 'a'))
  await using inbox = await opened(dir, { overwrite: true })
  await take(inbox, offerOf('a'))
  assert.equal(readFileSync(elsewhere, 'utf8'), 'theirs')
  assert.equal(readFileSync(join(dir, 'a'), 'utf8'), 'hello')
})

test('until it is whole a file has a name that nobody could guess, for its owner alone, and then no bit to be run', {
  skip: windows
}, async () => {
  const dir = tmp()
  await using inbox = await opened(dir)
  const sinks: Sink[] = []
  const umask = process.umask(0)
  try {
    for (const name of ['a', 'a']) sinks.push(await inbox.onFile({ ...offerOf(name), mode: 0o7777 } as Offer, 'peer'))
  } finally {
    process.umask(umask)
  }
  const parts = readdirSync(dir)
  assert.equal(new Set(parts).size, 2)
  for (const one of parts) {
    assert.match(one, /^\.p2pctl-[0-9a-f]{24}\.part$/)
    assert.equal(lstatSync(join(dir, one)).mode & 0o7777, 0o600)
  }
  await sinks[0]!.write(hello)
  assert.ok(!existsSync(join(dir, 'a')))
  await sinks[0]!.keep(sha256)
  assert.equal(lstatSync(join(dir, 'a')).mode & 0o7777, 0o600)
  await sinks[1]!.drop(false)
  assert.deepEqual(readdirSync(dir), ['a'])
})

test('what is too large is refused before its first byte, and makes nothing', async () => {
  const dir = tmp()
  await using inbox = await opened(dir)
  for (const size of [101, 2 ** 53 - 1]) {
    await assert.rejects(inbox.onFile({ ...offerOf('a'), size }, 'peer'), isRefused(STATUS.TOO_LARGE))
  }
  await using small = await opened(dir, { maxTotal: 4095 })
  await assert.rejects(small.onFile(offerOf('a'), 'peer'), isRefused(STATUS.NO_SPACE))
  assert.deepEqual(readdirSync(dir), [])
})

/** Swaps a folder for a link and back, as fast as it can, for so long. */
const SWAPPER = `
const { renameSync, symlinkSync, unlinkSync } = require('node:fs')
const [dir, outside] = process.argv.slice(1)
process.stdout.write('ready')
for (const until = Date.now() + 4000; Date.now() < until;) {
  try { renameSync(dir + '/sub', dir + '/moved'); symlinkSync(outside, dir + '/sub') } catch {}
  try { unlinkSync(dir + '/sub'); renameSync(dir + '/moved', dir + '/sub') } catch {}
}`

test('a folder that somebody swaps for a link all the time never leads outside', {
  skip: process.platform !== 'linux' && 'needs descriptors of folders',
  timeout: 60_000
}, async () => {
  const [dir, outside] = [tmp(), tmp()]
  mkdirSync(join(dir, 'sub'))
  symlinkSync(outside, join(dir, 'link'))
  await using inbox = await opened(dir, { rename: true })
  const swapper = spawn(process.execPath, ['-e', SWAPPER, dir, outside], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = once(swapper, 'exit')
  await once(swapper.stdout, 'data')
  let taken = 0
  while (swapper.exitCode == null) {
    try {
      await take(inbox, offerOf('sub/a'))
      taken++
    } catch (error) {
      assert.ok(error instanceof Refusal, String(error))
    }
  }
  await ended
  assert.ok(taken > 0)
  assert.deepEqual(readdirSync(outside), [])
})
