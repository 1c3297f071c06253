import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { type Code, codes } from '../src/errors.ts'
import { type Result, root, type Running, run, start } from './helpers/cli.ts'
import { only } from './helpers/collect.ts'
import { ended } from './helpers/ends.ts'
import { type CALLS, type Fault, faulty, inject, mostCalls, noStrace } from './helpers/strace.ts'
import { sampleOf, thorough } from './helpers/thorough.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-syscalls-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const log = join(folder, 'log')
const bytes = randomBytes(700_000)
const file = join(folder, 'file')
writeFileSync(file, bytes)
const dist = join(root, 'dist')
const ownCode = readdirSync(dist).flatMap(name => (name.endsWith('.js') ? [join(dist, name)] : []))

/** A code of the table, with its exit code, and no trace of a bug. */
function documented(result: Result, where: string): Code | null {
  assert.notEqual(result.signal ?? result.code, 'SIGKILL', `${where}: it hung`)
  assert.doesNotMatch(result.stderr, /^ +at |a bug|SIG/m, where)
  const [error] = only(result.events, 'error')
  const code = (error?.code ?? null) as Code | null
  assert.ok(code == null || (Object.hasOwn(codes, code) && code !== 'internal'), `${where}: ${code}`)
  if (code != null) assert.equal(result.code, error!.exit_code, where)
  return code
}

const counted = (log: string): number => mostCalls(readFileSync(log, 'utf8'))
const countTo = (most: number): number[] => Array.from({ length: most }, (_, index) => index + 1)
const NEVER = 65_535

