import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Command, CommanderError, InvalidArgumentError } from 'commander'
import fc, { type Arbitrary } from 'fast-check'
import { run } from '../helpers/cli.ts'
import { anyText, asRefusal, forbidden, property, resultOf, seed, wordLike } from '../helpers/property.ts'
import { addrIn, parseAddr, parseTarget, transportOf } from '../../src/addr.ts'
import { canonicalPeerId, wrongsIn } from '../../src/addr-explain.ts'
import { readOrders } from '../../src/check/reporting.ts'
import { commandFirst, lacksCommand } from '../../src/cli/calls.ts'
import { declare } from '../../src/cli/lazy.ts'
import * as parse from '../../src/cli/parse.ts'
import { envName, settle } from '../../src/cli/settings.ts'
import { table } from '../../src/cli.ts'
import { parseCid, parseRecordKey } from '../../src/dht-keys.ts'
import { msOf } from '../../src/durations.ts'
import { readExpectations } from '../../src/expect.ts'
import { limitNames, limitTable } from '../../src/limits.ts'
import { parsePlace } from '../../src/place.ts'
import { targetOf } from '../../src/targets.ts'
import { checkTopic } from '../../src/topic.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-arguments-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const ED25519 = '12D3KooWGC6TvWhfagifX6nvdEwhc2rZaB3CnYGyeNM6AYvTMDYR'
const RSA = 'QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC'
const names = [
  ...['ip4', 'ip6', 'dns', 'dns4', 'dns6', 'dnsaddr', 'tcp', 'udp', 'ws', 'wss', 'tls', 'sni', 'quic-v1', 'p2p'],
  ...['p2p-circuit', 'webrtc', 'webrtc-direct', 'webtransport', 'certhash', 'unix', 'memory', 'http-path', 'ip6zone'],
  ...['ipfs', 'onion3', 'ipcidr', 'garlic64', 'tpc']
]
const values = [
  ...['127.0.0.1', '203.0.113.7', '::1', '2001:db8::1', '4001', '0', '65535', '65536', 'example.org', 'a.b.', ED25519],
  ...[
    RSA,
    `bafz${ED25519}`,
    'uEiAkH5a4DPGKUuOBjYw0CgwjvcJCJMD2K_1aluKR_tpevQ',
    '%2Ftmp%2Fx',
    'eth0',
    '',
    '1.2.3',
    'xn--e1afmkfd'
  ]
]
/** What looks like an address, and more often than chance has it, is one. */
const addrLike: Arbitrary<string> = fc.oneof(
  fc
    .array(fc.oneof(fc.tuple(wordLike(...names), wordLike(...values)), fc.tuple(wordLike(...names))), { maxLength: 6 })
    .map(parts => parts.map(part => `/${part.join('/')}`).join('')),
  wordLike(
    `/ip4/127.0.0.1/tcp/4001/p2p/${ED25519}`,
    `/ip4/1.2.3.4/udp/4001/quic-v1/p2p/${RSA}/p2p-circuit/p2p/${ED25519}`,
    ...['/dns4/example.org/tcp/443/wss', '/dnsaddr/example.org', '/unix/%2Ftmp%2Fx', `/p2p/${ED25519}`, ED25519, RSA]
  ),
  anyText
)

property(
  'an address is refused with a sentence, or says the same after its bytes',
  [addrLike],
  text => {
    const read = resultOf(() => parseAddr(text))
    if ('failure' in read) return assert.equal(read.failure.exitCode, 2)
    const addr = read.value
    assert.doesNotMatch(addr.toString(), forbidden)
    assert.equal(parseAddr(addr.toString()).toString(), addr.toString())
    assert.equal(addrIn(addr.bytes)[0]?.toString(), addr.toString())
    transportOf(addr)
  },
  { examples: [['/dns4/\u3164example.org/tcp/443/wss']] }
)

