import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

import { bin, type Running, run, start } from './helpers/cli.ts'
import { only } from './helpers/collect.ts'
import { ended, summaryOf } from './helpers/ends.ts'
import { thorough } from './helpers/thorough.ts'

const LOOPBACK = '/ip4/127.0.0.1/tcp/0'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-descriptors-'))
after(() => rmSync(folder, { recursive: true, force: true }))

/** No more descriptors than these. Node itself takes 21, and crashes with fewer. */
const within = (descriptors: number): string[] => ['sh', '-c', `ulimit -n ${descriptors}; exec "$@"`, 'sh']
const limits = thorough ? [24, 26, 28, 30, 32, 36, 40, 48, 64, 80] : [26, 28, 36]

suite('few descriptors', { skip: process.platform === 'win32', timeout: 120_000 }, () => {
  let peer: Running
  let addr: string
  before(async () => {
    const inbox = mkdtempSync(join(folder, 'inbox-'))
    const args = [
      'listen',
      '-l',
      LOOPBACK,
      '--recv',
      inbox,
      '--rename',
      '--limit',
      'connections-per-peer=200',
      '--json'
    ]
    peer = start(args, { timeoutMs: 180_000 })
    addr = (await peer.next('listen.ready')).addrs[0]!
  })
  after(() => peer.stop())

  test('are enough, or are what is said to lack: exit 0 or 3, and no bug', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, 'file')
    for (const [index, limit] of limits.entries()) {
      for (const args of [
        ['dial', addr],
        ['send', addr, '-f', file],
        ['listen', '-l', LOOPBACK, '--for', '100ms'],
        ['relay', '-l', LOOPBACK, '--for', '100ms'],
        ['key', 'gen', join(folder, `${index}.key`)],
        // below 28 the addon of QUIC ends the process, as its language does where it cannot even panic
        ...(limit >= 28 ? [['doctor', '--offline']] : [])
      ]) {
        const result = await run([...args, '--json'], { within: within(limit) })
        // what doctor finds wanting is no fault of its own
        const fine = args[0] === 'doctor' ? [0, 1, 3] : [0, 3]
        assert.ok(fine.includes(result.code!), `ulimit -n ${limit}, ${args[0]}: ${result.stderr}`)
        assert.doesNotMatch(result.stderr, /^ +at /m)
      }
    }
  })

  // kill() of a child that could not be started signals the whole group (Node 24): doctor starts peers of its own
  test('of doctor: it ends no process but its own', { skip: process.platform !== 'linux' }, () => {
    for (let limit = 28; limit <= 48; limit += 2) {
      const script = `(ulimit -n ${limit}; exec "$@") >/dev/null 2>&1; echo still here`
      const args = ['-w', 'sh', '-c', script, 'sh', process.execPath, bin, 'doctor', '--offline', '--json']
      const { stdout } = spawnSync('setsid', args, { encoding: 'utf8', timeout: 30_000 })
      assert.equal(stdout, 'still here\n', `ulimit -n ${limit}`)
    }
  })

  test('for many targets: those that have none fail with no_descriptors, the others are pinged', async () => {
    const stdin = Array.from({ length: 80 }, () => addr).join('\n')
    for (const limit of thorough ? limits : [26, 40]) {
      const args = ['ping', '-', '-c', '2', '-i', '0.1', '--concurrency', '80', '--json']
      const result = await run(args, { stdin, within: within(limit) })
      ended(result, 1, summaryOf(result.events).reason)
      const { targets } = summaryOf(result.events)
      assert.equal(targets!.length, 80)
      const failed = targets!.filter(({ ok }) => !ok)
      assert.ok(failed.length > 0, `ulimit -n ${limit}`)
      for (const { error } of failed) assert.equal(error, 'no_descriptors')
      if (limit >= 40) assert.ok(failed.length < 80)
      assert.doesNotMatch(result.stderr, /^ +at |a bug/m)
    }
  })

  test('are named for a person too', () => {
    const stdin = Array.from({ length: 80 }, () => addr).join('\n')
    const [command, ...words] = within(40)
    const args = [process.execPath, join(import.meta.dirname, '../bin/p2pctl.js'), 'ping', '-', '-c', '1']
    const { status, stderr } = spawnSync(command!, [...words, ...args], { input: stdin, encoding: 'utf8' })
    assert.equal(status, 1)
    assert.match(stderr, /^p2pctl: .*too many open files/m)
    assert.doesNotMatch(stderr, /^ +at |a bug/m)
  })

  for (const command of ['listen', 'relay']) {
    test(`of a ${command} that all are taken: it lives, and serves again when they are free`, async () => {
      const inbox = mkdtempSync(join(folder, 'inbox-'))
      const recv = command === 'listen' ? ['--recv', inbox] : []
      await using server = start([command, '-l', LOOPBACK, ...recv, '--json'], { within: within(48) })
      const { addrs } = await server.next('listen.ready')
      const port = Number(/\/tcp\/(\d+)/.exec(addrs[0]!)![1])
      const crowd: Socket[] = Array.from({ length: 80 }, () => connect(port, '127.0.0.1').on('error', () => {}))
      await Promise.all(crowd.map(socket => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
      await run(['dial', addrs[0]!, '-W', '2s', '--json'])
      for (const socket of crowd) socket.destroy()
      let served = false
      for (let tries = 0; tries < 20 && !served; tries++) {
        served = (await run(['ping', addrs[0]!, '-c', '1', '-W', '5s', '--json'])).code === 0
      }
      assert.ok(served)
      const result = await server.stop()
      ended(result, 0, 'interrupted')
      assert.deepEqual(only(result.events, 'error'), [])
    })
  }

  test('of an inbox: what cannot be opened is refused, and later files arrive', async () => {
    const inbox = mkdtempSync(join(folder, 'inbox-'))
    const args = ['listen', '-l', LOOPBACK, '--recv', inbox, '--json']
    await using listener = start(args, { within: within(40) })
    const { addrs } = await listener.next('listen.ready')
    const port = Number(/\/tcp\/(\d+)/.exec(addrs[0]!)![1])
    const text = Buffer.from('text')
    const file = join(folder, 'text')
    writeFileSync(file, text)
    const crowd: Socket[] = []
    for (let size = 0; size < 24; size += 8) {
      const more = Array.from({ length: 8 }, () => connect(port, '127.0.0.1').on('error', () => {}))
      crowd.push(...more)
      await Promise.all(more.map(socket => Promise.race([once(socket, 'connect'), once(socket, 'close')])))
      const { code } = await run(['send', addrs[0]!, '-f', file, '--name', `${size}`, '-W', '2s', '-w', '8s', '--json'])
      if (code === 0) assert.ok(readFileSync(join(inbox, `${size}`)).equals(text))
    }
    for (const socket of crowd) socket.destroy()
    let sent = await run(['send', addrs[0]!, '-f', file, '--name', 'after', '-W', '5s'])
    for (let tries = 1; tries < 20 && sent.code !== 0; tries++) {
      sent = await run(['send', addrs[0]!, '-f', file, '--name', `after-${tries}`, '-W', '5s'])
    }
    if (sent.code !== 0) assert.fail(`${sent.stderr}\n${(await listener.stop()).stderr}`)
    for (const name of readdirSync(inbox)) assert.ok(readFileSync(join(inbox, name)).equals(text), name)
    ended(await listener.stop(), 0, 'interrupted')
  })
})
