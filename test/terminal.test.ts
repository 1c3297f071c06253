import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { bin, type Running, run, start } from './helpers/cli.ts'
import { type SilentPeer, silentPeer } from './helpers/silent-peer.ts'
import { noTerminal, openTerminal, type Shown, screenOf, type TerminalOptions } from './helpers/terminal.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-terminal-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let peer: Running
let addr: string
let silent: SilentPeer
before(async () => {
  silent = await silentPeer()
  peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'], { timeoutMs: 120_000 })
  addr = (await peer.next('listen.ready')).addrs[0]!
})
after(async () => {
  await peer.stop()
  await silent[Symbol.asyncDispose]()
})

async function show(args: string[], options: TerminalOptions = {}): Promise<Shown> {
  await using terminal = openTerminal(args, options)
  return await terminal.done
}

const escapes = (text: string): number => text.split('\x1b').length - 1
const colours = (text: string): number => text.match(/\x1b\[[\d;]*m/g)?.length ?? 0
const frames = (text: string): number => text.match(/[⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏]/g)?.length ?? 0

suite('on a terminal', { skip: noTerminal, concurrency: 2 }, () => {
  test('there is colour, and a spinner that leaves nothing behind', async () => {
    for (const args of [
      ['dial', addr],
      ['ping', '-c', '1', addr],
      ['send', addr, 'hello'],
      ['dial', silent.addr, '-W', '0.3']
    ]) {
      const { text, code } = await show(args)
      assert.equal(code, args.includes(addr) ? 0 : 1, text)
      assert.ok(frames(text) > 0, args[0])
      assert.ok(colours(text) > 0, args[0])
      const { lines, cursor } = screenOf(text)
      assert.equal(cursor, true, 'the cursor is shown again')
      assert.equal(frames(lines.join('\n')), 0, lines.join('\n'))
      assert.doesNotMatch(lines.join('\n'), /^ ?(dialing|sending|looking)/m)
      assert.equal(lines.at(-1), '')
    }
  })

  test('the lines are those that a pipe gets, with shorter peer IDs', async () => {
    const { text } = await show(['dial', addr, '-q'])
    const { stdout } = await run(['dial', addr, '-q'])
    const id = addr.split('/').at(-1)!
    assert.deepEqual(screenOf(text).lines, stdout.replaceAll(id, `${id.slice(0, 8)}...${id.slice(-4)}`).split('\n'))
  })

  test('with no columns it ends, and is as plain as a pipe', async () => {
    const { bytes, code } = await show(['dial', silent.addr, '-W', '0.3'], { columns: 0 })
    assert.equal(code, 1)
    assert.equal(escapes(bytes), 0)
    assert.ok(bytes.length < 1000)
    const { text } = await show(['ping', '-c', '2', '-i', '0.1', addr], { columns: 0 })
    assert.equal(escapes(text), 0)
    assert.match(text, /2 sent, 2 received, 0% loss/)
  })

  test('TERM=dumb and CI make it as plain as a pipe', async () => {
    for (const env of [{ TERM: 'dumb' }, { CI: 'true' }] as Record<string, string>[]) {
      const { bytes, code } = await show(['dial', addr], { env })
      assert.equal(code, 0)
      assert.equal(escapes(bytes), 0)
    }
  })

  test('without colour there is still a spinner', async () => {
    const plain: [string[], Record<string, string>][] = [
      [[], { NO_COLOR: '1' }],
      [[], { NO_COLOR: '1', FORCE_COLOR: '1' }],
      [[], { FORCE_COLOR: '0' }],
      [['--color', 'never'], { FORCE_COLOR: '1' }],
      [[], { P2PCTL_COLOR: 'never', FORCE_COLOR: '1' }]
    ]
    for (const [args, env] of plain) {
      const { text } = await show(['dial', addr, ...args], { env })
      assert.equal(colours(text), 0, JSON.stringify(env))
      assert.ok(frames(text) > 0)
    }
  })

  test('colour that is asked for brings no cursor codes with it', async () => {
    const { text } = await show(['dial', addr, '--color', 'always'], { env: { CI: '1' } })
    assert.ok(colours(text) > 0)
    assert.equal(escapes(text), colours(text))
  })

  test('each stream decides for itself', async () => {
    const file = join(folder, 'out.txt')
    const to = (redirect: string): Promise<Shown> =>
      show(['-c', `'${process.execPath}' '${bin}' dial ${addr} ${redirect}${file}`], { command: 'sh' })
    const progress = await to('>')
    assert.ok(frames(progress.text) > 0)
    assert.deepEqual(
      screenOf(progress.text).lines.filter(line => line !== ''),
      []
    )
    assert.equal(escapes(readFileSync(file, 'utf8')), 0)
    assert.match(readFileSync(file, 'utf8'), /^connected to /)

    const results = await to('2>')
    assert.ok(colours(results.text) > 0)
    assert.equal(escapes(results.text), colours(results.text))
    assert.equal(readFileSync(file, 'utf8'), '')
  })

  test('--json is as plain as anywhere', async () => {
    const { text } = await show(['ping', '-c', '1', addr, '--json'])
    assert.equal(escapes(text), 0)
    for (const line of text.trimEnd().split('\r\n')) assert.equal(JSON.parse(line).cmd, 'ping')
  })

  test('^C ends a dial that hangs, and cleans up', async () => {
    await using terminal = openTerminal(['dial', silent.addr])
    await terminal.shows('dialing')
    terminal.type('\x03')
    const { text, signal } = await terminal.done
    assert.equal(signal, 'SIGINT')
    const { lines, cursor } = screenOf(text)
    assert.equal(cursor, true, 'the cursor is shown again')
    assert.equal(frames(lines.join('\n')), 0)
  })

  test('^C ends a ping with its statistics, and a server with 0', async () => {
    await using pinger = openTerminal(['ping', addr, '-i', '0.1'])
    await pinger.shows('seq=2 ')
    pinger.type('\x03')
    const pinged = await pinger.done
    assert.equal(pinged.code, 0)
    assert.match(pinged.text, /0% loss/)
    assert.equal(screenOf(pinged.text).cursor, true)

    await using server = openTerminal(['listen', '-l', '/ip4/127.0.0.1/tcp/0'])
    await server.shows('^C to stop')
    server.type('\x03')
    assert.equal((await server.done).code, 0)
  })
})

test('a pipe gets no escape sequence, unless colour is asked for', async () => {
  const count = async (env: Record<string, string>, ...args: string[]): Promise<number> => {
    const { stdout, stderr } = await run(['dial', addr, ...args], { env })
    assert.equal(stderr, '')
    assert.equal(escapes(stdout), colours(stdout))
    return escapes(stdout)
  }
  const plain: Record<string, string>[] = [
    {},
    { TERM: 'xterm-256color' },
    { FORCE_COLOR: '0' },
    { NO_COLOR: '1', FORCE_COLOR: '1' }
  ]
  for (const env of plain) {
    assert.equal(await count(env), 0, JSON.stringify(env))
  }
  assert.equal(await count({ FORCE_COLOR: '1' }, '--color', 'never'), 0)
  assert.ok((await count({}, '--color', 'always')) > 0)
  assert.ok((await count({ NO_COLOR: '1', TERM: 'dumb', CI: '1' }, '--color', 'always')) > 0)
  assert.ok((await count({ FORCE_COLOR: '1' })) > 0)
  assert.ok((await count({ NO_COLOR: '', FORCE_COLOR: '1' })) > 0)
  assert.ok((await count({ P2PCTL_COLOR: 'always', NO_COLOR: '1' })) > 0)
})
