import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { generateKeyFile } from '../src/keys.ts'
import { root, run } from './helpers/cli.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-cli-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const at = (name: string): string => join(folder, name)
const file = (name: string, text: string, mode = 0o600): string => {
  writeFileSync(at(name), text)
  chmodSync(at(name), mode)
  return at(name)
}

const peer = '12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN'
const someone = '/ip4/127.0.0.1/tcp/4001'
const key = at('id.key')
await generateKeyFile(key)
const open = at('open.key')
await generateKeyFile(open)
chmodSync(open, 0o644)
const garbage = file('garbage.key', 'not a key')
const empty = file('empty.txt', '# nobody\n\n   # here\n')
const wrong = file('wrong.txt', `${someone}\n/ip4/127.0.0.1/tpc/4001\n`)
const missing = at('missing')

/** The arguments, the exit code, the first line of stderr after `p2pctl: `, and what stands behind `try`. */
type Row = [argv: string[], code: number, sentence: string | RegExp, hint?: string | RegExp]

const usage: Row[] = [
  [['bogus'], 2, "unknown command 'bogus'", 'p2pctl help'],
  [['pign'], 2, "unknown command 'pign'", 'Did you mean ping?'],
  [['--bogus'], 2, "unknown option '--bogus'"],
  [['ping', '--bogus', someone], 2, "unknown option '--bogus'", 'p2pctl help ping'],
  [['--bogus', 'ping', someone], 2, "unknown option '--bogus'", 'p2pctl help ping'],
  [['ping', '--jsn', someone], 2, "unknown option '--jsn'", 'Did you mean --json?'],
  [['ping'], 2, "missing required argument 'target'", 'p2pctl help ping'],
  [['dial'], 2, "missing required argument 'target'", /./],
  [
    ['send', '-f', 'a.txt', '/ip4/127.0.0.1/tcp/1'],
    2,
    "missing required argument 'target'",
    /^-f takes all.* before it$/
  ],
  [['send', '-f', 'a.txt'], 2, "missing required argument 'target'", 'p2pctl help send'],
  [['send', someone], 2, 'there is nothing to send', /give a text/],
  [['key', 'bogus'], 2, "unknown command 'bogus'", 'p2pctl help key'],
  [['key', 'gen'], 2, "missing required argument 'file'"],
  [['ping', someone, '-c'], 2, "option '-c, --count <n>' argument missing"],
  [['version', 'more'], 2, /^too many arguments for 'version'/],
  [['listen', 'more'], 2, /^too many arguments for 'listen'/],
  [['schema', 'nope'], 2, 'no event type "nope"', /^the types are: run\.start, /],
  [['schema', 'constructor'], 2, 'no event type "constructor"', /^the types are: run\.start, /],
  [['schema', 'check'], 2, 'no event type "check"', /, check\.emit, check-file$/],
  [
    ['schema', 'ping.nope'],
    2,
    'no event type "ping.nope"',
    'the types are: ping.reply, ping.timeout, ping.late, ping.fail'
  ],
  [
    ['ping', '-i', '99ms', someone],
    2,
    '--interval is at least 100ms, and 10ms with -f',
    'add -f to send a flood of pings to a peer of your own'
  ],
  [['peers'], 2, 'no source of peers is named', /--bootstrap/],
  [['send', '-', '-'], 2, 'the target and the message cannot both come from stdin'],
  [['\x1b[31m\u202e'], 2, "unknown command '\\x1b[31m\\u{202e}'"],
  [['ping', '--\x1b[31m', someone], 2, "unknown option '--\\x1b[31m'"]
]

const durationWords = 'a duration is 250ms, 2s, 1m, 1h or a number of seconds, and more than 0'
const sizeWords = 'a size is 128KiB, 10MiB, 1GiB or a number of bytes'
const countWords = 'a whole number, 1 at least'
const portWords = 'a port is 0 to 65535'