suite('a system call that fails', { skip: noStrace, timeout: thorough ? 3_600_000 : 100_000 }, () => {
  let peer: Running
  let addr: string
  let inbox: string
  before(async () => {
    inbox = mkdtempSync(join(folder, 'inbox-'))
    const args = ['listen', '-l', LOOPBACK, '--recv', inbox, '--json']
    peer = start(args, { timeoutMs: 3_600_000, env: { UV_THREADPOOL_SIZE: '1' } })
    addr = (await peer.next('listen.ready')).addrs[0]!
  })
  after(() => peer.stop())

  test('under key gen: exit 3, and no file', async () => {
    const faults: [keyof typeof CALLS, string, Code][] = [
      ['open', 'EIO', 'file_unwritable'],
      ['open', 'EMFILE', 'file_unwritable'],
      ['chmod', 'EIO', 'file_unwritable'],
      ['write', 'EIO', 'file_unwritable'],
      ['write', 'EDQUOT', 'no_space'],
      ['sync', 'EIO', 'file_unwritable'],
      ['sync', 'ENOSPC', 'no_space']
    ]
    for (const [index, [call, error, code]] of faults.entries()) {
      const key = join(folder, `${index}.key`)
      const within = faulty(log, [{ call, at: 1, error }], [key])
      const result = await run(['key', 'gen', key, '--json'], { within })
      assert.equal(documented(result, `${call} ${error}`), code)
      ended(result, 3, 'error')
      assert.equal(existsSync(key), false)
    }
  })

  test('under a file that is put in the place of another: exit 3, and neither it nor a part of it', async () => {
    for (const args of [
      (path: string) => ['listen', '-l', LOOPBACK, '--ready-file', path, '--for', '5s'],
      (path: string) => ['ping', addr, '-c', '1', '--svg', path]
    ]) {
      const dir = mkdtempSync(join(folder, 'replaced-'))
      const path = join(dir, 'a')
      const within = faulty(log, [{ call: 'rename', at: 1, error: 'EIO' }])
      const result = await run([...args(path), '--json'], { within })
      assert.equal(documented(result, args(path).join(' ')), 'file_unwritable')
      assert.equal(result.code, 3)
      assert.deepEqual(readdirSync(dir), [])
    }
  })

  test('while p2pctl reads its own code: exit 3, and no file or a whole one', async () => {
    for (const args of [
      (key: string) => ['key', 'gen', key],
      () => ['send', addr, '-f', file, '--name', `own-${process.hrtime.bigint()}`]
    ]) {
      for (const call of ['open', 'read'] as const) {
        const wellAt = join(folder, `${process.hrtime.bigint()}.key`)
        const well = await run([...args(wellAt), '--json'], {
          within: faulty(log, [{ call, at: NEVER, error: 'EIO' }], ownCode)
        })
        ended(well, 0, 'complete')
        for (const at of sampleOf(countTo(counted(log)), 4)) {
          const key = join(folder, `${process.hrtime.bigint()}.key`)
          const within = faulty(log, [{ call, at, error: at % 2 === 0 ? 'EIO' : 'EMFILE' }], ownCode)
          const result = await run([...args(key), '--json'], { within })
          const where = `${args(key)[0]}: ${call} ${at}`
          assert.doesNotMatch(result.stderr, /^ +at |a bug/m, where)
          // what was wanted was done, or it is said why not
          assert.ok(result.code === 3 || result.code === 0 || result.code === 1, `${where}: ${result.code}`)
          if (existsSync(key)) assert.equal(statSync(key).size, 68, where)
        }
      }
    }
  })

  test('under the sender: a code, and nothing of the file at the receiver or all of it', async () => {
    const faults: [Fault, Code | null, paths: string[]][] = [
      ...(['EIO', 'ENOMEM'] as const).map((error): [Fault, Code, string[]] => [
        { call: 'connect', at: 1, error },
        'system_error',
        []
      ]),
      [{ call: 'socket', at: 1, error: 'EMFILE' }, 'no_descriptors', []],
      [{ call: 'open', at: 1, error: 'EIO' }, 'file_unreadable', [file]],
      [{ call: 'stat', at: 1, error: 'EIO' }, 'file_unreadable', [file]],
      [{ call: 'read', at: 1, error: 'EIO' }, 'file_unreadable', [file]],
      [{ call: 'read', at: 2, error: 'EIO' }, 'file_unreadable', [file]]
    ]
    for (const [index, [fault, code, paths]] of faults.entries()) {
      const name = `sent-${index}`
      const within = faulty(log, [fault], paths)
      const result = await run(['send', addr, '-f', file, '--name', name, '--json'], { within })
      assert.equal(documented(result, `${fault.call} ${fault.at} ${fault.error}`), code)
      assert.equal(result.code, 3)
      assert.equal(existsSync(join(inbox, name)), false)
    }
  })

  test('under what is read from stdin: exit 3', async () => {
    const list = join(folder, 'list')
    writeFileSync(list, `${addr}\n`)
    const within = [
      'sh',
      '-c',
      `exec "$@" <'${list}'`,
      'sh',
      ...faulty(log, [{ call: 'read', at: 1, error: 'EIO' }], [list])
    ]
    for (const args of [
      ['dial', '-'],
      ['send', addr, '-']
    ]) {
      const result = await run([...args, '--json'], { within })
      assert.equal(documented(result, args.join(' ')), 'system_error')
      ended(result, 3, 'error')
    }
  })

  test('a received file is on the disk before it has its name, and its name before the sender is told', async () => {
    const all = (['sync', 'link'] as const).map((call): Fault => ({ call, at: NEVER, error: 'EIO' }))
    const injected = await inject(peer.child, log, all)
    const sent = await run(['send', addr, '-f', file, '--name', 'synced', '--json'])
    await injected[Symbol.asyncDispose]()
    ended(sent, 0, 'complete')
    const calls = [...readFileSync(log, 'utf8').matchAll(/^(?:\d+ +)?(f(?:data)?sync|linkat|link)\(/gm)].map(
      ([, name]) => name
    )
    assert.deepEqual(calls, ['fsync', calls[1], 'fsync'])
    assert.match(calls[1]!, /^link/)
  })

  test('under the receiver: the sender has a code, and a file has its name only when it is whole', async () => {
    const calls = ['open', 'stat', 'pwrite', 'sync', 'link', 'unlink', 'statfs', 'mkdir'] as const
    let number = 0
    /** Sends with faults in the receiver; gives the code, and how many such calls a thread of it has made. */
    const sendUnder = async (faults: Fault[], name: string): Promise<{ code: Code | null; most: number }> => {
      const injected = await inject(peer.child, log, faults)
      const result = await run(['send', addr, '-f', file, '--name', name, '-w', '20s', '--json'])
      await injected[Symbol.asyncDispose]()
      const where = `${faults.map(({ call, at, error }) => `${call} ${at} ${error}`).join(', ')}: ${result.stderr}`
      const code = documented(result, where)
      assert.ok(result.code === 0 || result.code === 1, where)
      const path = join(inbox, name)
      if (existsSync(path)) assert.ok(readFileSync(path).equals(bytes), where)
      else assert.equal(result.code, 1, where)
      return { code, most: counted(log) }
    }
    for (const call of calls) {
      // not read(2) and write(2): libuv wakes its own loop with them, and ends the process with SIGABRT where that fails
      const error = call === 'pwrite' ? 'ENOSPC' : 'EIO'
      const { code, most } = await sendUnder([{ call, at: NEVER, error }], `dir/${++number}`)
      assert.equal(code, null)
      for (const at of sampleOf(countTo(most), 3, 40))
        await sendUnder([{ call, at, error }], `dir-${number}/${++number}`)
    }
    // a file system without links, that fails in the end
    const bare = `bare-${++number}`
    const link: Fault = { call: 'link', at: 1, error: 'EPERM' }
    await sendUnder([link, { call: 'rename', at: 1, error: 'EIO' }], bare)
    assert.equal(existsSync(join(inbox, bare)), false)
    assert.equal((await sendUnder([link], `${bare}-whole`)).code, null)
    ended(await run(['send', addr, '-f', file, '--name', 'after', '--json']), 0, 'complete')
  })
})