property('everything that is wrong with an address is said, and it comes to an end', [addrLike], text => {
  const wrongs = [...wrongsIn(text)]
  assert.equal('failure' in resultOf(() => parseAddr(text)), wrongs.length > 0)
  for (const { reason, hint } of wrongs) assert.doesNotMatch(reason + (hint?.() ?? ''), forbidden)
})

const targetOptions = fc.record({
  ...{ relay: fc.option(addrLike, { nil: undefined }), mdns: fc.option(fc.boolean(), { nil: undefined }) },
  ...{ dht: fc.boolean(), requirePeerId: fc.boolean() }
})
property('a target is refused with a sentence, or is an address', [addrLike, targetOptions], (text, options) => {
  const read = resultOf(() => targetOf(text, options))
  if ('failure' in read) return assert.equal(read.failure.exitCode, 2)
  const { peerId } = parseTarget(text)
  assert.equal(read.value.peerId, peerId)
  assert.equal(peerId == null ? null : canonicalPeerId(peerId), peerId)
})

/** What commander turns into exit 2. */
function parsed<T>(parser: (text: string) => T, text: string): T | null {
  try {
    return parser(text)
  } catch (error) {
    assert.ok(error instanceof InvalidArgumentError, String(error))
    return null
  }
}

const digits = fc.stringMatching(/^\d{0,20}(\.\d{0,6})?$/)
const durationLike = fc.oneof(
  fc.tuple(digits, wordLike('', 'ms', 's', 'm', 'h')).map(parts => parts.join('')),
  anyText
)
const sizeLike = fc.oneof(
  fc.tuple(digits, wordLike('', 'B', 'KiB', 'MiB', 'GiB', 'TiB')).map(parts => parts.join('')),
  anyText
)

property('a duration is refused, or a time that a timer can count', [durationLike], text => {
  const ms = parsed(parse.duration, text)
  if (ms != null) assert.ok(ms > 0 && ms <= 2 ** 31 - 1)
  const pause = parsed(parse.interval, text)
  if (pause != null) assert.ok(pause >= 10 && pause === ms)
})

property('a size is refused, or a whole number of bytes', [sizeLike], text => {
  const bytes = parsed(parse.size, text)
  if (bytes != null) assert.ok(Number.isSafeInteger(bytes) && bytes >= 0)
})

const amount = fc.double({ min: 0, max: 1e6, noNaN: true }).map(value => value.toFixed(6))
property(
  'a longer text of a duration or a size is never the shorter one',
  [amount, amount, fc.constantFrom('ms', 's', 'm', 'h'), fc.constantFrom('B', 'KiB', 'MiB', 'GiB')],
  (one, other, time, room) => {
    const order = Math.sign(Number(one) - Number(other))
    assert.ok(Math.sign(msOf(one + time) - msOf(other + time)) * order >= 0)
    assert.ok(Math.sign(parse.size(one + room) - parse.size(other + room)) * order >= 0)
    const [ms, s, m, h] = ['ms', 's', 'm', 'h'].map(unit => msOf(one + unit))
    assert.ok(ms! <= s! && s! <= m! && m! <= h!)
  }
)

property('a count, a port, a share, a protocol, a STUN server, a list of words', [fc.oneof(digits, anyText)], text => {
  const count = parsed(parse.count, text)
  if (count != null) assert.ok(Number.isSafeInteger(count) && count >= 1 && BigInt(text) === BigInt(count))
  const port = parsed(parse.port, text)
  if (port != null) assert.ok(Number.isInteger(port) && port >= 0 && port <= 65_535)
  const percent = parsed(parse.percent, text)
  if (percent != null) assert.ok(percent >= 0 && percent <= 100)
  const protocol = parsed(parse.protocolId, `/${text}`)
  if (protocol != null) assert.doesNotMatch(protocol, forbidden)
  for (const url of parsed(parse.stunUrls, `stun:${text}`) ?? []) assert.doesNotMatch(url, forbidden)
  parsed(parse.words('tcp', 'ws'), text)
})

const limitLike = fc
  .array(
    fc.tuple(wordLike(...limitNames), fc.oneof(durationLike, sizeLike)).map(parts => parts.join('=')),
    { maxLength: 3 }
  )
  .map(list => list.join(','))