/** An option of a command, the values it refuses, and why. */
const values: [command: string[], option: string, values: string[], why: string][] = [
  [['ping', someone], '--timeout', ['0', '0s', '-1', '5x', '1d', 's', '', '1e3', '1s2', 'Infinity'], durationWords],
  [['ping', someone], '--deadline', ['0'], durationWords],
  [['ping', someone], '--deadline', ['597h', '99999999999'], 'at most 24 days'],
  [['ping', someone], '--interval', ['5ms', '0.005'], 'at least 100ms, or 10ms with -f'],
  [['ping', someone], '--count', ['0', '-3', '1.5', 'ten', '', '0x10', '99999999999999999999'], countWords],
  [['ping', someone], '--transport', ['quic', 'tcp,quic', ''], 'choose from tcp, ws, '],
  [['ping', someone], '--color', ['red'], /choose from auto, always, never/.source],
  [['listen'], '--tcp', ['65536', 'http', '-1', '80.5'], portWords],
  [['listen'], '--ws', ['65536'], portWords],
  [['listen'], '--max-message', ['1KB', '-1', 'much', '1e6', '9999999TiB'], sizeWords],
  [['listen'], '--for', ['never'], durationWords],
  [['listen'], '--exit-after', ['0'], countWords],
  [['relay'], '--max-reservations', ['0', 'many'], countWords],
  [['relay'], '--limit-data', ['5KB', '128 KiB'], sizeWords],
  [['relay'], '--ttl', ['0'], durationWords],
  [['peers', '--bootstrap', someone], '--min', ['0'], countWords]
]
for (const [command, option, refused, why] of values) {
  for (const value of refused) {
    const sentence = new RegExp(`^option '.*${option}[^']*' argument '${escaped(value)}' is invalid: .*${escaped(why)}`)
    usage.push([[...command, `${option}=${value}`], 2, sentence, `p2pctl help ${command[0]}`])
  }
}

const invalid = (text: string, why: string, hint?: string | RegExp): Row => [
  ['ping', '--', text],
  2,
  `invalid multiaddr "${text.replace('\x1b', '\\x1b').replace('\u202e', '\\u{202e}').replace('\n', '\\n')}": ${why}`,
  hint
]
const addresses: Row[] = [
  invalid('', 'it is empty', /^a multiaddr looks like/),
  invalid('somebody', 'it does not begin with "/"'),
  invalid('192.0.2.7:4001', 'it does not begin with "/"', '/ip4/192.0.2.7/tcp/4001'),
  invalid('[2001:db8::1]:4001', 'it does not begin with "/"', '/ip6/2001:db8::1/tcp/4001'),
  invalid('wss://example.org', 'it does not begin with "/"', '/dns4/example.org/tcp/443/wss'),
  invalid('-c', 'it does not begin with "/"'),
  invalid('/ip4/192.0.2.7/tpc/4001', 'unknown protocol "tpc"', '/ip4/192.0.2.7/tcp/4001'),
  invalid('/ip4/192.0.2.7/tcp/99999', 'bad port "99999"', 'a port is a number from 0 to 65535'),
  invalid('/ip4/192.0.2.7/tcp', '"/tcp" has no port', '/ip4/192.0.2.7/tcp/4001'),
  invalid('/ip4/192.0.2.7', 'no port after "192.0.2.7"', '/ip4/192.0.2.7/tcp/4001'),
  invalid('/ip4/192.0.2.777/tcp/1', 'bad IPv4 address "192.0.2.777"'),
  invalid('/ip4/example.org/tcp/1', 'bad IPv4 address "example.org"', '/dns4/example.org/tcp/1'),
  invalid(`${someone}/p2p/abc`, 'bad peer ID "abc"', 'a peer ID looks like 12D3KooW... or Qm...'),
  invalid('/dns4/a b/tcp/1', 'it contains a space'),
  invalid('/dns4/a\x1b[31mb/tcp/1', 'it contains the character \\x1b'),
  invalid('/dns4/a\nb/tcp/1', 'it contains the character \\n'),
  invalid('/dns4/a\u202eb/tcp/1', 'it contains the character \\u{202e}'),
  [['ping', peer], 2, `${peer} is a peer ID without an address, and no source is named`, /--relay ADDR/],
  [['ping', '--relay', 'x', peer], 2, 'invalid multiaddr "x": it does not begin with "/"'],
  [
    ['dial', '--require-peer-id', someone],
    2,
    `${someone} has no /p2p/PEER-ID, and --require-peer-id wants one`,
    'add /p2p/PEER-ID'
  ],
  [['listen', '-l', '/ip4/127.0.0.1/tpc/0'], 2, /^invalid multiaddr .*: unknown protocol "tpc"$/],
  [['listen', '--announce', 'x'], 2, 'invalid multiaddr "x": it does not begin with "/"'],
  [['listen', '--circuit', 'x'], 2, 'invalid multiaddr "x": it does not begin with "/"'],
  [['relay', '-l', 'x'], 2, 'invalid multiaddr "x": it does not begin with "/"'],
  [['peers', '--bootstrap', 'x'], 2, 'invalid multiaddr "x": it does not begin with "/"'],
  [['send', 'x', 'hello'], 2, 'invalid multiaddr "x": it does not begin with "/"'],
  [['dial', '--dns', 'a b', '/dns4/example.org/tcp/1'], 2, 'invalid DNS server "a b"', /9\.9\.9\.9/]
]

