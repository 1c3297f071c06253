/**
 * Every limit has a test that shows it at its value and beyond: one whose title begins with "limit", the name of a row
 * of src/limits.ts or of an option that is a limit, and a colon.
 */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { limits } from '../src/cli/parse.ts'
import { limitNames, limitsOf, limitTable, ownOptions } from '../src/limits.ts'
import { limitTests } from '../scripts/limit-tests.ts'
import { root, run } from './helpers/cli.ts'
import { defaultOf } from './helpers/limits.ts'
import { closedPort } from './helpers/raw-server.ts'

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-limits-'))
after(() => rmSync(folder, { recursive: true, force: true }))

describe('every limit has its test', () => {
  const found = limitTests(join(root, 'test'))
  const known = [...limitNames, ...ownOptions.map(([option]) => option.split(' ')[0]!)]

  for (const name of known) {
    test(`${name} is shown at its value and beyond`, () => {
      const [first] = found.get(name) ?? []
      assert.ok(first, `no test is called "limit ${name}: ..."`)
      assert.ok(existsSync(join(root, 'test', first.file)))
    })
  }

  test('and no test is about a limit that there is not', () => {
    const names = new Set(known)
    assert.deepEqual(
      [...found.keys()].filter(name => !names.has(name)),
      []
    )
  })

  test('what the help says of options is their default', () => {
    for (const [option, commands, says] of ownOptions) {
      const [long = '', value = ''] = option.split(' ')
      // 1s unless told: what stands there is the least
      if (long === '--interval') continue
      const [command = ''] = commands.split(' ')
      const number = long === '--keep-free' || /^\d+$/.test(value) ? Number(value) : sizeOf(value)
      assert.equal(defaultOf(command, long), number, `${option}: ${says}`)
    }
  })

  test('the defaults are those that were decided on', () => {
    const MIB = 2 ** 20
    assert.deepEqual(limitsOf(), {
      pending: 128,
      'pending-per-ip': 4,
      'upgrade-timeout': 5000,
      'new-per-ip': 5,
      'new-per-ip-burst': 20,
      penalty: 10_000,
      'penalty-most': 600_000,
      'exempt-loopback': 1,
      'bytes-before-auth': 16_384,
      connections: 300,
      'connections-per-peer': 8,
      'connections-per-ip': 32,
      'memory-refuse': 512 * MIB,
      'memory-close': 768 * MIB,
      streams: 64,
      'new-streams': 50,
      'idle-frames': 1000,
      'small-frames': 10_000,
      'read-buffer': MIB,
      'write-buffer': MIB,
      'identify-protocols': 256,
      'identify-addrs': 100,
      'dns-depth': 4,
      'dns-queries': 32,
      'dns-addrs': 16,
      'ping-streams': 2,
      'ping-rate': 100,
      'ping-idle': 60_000,
      'stop-in-order': 3000,
      'stop-hard': 5000
    })
  })

  test('a default lies in its range', () => {
    for (const name of limitNames) {
      const { range, default: value } = limitTable[name]
      assert.ok(range[0] <= value && value <= range[1], name)
    }
    assert.deepEqual(limitsOf({ streams: 3 }).streams, 3)
    assert.equal(limitsOf({ streams: 3 })['new-streams'], limitTable['new-streams'].default)
  })
})

/** `128KiB`, `1h` */
function sizeOf(text: string): number {
  const [, number = '', unit = ''] = /^(\d+)(\w+)$/.exec(text) ?? []
  const units: Record<string, number> = {
    KiB: 2 ** 10,
    MiB: 2 ** 20,
    GiB: 2 ** 30,
    ms: 1,
    s: 1000,
    m: 60_000,
    h: 3_600_000
  }
  return Number(number) * units[unit]!
}

