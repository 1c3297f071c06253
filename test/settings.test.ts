import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { type Line, run, start } from './helpers/cli.ts'
import { parseEvent } from './helpers/schema.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-settings-'))
after(() => rmSync(folder, { recursive: true, force: true }))

let count = 0
/** A file with this in it, as --config takes it. */
function config(content: unknown): string {
  const path = join(folder, `${++count}.json`)
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}

/** A user's config folder, as XDG_CONFIG_HOME names it. */
function home(content: unknown): string {
  const path = join(folder, `home-${++count}`)
  mkdirSync(join(path, 'p2pctl'), { recursive: true })
  writeFileSync(join(path, 'p2pctl/config.json'), JSON.stringify(content))
  return path
}

function sent(events: Line[]): number | undefined {
  const summary = events.at(-1)
  assert.ok(summary?.type === 'run.summary')
  return summary.sent
}

test('a flag counts before the environment, that before --config, that before the user config, that before the default', async () => {
  await using peer = start(['listen', '-l', '/ip4/127.0.0.1/tcp/0', '--json'])
  const [addr] = (await peer.next('listen.ready')).addrs
  const base = ['ping', addr!, '--json', '-i', '0.1']
  const user = { XDG_CONFIG_HOME: home({ count: 1 }) }
  const named = ['--config', config({ count: 2 })]
  const env = { P2PCTL_COUNT: '3' }
  const flag = ['--count', '4']

  const all = await run([...base, ...named, ...flag], { env: { ...user, ...env } })
  assert.equal(sent(all.events), 4)
  assert.equal(sent((await run([...base, ...named], { env: { ...user, ...env } })).events), 3)
  assert.equal(sent((await run([...base, ...named], { env: user })).events), 2)
  assert.equal(sent((await run(base, { env: { ...user, P2PCTL_CONFIG: named[1]! } })).events), 2)
  assert.equal(sent((await run(base, { env: user })).events), 1)

  // the default is to go on, and `none` is no file at all
  await using endless = start([...base, '--config', 'none'], { env: user })
  while ((await endless.next('ping.reply')).seq < 5);
  const { code, events } = await endless.stop('SIGINT')
  assert.equal(code, 0)
  assert.ok(sent(events)! >= 5)
})

/** What `version` writes under these settings: 'lines' for a person, 'events' for a program. */
async function form(env: Record<string, string>, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(['version', ...args], { env })
  assert.equal(code, 0, stderr)
  const lines = stdout.trimEnd().split('\n')
  if (!stdout.startsWith('{')) return 'lines'
  lines.forEach(parseEvent)
  return 'events'
}

test('a section of a command counts before the top of the file, and for that command alone', async () => {
  assert.equal(await form({}, '--config', config({ json: true })), 'events')
  assert.equal(await form({}, '--config', config({ json: true, version: { json: false } })), 'lines')
  assert.equal(await form({}, '--config', config({ json: false, version: { json: true } })), 'events')
  assert.equal(await form({}, '--config', config({ ping: { json: true } })), 'lines')
})

test('a stronger file that is silent on an option leaves it to the weaker one', async () => {
  assert.equal(await form({ XDG_CONFIG_HOME: home({ json: true }) }, '--config', config({ quiet: true })), 'events')
})

test('the environment can switch off what a file switches on', async () => {
  const on = config({ json: true })
  for (const no of ['0', 'false', 'no', 'off', '']) {
    assert.equal(await form({ P2PCTL_JSON: no }, '--config', on), 'lines', no)
  }
  for (const yes of ['1', 'true', 'yes', 'ON']) assert.equal(await form({ P2PCTL_JSON: yes }), 'events', yes)
})

test('no file in the current folder is read unasked', async () => {
  for (const name of ['config.json', 'p2pctl.json', '.p2pctl.json', '.p2pctlrc', 'package.json']) {
    writeFileSync(join(folder, name), '{"json": true, "p2pctl": {"json": true}}')
  }
  mkdirSync(join(folder, 'p2pctl'), { recursive: true })
  writeFileSync(join(folder, 'p2pctl/config.json'), '{"json": true}')
  const { stdout } = await run(['version'], { cwd: folder })
  assert.match(stdout, /^p2pctl /)
})