const files: Row[] = [
  [['dial', `@${empty}`], 2, `no target in @${empty}`, 'write one multiaddr a line'],
  [['dial', '-'], 2, 'no target in -', 'write one multiaddr a line'],
  [['dial', `@${wrong}`], 2, 'invalid multiaddr "/ip4/127.0.0.1/tpc/4001": unknown protocol "tpc"'],
  [['send', `@${file('two.txt', `${someone}\n${someone}\n`)}`, 'hello'], 2, 'send takes one target, not 2'],
  [['dial', `@${missing}`], 3, new RegExp(`^cannot read the targets in ${missing}: .*no such file`)],
  [['dial', `@${folder}`], 3, new RegExp(`^cannot read the targets in ${folder}: .*directory`)],
  [
    ['dial', '--identity', open, someone],
    3,
    `private key ${open} is readable by others (mode 0644)`,
    `chmod 600 ${open}`
  ],
  [['listen', '--identity', open], 3, `private key ${open} is readable by others (mode 0644)`],
  [['key', 'show', open], 3, `private key ${open} is readable by others (mode 0644)`, `chmod 600 ${open}`],
  [['key', 'show', garbage], 2, `private key ${garbage} is not a libp2p private key`],
  [['ping', '--identity', garbage, someone], 2, `private key ${garbage} is not a libp2p private key`],
  [['key', 'show', missing], 3, `cannot read private key ${missing}: no such file or folder`],
  [['key', 'show', folder], 3, `cannot read private key ${folder}: it is a directory`],
  [['key', 'gen', key], 3, `cannot write ${key}: it exists already`, /choose another name/],
  [['key', 'gen', join(missing, 'id.key')], 3, `cannot write ${join(missing, 'id.key')}: no such file or folder`]
]

for (const [name, rows] of Object.entries({ 'wrong use': usage, 'wrong addresses': addresses, files: files })) {
  suite(`${name} is said in a sentence, with and without --json`, { concurrency: 2 }, () => {
    for (const row of rows) test(`p2pctl ${row[0].map(quoted).join(' ')}`, () => check(row))
  })
}