describe('--limit', { timeout: 60_000 }, () => {
  const refused = (text: string): string => {
    try {
      limits(text)
    } catch (error) {
      return (error as Error).message
    }
    return assert.fail(`${text} is taken`)
  }

  test('takes counts, sizes and durations, several with commas between, and is given again for more', () => {
    assert.deepEqual(limits('streams=9'), { streams: 9 })
    assert.deepEqual(limits('read-buffer=2MiB, upgrade-timeout=250ms,penalty=0,pending-per-ip=8'), {
      'read-buffer': 2_097_152,
      'upgrade-timeout': 250,
      penalty: 0,
      'pending-per-ip': 8
    })
    assert.deepEqual(limits('dns-addrs=1', { streams: 9 }), { streams: 9, 'dns-addrs': 1 })
  })

  test('refuses each other text, and says what is meant', () => {
    for (const [text, says] of [
      ['strems=9', 'no limit "strems": did you mean streams?'],
      ['dns-adrs=9', 'no limit "dns-adrs": did you mean dns-addrs?'],
      ['bananas=9', 'no limit "bananas": p2pctl help limits names them'],
      ['__proto__=9', 'no limit "__proto__": p2pctl help limits names them'],
      ['', 'no limit "": p2pctl help limits names them'],
      ['streams', 'a limit is given as streams=VALUE.'],
      ['streams=', 'a whole number.'],
      ['streams=1.5', 'a whole number.'],
      ['streams=-1', 'a whole number.'],
      ['streams=1e3', 'a whole number.'],
      ['streams=9,streams=10', 'streams is given twice.'],
      ['streams=9,', 'no limit "": p2pctl help limits names them'],
      ['read-buffer=much', 'a size is 128KiB, 10MiB, 1GiB or a number of bytes.'],
      ['upgrade-timeout=long', 'a duration is 250ms, 2s, 1m, 1h or a number of seconds, and more than 0.']
    ] as const) {
      assert.equal(refused(text), says, text)
    }
    assert.throws(() => limits('streams=9', { streams: 9 }), /streams is given twice/)
  })

  test('each is taken at both ends of its range, and not beyond', () => {
    for (const name of limitNames) {
      const { unit, range } = limitTable[name]
      const written = (value: number): string => `${name}=${value}${unit === 'ms' ? 'ms' : ''}`
      // what is no duration at all
      const [least, most] = range
      if (unit !== 'ms' || least > 0) assert.deepEqual(limits(written(least)), { [name]: least })
      assert.deepEqual(limits(written(most)), { [name]: most })
      assert.match(refused(written(most + 1)), new RegExp(`^${name} is \\S+ to \\S+\\.$|^at most 24 days`))
      if (least > 0) assert.match(refused(written(least - 1)), /^[\w-]+ is \S+ to \S+\.$|more than 0/)
    }
  })

  test('is an option of every command that meets peers, exit 2 where it is wrong, from wherever it comes', async () => {
    const file = join(folder, 'config.json')
    writeFileSync(file, JSON.stringify({ limit: 'strems=1' }))
    const target = '/ip4/127.0.0.1/tcp/1'
    const cases: [argv: string[], env: Record<string, string>][] = [
      [['dial', '--limit', 'strems=1', target], {}],
      [['listen', '--limit', 'strems=1'], {}],
      [['addr', 'resolve', '--limit', 'strems=1', target], {}],
      [['exporter', '--limit', 'strems=1'], {}],
      [['dial', target], { P2PCTL_LIMIT: 'strems=1' }],
      [['relay', '--config', file], {}]
    ]
    for (const [argv, env] of cases) {
      const { code, stderr } = await run(argv, { env })
      assert.equal(code, 2, argv.join(' '))
      assert.match(stderr, /no limit "strems": did you mean streams\?/)
    }
  })
})

test('limit --interval: pings 100 ms apart, and not 99; 10 ms with -f, and not 9', { timeout: 60_000 }, async () => {
  // what is taken comes as far as the dial
  const target = `/ip4/127.0.0.1/tcp/${await closedPort()}`
  for (const [argv, code] of [
    [['-i', '100ms'], 1],
    [['-i', '99ms'], 2],
    [['-i', '10ms', '-f'], 1],
    [['-i', '9ms', '-f'], 2]
  ] as const) {
    const ran = await run(['ping', '-c', '1', ...argv, target])
    assert.equal(ran.code, code, `${argv.join(' ')}: ${ran.stderr}`)
  }
})
