import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { bin, cleanEnv, type Result, type Running, run, start } from './helpers/cli.ts'
import { one } from './helpers/collect.ts'
import { ended } from './helpers/ends.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-disk-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const checkFile = join(folder, 'check.yaml')

let peer: Running
let addr: string
before(async () => {
  peer = start(['listen', '-l', LOOPBACK, '--pubsub', 'news', '--json'], { timeoutMs: 180_000 })
  addr = (await peer.next('listen.ready')).addrs[0]!
  writeFileSync(checkFile, `checks:\n  - name: there\n    dial: ${addr}\n`)
})
after(() => peer.stop())

interface Disk {
  name: string
  /** What makes `$0` such a disk. */
  mount: string
  code: 'no_space' | 'file_unwritable'
}

const disks: Disk[] = [
  {
    name: 'is full',
    // it fills itself, so that neither a name nor a byte has a place
    mount: 'mount -t tmpfs -o size=4k,nr_inodes=4 tmpfs "$0"; : >"$0/1"; : >"$0/2"; head -c 4096 /dev/zero >"$0/3"',
    code: 'no_space'
  },
  {
    name: 'has a place for a name, and for no byte',
    mount: 'mount -t tmpfs -o size=4k,nr_inodes=40 tmpfs "$0"; head -c 4096 /dev/zero >"$0/3"',
    code: 'no_space'
  },
  { name: 'is read-only', mount: 'mount -t tmpfs -o ro tmpfs "$0"', code: 'file_unwritable' }
]

const skip =
  spawnSync('unshare', ['--mount', 'sh', '-c', 'mount -t tmpfs tmpfs "$0"', folder]).status !== 0 &&
  'it takes root on Linux, for a disk of its own'

/** Runs with such a disk as a folder; gives what is in the folder at the end too. */
async function on(disk: Disk, args: (dir: string) => string[]): Promise<Result & { left: string[] }> {
  const dir = mkdtempSync(join(folder, 'mount-'))
  const list = join(dir, '../', `${dir.split('/').at(-1)}.list`)
  const script = `${disk.mount}; "$@"; code=$?; ls -A "$0" >'${list}'; exit $code`
  const result = await run([...args(dir), '--json'], { within: ['unshare', '--mount', 'sh', '-c', script, dir] })
  const left = readFileSync(list, 'utf8')
    .split('\n')
    .filter(name => name !== '' && !/^[123]$/.test(name))
  return { ...result, left }
}

const codeOf = ({ events }: Result) => one(events, 'error').code

for (const disk of disks) {
  suite(`a disk that ${disk.name}`, { skip, timeout: 120_000 }, () => {
    const files: [string, (dir: string) => string[]][] = [
      ['key gen', dir => ['key', 'gen', join(dir, 'a.key')]],
      ['key psk', dir => ['key', 'psk', join(dir, 'swarm.key')]],
      ['ping --svg', dir => ['ping', addr, '-c', '1', '--svg', join(dir, 'a.svg')]],
      ['check --report', dir => ['check', checkFile, '--report', `junit=${join(dir, 'a.xml')}`]],
      ['listen --ready-file', dir => ['listen', '-l', LOOPBACK, '--ready-file', join(dir, 'ready'), '--for', '5s']],
      ['relay --ready-file', dir => ['relay', '-l', LOOPBACK, '--ready-file', join(dir, 'ready'), '--for', '5s']]
    ]
    for (const [name, args] of files) {
      test(`${name}: ${disk.code}, exit 3, and no file`, async () => {
        const result = await on(disk, args)
        assert.equal(result.code, 3, result.stderr)
        assert.equal(codeOf(result), disk.code)
        assert.deepEqual(result.left, [])
      })
    }

    test('listen --recv: exit 3 at once, or a refusal to whoever sends', async () => {
      const dir = mkdtempSync(join(folder, 'mount-'))
      const script = `${disk.mount}; exec "$@"`
      const args = ['listen', '-l', LOOPBACK, '--recv', dir, '--keep-free', '0', '--json']
      await using listener = start(args, { within: ['unshare', '--mount', 'sh', '-c', script, dir] })
      const ready = await listener.next('listen.ready').catch(() => null)
      if (ready == null) {
        const result = await listener.done
        ended(result, 3, 'error')
        return assert.equal(codeOf(result), disk.code)
      }
      const sent = await run(['send', ready.addrs[0]!, '-f', checkFile, '--json'])
      ended(sent, 1, 'error')
      assert.equal(codeOf(sent), 'no_space')
      assert.equal((await listener.next('file.refused')).name, 'check.yaml')
      assert.deepEqual(readdirSync(`/proc/${listener.child.pid}/root${dir}`), ['3'])
    })
  })
}