property(
  '--limit is refused, or within the range of its row',
  [fc.oneof(limitLike, anyText)],
  text => {
    const limits = parsed(parse.limits, text)
    for (const [name, value] of Object.entries(limits ?? {})) {
      const { range } = limitTable[name as keyof typeof limitTable]
      assert.ok(Number.isFinite(value) && value >= range[0] && value <= range[1])
      assert.deepEqual(
        parse.limits(`${name}=${parse.limitText(limitTable[name as keyof typeof limitTable].unit, value)}`),
        { [name]: value }
      )
    }
  },
  { share: 0.5 }
)

property(
  'a place, a topic, a key of the DHT, orders of reports',
  [fc.oneof(addrLike, wordLike('127.0.0.1:80', '[::1]:80', '80', './x'))],
  text => {
    for (const read of [
      () => parsePlace(text, '--forward'),
      () => checkTopic(text),
      () => parseCid(text),
      () => parseRecordKey(text),
      () => readOrders([`junit=${text}`, text], false)
    ]) {
      const result = resultOf(read)
      if ('failure' in result) assert.equal(result.failure.exitCode, 2)
    }
  }
)

property(
  'expectations of dial are refused with a sentence, or can be held against anything',
  [wordLike('203.0.113.0/24', '::/0', '/ip4/1.2.3.4', '127.0.0.1'), wordLike('kubo', '/^kubo/i', '/(/'), anyText],
  (expectObserved, expectAgent, text) => {
    const result = resultOf(() =>
      readExpectations({ expectObserved, expectAgent, expectProtocol: [text], expectPeer: ED25519 })
    )
    if ('failure' in result) assert.equal(result.failure.exitCode, 2)
  },
  { share: 0.2 }
)

/** Every command by its words, and its flags. */
const commands = (() => {
  const all = (command: Command, words: string[]): [string[], string[]][] => {
    const flags = command.options.flatMap(({ short, long }) => [short, long].filter(flag => flag != null))
    return [
      [words, flags] as [string[], string[]],
      ...command.commands.flatMap(one => all(one, [...words, one.name()]))
    ]
  }
  return table()
    .commands.map(declare)
    .flatMap(command => all(command, [command.name()]))
})()
const everyWords = commands.map(([words]) => words)
const flags = [...new Set(commands.flatMap(([, own]) => own))]
const word = fc.oneof(
  { weight: 4, arbitrary: addrLike },
  {
    weight: 2,
    arbitrary: fc.constantFrom('--', '-', '', '@x', '--=', '-c5', '--no-x', '1', '5s', '64KiB', 'none', '/')
  },
  { weight: 1, arbitrary: durationLike },
  { weight: 1, arbitrary: anyText }
)
const anyArgv: Arbitrary<string[]> = fc.constantFrom(...commands).chain(([words, own]) => {
  const flag = fc.oneof(
    { weight: 5, arbitrary: fc.constantFrom(...own, '--help') },
    { weight: 1, arbitrary: wordLike(...flags) }
  )
  const joined = fc.tuple(flag, word).map(parts => parts.join('='))
  return fc
    .array(fc.oneof(fc.tuple(flag, word), fc.tuple(flag), fc.tuple(word), fc.tuple(joined)), { maxLength: 6 })

    .chain(parts =>
      fc.oneof(
        { weight: 9, arbitrary: fc.constant<string[]>([...words, ...parts.flat()]) },
        { weight: 1, arbitrary: fc.constant<string[]>([...parts.flat(), ...words]) }
      )
    )
})

/** The table as main() uses it; what would be done is left out. */
function parseArgv(given: string[], env: NodeJS.ProcessEnv): Record<string, unknown> | null {
  const program = table()
  let options: Record<string, unknown> | null = null
  const quiet = (command: Command): void => {
    command.configureOutput({ writeOut: () => {} })
    command.action((...called: unknown[]) => {
      const self = called.at(-1) as Command
      options = settle(self, env)
    })
    for (const one of command.commands) quiet(one)
  }
  const args = commandFirst(given, program)
  const named = program.commands.find(command => command.name() === args[0])
  program.configureOutput({ writeOut: () => {} })
  if (named != null) quiet(declare(named))
  if (args.length === 0 || lacksCommand(args, program)) return null
  program.parse(args, { from: 'user' })
  return options
}