test('a usage error is an event too where the environment asks for events', async () => {
  const { code, stdout } = await run(['ping'], { env: { P2PCTL_JSON: '1' } })
  assert.equal(code, 2)
  const types = stdout
    .trimEnd()
    .split('\n')
    .map(line => parseEvent(line).type)
  assert.deepEqual(types, ['run.start', 'error', 'run.summary'])
})

const missing = join(folder, 'missing.json')
const wrong: [name: string, args: string[], env: Record<string, string>, sentence: RegExp][] = [
  ['a file that is missing', ['--config', missing], {}, /^cannot read the config \S+missing\.json: .*no such file/],
  ['a folder', ['--config', folder], {}, /^cannot read the config /],
  ['a missing file named in the environment', [], { P2PCTL_CONFIG: missing }, /^cannot read the config /],
  ['a file that is no JSON', ['--config', config('{')], {}, /\d+\.json is not JSON: /],
  ['a list', ['--config', config([])], {}, /\d+\.json is not an object of options$/],
  ['null', ['--config', config('null')], {}, /\d+\.json is not an object of options$/],
  ['a key that nobody knows', ['--config', config({ cuont: 1 })], {}, /\d+\.json: no option or command "cuont"$/],
  ['a key with control characters', ['--config', config({ 'a\x1b\u202e': 1 })], {}, /"a\\x1b\\u\{202e\}"$/],
  ['__proto__', ['--config', config('{"__proto__": {"json": true}}')], {}, /no option or command "__proto__"$/],
  ['an option of another command', ['--config', config({ ping: { ttl: '1h' } })], {}, /: ping has no option "ttl"$/],
  ['no section', ['--config', config({ ping: 5 })], {}, /: no option or command "ping"$/],
  ['a wrong number', ['--config', config({ count: 'ten' })], {}, /\d+\.json: count: a whole number, 1 at least$/],
  ['null for a number', ['--config', config({ count: null })], {}, /\d+\.json: count: give a text or a number$/],
  ['a wrong duration', ['--config', config({ timeout: '1d' })], {}, /\d+\.json: timeout: a duration is /],
  ['a wrong switch', ['--config', config({ quiet: 'maybe' })], {}, /\d+\.json: quiet: say true or false$/],
  ['a wrong word', ['--config', config({ color: 'red' })], {}, /\d+\.json: color: choose from auto, always, never$/],
  ['a wrong number in the environment', [], { P2PCTL_COUNT: 'ten' }, /^P2PCTL_COUNT=ten: a whole number, 1 at least$/],
  ['a wrong switch in the environment', [], { P2PCTL_QUIET: '2' }, /^P2PCTL_QUIET=2: say true or false$/],
  [
    'a wrong word in the environment',
    [],
    { P2PCTL_COLOR: 'red' },
    /^P2PCTL_COLOR=red: choose from auto, always, never$/
  ],
  ['a control character in the environment', [], { P2PCTL_COUNT: '\x1b[2J' }, /^P2PCTL_COUNT=\\x1b\[2J: /]
]
suite('wrong settings are wrong use, with what is wrong and where', { concurrency: 2 }, () => {
  for (const [name, args, env, sentence] of wrong) {
    test(name, async () => {
      const { code, stdout, stderr } = await run(['ping', ...args, '/ip4/127.0.0.1/tcp/1'], { env })
      assert.equal(code, 2, stderr)
      assert.equal(stdout, '')
      assert.match(stderr.split('\n')[0]!.replace(/^p2pctl: /, ''), sentence)
      const machine = await run(['ping', '--json', ...args, '/ip4/127.0.0.1/tcp/1'], { env })
      assert.equal(machine.code, 2)
      assert.deepEqual(
        machine.events.map(({ type }) => type),
        ['run.start', 'error', 'run.summary']
      )
      assert.equal(machine.stderr, stderr)
    })
  }
})

test('the user config is checked as well, and a user without one needs none', async () => {
  const { code, stderr } = await run(['version'], { env: { XDG_CONFIG_HOME: home({ cuont: 1 }) } })
  assert.equal(code, 2)
  assert.match(stderr, /^p2pctl: \S+p2pctl\/config\.json: no option or command "cuont"\n/)
  assert.equal((await run(['version'], { env: { XDG_CONFIG_HOME: missing } })).code, 0)
})