suite('a file that may not grow', { skip: process.platform === 'win32', timeout: 120_000 }, () => {
  /** No file of the process may be longer than this many blocks; as a quota does, with an error of its own. */
  const limited = (blocks: number): string[] => ['bash', '-c', `trap '' XFSZ; ulimit -f ${blocks}; exec "$@"`, 'bash']

  test('of an inbox: the sender is told that there is no space, and nothing is left of it', async () => {
    const dir = mkdtempSync(join(folder, 'inbox-'))
    const args = ['listen', '-l', LOOPBACK, '--recv', dir, '--json']
    await using listener = start(args, { within: limited(100) })
    const { addrs } = await listener.next('listen.ready')
    const large = join(folder, 'large')
    writeFileSync(large, randomBytes(400_000))
    for (const more of [[], ['--resume']]) {
      const sent = await run(['send', addrs[0]!, '-f', large, '--json', ...more])
      ended(sent, 1, 'error')
      assert.equal(codeOf(sent), 'no_space')
      await listener.next('file.refused')
      assert.deepEqual(readdirSync(dir), [])
    }
    const small = join(folder, 'small')
    writeFileSync(small, 'small')
    ended(await run(['send', addrs[0]!, '-f', small, '--json']), 0, 'complete')
    assert.deepEqual(readdirSync(dir), ['small'])
  })

  test('of a key, a picture or a report: exit 3, and no file', async () => {
    for (const args of [
      (dir: string) => ['key', 'gen', join(dir, 'a')],
      (dir: string) => ['ping', addr, '-c', '1', '--svg', join(dir, 'a')],
      (dir: string) => ['check', checkFile, '--report', `json=${join(dir, 'a')}`]
    ]) {
      const dir = mkdtempSync(join(folder, 'small-'))
      const result = await run([...args(dir), '--json'], { within: limited(0) })
      assert.equal(result.code, 3, result.stderr)
      assert.deepEqual(readdirSync(dir), [])
    }
  })
})

suite('a check file without an end', { skip: process.platform === 'win32', timeout: 120_000 }, () => {
  for (const [args, code] of [
    [(path: string) => ['check', path], 'invalid_check_file'],
    [(path: string) => ['exporter', '--modules', path, '--listen', '127.0.0.1:0'], 'invalid_modules_file']
  ] as const) {
    test(`${code}: no more is read of it than it may have`, async () => {
      const path = join(mkdtempSync(join(folder, 'pipe-')), 'endless.yaml')
      execFileSync('mkfifo', [path])
      // opened both ways it waits for nobody, and never ends
      await using pipe = await open(path, 'r+')
      const filled = pipe.write(Buffer.alloc(2 ** 20 + 1, '#'))
      const result = await run([...args(path), '--json'])
      await filled
      ended(result, 2, 'error')
      assert.equal(codeOf(result), code)
      assert.match(one(result.events, 'error').message, /:1:1: the file is 1 MiB at most$/)
    })
  }
})

suite('standard streams', { skip: process.platform === 'win32', timeout: 120_000 }, () => {
  /** With a line of the shell behind it, as `<&-`. */
  const shell = (args: string[], redirected: string) =>
    spawnSync('sh', ['-c', `exec "$@" ${redirected}`, 'sh', process.execPath, bin, ...args], {
      env: cleanEnv(),
      encoding: 'utf8',
      timeout: 30_000
    })

  test('a stdin that is closed is an empty one', () => {
    for (const [args, code] of [
      [['dial', '-'], 2],
      [['ping', '-c', '1', '-'], 2],
      [['check', '-'], 2],
      [['addr', 'parse', '-'], 2],
      [['send', addr, '-'], 0],
      [['send', addr, '-f', '-', '--name', 'empty'], 1],
      [['send', addr, '--raw', '--protocol', '/echo/1.0.0'], 0],
      [['listen', '-l', LOOPBACK, '--raw', '--protocol', '/raw/1.0.0', '--for', '100ms'], 0],
      [['pubsub', 'pub', 'news', '--bootstrap', addr], 2],
      [['pubsub', 'pub', 'news', '-', '--bootstrap', addr], 0],
      [['pubsub', 'pub', 'news', '--lines', '--bootstrap', addr], 0],
      // it is no node of the DHT
      [['dht', 'put', '/v/name', '-', '--node', addr], 6]
    ] as const) {
      const { status, signal, stderr } = shell([...args], '<&-')
      assert.deepEqual([status, signal], [code, null], `${args.join(' ')}: ${stderr}`)
      assert.doesNotMatch(stderr, /^ +at /m)
    }
  })

  test('what is opened first does not become the stdout that was closed', () => {
    const key = join(folder, 'closed.key')
    const { status } = shell(['key', 'gen', key], '>&- 2>&- <&-')
    assert.equal(status, 0)
    assert.equal(statSync(key).size, 68)
    assert.equal(shell(['dial', addr, '--json'], '>&- 2>&- <&-').status, 0)
    assert.equal(shell(['dial', '/ip4/127.0.0.1/tcp/1'], '>&- 2>&- <&-').status, 1)
  })

  test('a server whose stdout cannot be written ends, and takes its ready file with it', () => {
    const ready = join(folder, 'ready')
    const { status } = shell(['listen', '-l', LOOPBACK, '--ready-file', ready], '>/dev/full')
    assert.equal(status, process.platform === 'linux' ? 3 : status)
    assert.ok(!readdirSync(folder).includes('ready'))
  })
})