const noConfig = { P2PCTL_CONFIG: 'none', HOME: folder }

/** Whether the command line is taken; false where it is refused with a sentence. */
function isTaken(argv: string[], env: NodeJS.ProcessEnv = noConfig): boolean {
  try {
    return parseArgv(argv, env) != null
  } catch (error) {
    if (!(error instanceof CommanderError)) assert.equal(asRefusal(error).exitCode, 2)
    return false
  }
}

property('any command line is refused with a sentence, or taken', [anyArgv], argv => void isTaken(argv))

const refused = fc.sample(anyArgv, { seed, numRuns: 400 }).filter(argv => {
  const sound = argv.every(arg => !arg.includes('\0')) && !argv.some(arg => /^(-h|-V|--(help|version)|help)/.test(arg))
  return sound && argv.length > 0 && argv[0] !== '__complete' && !isTaken(argv)
})
test('a command line that is refused is exit 2 and a sentence, for people and for programs', async () => {
  assert.ok(refused.length >= 24)
  const each = async (argv: string[]): Promise<void> => {
    const { code, stdout, stderr } = await run(argv, { env: { P2PCTL_CONFIG: 'none' } })
    assert.equal(code, 2, JSON.stringify([argv, stderr]))
    assert.doesNotMatch(stderr, /\n\s+at /)
    if (argv.includes('--json')) for (const line of stdout.trimEnd().split('\n')) JSON.parse(line)
    else assert.equal(stdout, '')
  }
  for (let at = 0; at < 24; at += 4) await Promise.all(refused.slice(at, at + 4).map(each))
})

const optionNames = [
  ...new Set(commands.flatMap(([, own]) => own.filter(flag => flag.startsWith('--')).map(flag => flag.slice(2))))
]
const configValue = fc.oneof(
  anyText,
  fc.double(),
  fc.boolean(),
  fc.jsonValue({ maxDepth: 2, depthSize: 'small' }),
  durationLike
)
const anyConfig = fc.dictionary(
  wordLike(...optionNames, 'dial', 'ping', 'key gen'),
  fc.oneof(configValue, fc.dictionary(wordLike(...optionNames), configValue, { maxKeys: 2 })),
  { maxKeys: 3 }
)
const path = join(folder, 'config.json')

property(
  'any config file is refused with a sentence, or taken',
  [
    fc.constantFrom(...everyWords),
    fc.oneof(
      anyConfig.map(config => JSON.stringify(config)),
      fc.json(),
      anyText
    )
  ],
  (words, text) => {
    writeFileSync(path, text)
    isTaken([...words, 'x', '--config', path], { HOME: folder, XDG_CONFIG_HOME: folder })
  },
  {
    share: 0.2,
    examples: [
      [everyWords[0]!, '{"transport":{"toString":1}}'],
      [everyWords[0]!, '{"json":{"toString":1}}'],
      [everyWords[0]!, '{"__proto__":{"json":true}}']
    ]
  }
)

const variables = [...new Set(optionNames.map(name => `P2PCTL_${name.toUpperCase().replaceAll('-', '_')}`))]
property(
  'any environment is refused with a sentence, or taken',
  [
    fc.constantFrom(...everyWords),
    fc.dictionary(wordLike(...variables), fc.oneof(configValue.map(String), anyText), { maxKeys: 3 })
  ],
  (words, env) => {
    isTaken([...words, 'x'], { ...env, ...noConfig })
  },
  { share: 0.5 }
)

test('the names of the environment are those of the options', () => {
  const [own] = table().commands.map(declare)
  for (const option of own!.options) assert.match(envName(option), /^P2PCTL_[A-Z0-9_]+$/)
})