async function check([argv, code, sentence, hint = /./]: Row): Promise<void> {
  const person = await run(argv)
  const [first = '', ...rest] = person.stderr.trimEnd().split('\n')
  assert.equal(person.code, code, person.stderr)
  assert.equal(person.stdout, '')
  assert.ok(first.startsWith('p2pctl: '), first)
  matches(first.slice('p2pctl: '.length), sentence)
  assert.doesNotMatch(person.stderr, /^ {4}at |[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]/m)
  const tried = rest.find(line => line.startsWith('  try'))
  matches(tried?.slice('  try    '.length) ?? '', hint)
  assert.match(rest.at(-1)!, /^ {2}code {3}\w+ {3}\(p2pctl help errors\)$/)

  // behind the command, so that no option takes it for its value
  const machine = await run(argv.toSpliced(argv[0] === 'key' ? 2 : 1, 0, '--json'))
  assert.equal(machine.code, code, machine.stderr)
  assert.deepEqual(
    machine.events.map(({ type }) => type),
    ['run.start', 'error', 'run.summary']
  )
  const [, error, summary] = machine.events
  assert.ok(error?.type === 'error' && summary?.type === 'run.summary')
  assert.equal(error.exit_code, code)
  assert.equal(summary.exit_code, code)
  assert.equal(summary.ok, false)
  assert.equal(summary.reason, 'error')
  assert.equal(`p2pctl: ${error.message}`, first)
  assert.equal(`  code   ${error.code}   (p2pctl help errors)`, rest.at(-1))
  assert.equal(machine.stderr, person.stderr)
  assert.ok(machine.stdout.endsWith('\n'))
}

test('a group of commands alone is wrong use', async () => {
  const { code, stdout, stderr } = await run(['key'])
  assert.equal(code, 2)
  assert.equal(stdout, '')
  assert.match(stderr, /^p2pctl: missing command\n {2}try {4}p2pctl help key\n/)
})

test('a key that exists is not touched, and one that cannot be written leaves nothing', async () => {
  const { events } = await run(['key', 'show', key, '--json'])
  const before = events.find(({ type }) => type === 'key.show')
  await run(['key', 'gen', key])
  const after = (await run(['key', 'show', key, '--json'])).events.find(({ type }) => type === 'key.show')
  assert.ok(before?.type === 'key.show' && after?.type === 'key.show')
  assert.equal(after.peer_id, before.peer_id)
  assert.equal(existsSync(missing), false)
})

test('options may stand before the command', async () => {
  for (const argv of [
    ['--json', 'ping', 'x'],
    ['-W', '5s', '--json', 'ping', 'x'],
    ['--color', 'never', 'ping', 'x', '--json']
  ]) {
    const { code, events } = await run(argv)
    assert.equal(code, 2)
    assert.deepEqual(
      events.map(({ type, cmd }) => `${cmd} ${type}`),
      ['ping run.start', 'ping error', 'ping run.summary']
    )
  }
  const { code, stderr } = await run(['-c', '1', '--require-peer-id', 'ping', someone])
  assert.equal(code, 2)
  assert.match(stderr, /--require-peer-id wants one/)
})

test('a name that begins with a dash is reached after --', async () => {
  const { code, stdout } = await run(['key', 'gen', '--', '-id.key'], { cwd: folder })
  assert.equal(code, 0)
  assert.equal((await run(['key', 'show', '--', '-id.key'], { cwd: folder })).stdout, stdout)
})

test('the version is that of package.json', async () => {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  for (const argv of [['-V'], ['--version']]) {
    assert.deepEqual(
      { ...(await run(argv)), events: [] },
      { code: 0, signal: null, stdout: `${manifest.version}\n`, stderr: '', events: [] }
    )
  }
  const { events } = await run(['version', '--json'])
  const shown = events.find(({ type }) => type === 'version.show')
  assert.ok(shown?.type === 'version.show')
  assert.equal(shown.version, manifest.version)
  assert.equal(shown.node, process.versions.node)
})

function matches(text: string, expected: string | RegExp): void {
  if (typeof expected === 'string') assert.equal(text, expected)
  else assert.match(text, expected)
}

function escaped(text: string): string {
  return text.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&')
}

function quoted(arg: string): string {
  return /^[\w./@=:-]+$/.test(arg) ? arg.replace(folder, '') : JSON.stringify(arg).replace(folder, '')
}
