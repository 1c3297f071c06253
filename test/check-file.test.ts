import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { parse } from 'yaml'
import { type Check, type Plan, planOf, readCheckFile } from '../src/check/plan.ts'
import { checkFileSchema } from '../src/check/schema.ts'
import { kindTable } from '../src/check/table.ts'
import { readVariables } from '../src/check/variables.ts'
import { Failure } from '../src/errors.ts'
import { PEER } from './helpers/sample-events.ts'

const ADDR = '/ip4/127.0.0.1/tcp/4001'

interface Given {
  vars?: string[]
  fromEnv?: string[]
  env?: NodeJS.ProcessEnv
}

function read(text: string, { vars = [], fromEnv = [], env = {} }: Given = {}): Plan {
  return readCheckFile('f.yaml', text, readVariables('f.yaml', vars, fromEnv, env), {})
}

function wrong(text: string, given?: Given): { at: string; message: string; failure: Failure } {
  try {
    read(text, given)
  } catch (failure) {
    assert.ok(failure instanceof Failure, String((failure as Error).stack))
    assert.equal(failure.exitCode, 2)
    const [, at = '', message = failure.message] = /^f\.yaml:(\d+:\d+): (.*)$/s.exec(failure.message) ?? []
    return { at, message, failure }
  }
  assert.fail(`it was taken: ${text}`)
}

/** A check of a kind with one line of expectations, in line 4. */
const expecting = (expect: string, kind = `dial: ${ADDR}`): string =>
  `checks:\n  - ${kind}\n    expect:\n      ${expect}\n`

function only({ checks }: Plan): Check {
  assert.equal(checks.length, 1)
  return checks[0]!
}

function holds(expect: string, field: string, value: never, given?: Given): boolean | null {
  const found = only(read(expecting(expect), given)).expectations.find(one => one.field === field)
  return found!.test(value)
}

describe('a check file that is wrong is exit 2, with the line, the column and what was meant', () => {
  const table: [name: string, text: string, at: string, message: RegExp, hint?: RegExp][] = [
    ['nothing in it', '', '1:1', /has defaults and checks at its top/],
    ['a list at the top', '- dial: x', '1:1', /has defaults and checks at its top/],
    ['no checks', 'defaults: {}\n', '1:1', /there are no checks/],
    ['an empty list of checks', 'checks: []\n', '1:9', /the list is empty/],
    ['no list of checks', 'checks: 5\n', '1:9', /it is a list of checks/],
    ['a key at the top', 'check: []\n', '1:1', /there is no check/, /did you mean checks\?/],
    ['no YAML', 'checks:\n  - dial: [\n', '3:1', /flow sequence/i],
    ['a tab', 'checks:\n\t- dial: x\n', '2:1', /tab/i],
    ['two documents', 'checks: []\n---\nchecks: []\n', '2:1', /multiple documents/i],
    ['a tag', `checks:\n  - dial: !!js/function "x"\n`, '2:11', /tag/i],
    [
      'a key twice',
      `checks:\n  - dial: ${ADDR}\n    for: 1s\n    for: 2s\n`,
      '4:5',
      /for stands there twice, first in line 3/
    ],
    ['a merge key', `checks:\n  - dial: ${ADDR}\n    <<: {}\n`, '3:5', /no merge keys/, /defaults/],
    ['a key that is no text', `checks:\n  - dial: ${ADDR}\n    1: 2\n`, '3:5', /a key is a text/],
    ['an alias of nothing', `checks:\n  - dial: *x\n`, '2:11', /alias|&x/i],
    ['no kind', `checks:\n  - name: x\n`, '2:5', /does not say what to look at/],
    [
      'a kind that there is not',
      `checks:\n  - name: x\n    dail: ${ADDR}\n`,
      '3:5',
      /there is no dail/,
      /did you mean dial\?/
    ],
    ['two kinds', `checks:\n  - dial: ${ADDR}\n    ping: ${ADDR}\n`, '3:5', /looks at two things/],
    [
      'a setting that there is not',
      `checks:\n  - dial: ${ADDR}\n    timout: 1s\n`,
      '3:5',
      /there is no timout/,
      /timeout/
    ],
    [
      'a setting of another kind',
      `checks:\n  - dial: ${ADDR}\n    interval: 1s\n`,
      '3:5',
      /no interval/,
      /it is for ping/
    ],
    [
      'a field beside expect',
      `checks:\n  - dial: ${ADDR}\n    total_ms: 1\n`,
      '3:5',
      /no total_ms/,
      /put it under expect/
    ],
    ['a setting under expect', expecting('timeout: 1s'), '4:7', /no field timeout/, /beside expect/],
    ['a setting of defaults', 'defaults:\n  name: x\nchecks: []\n', '2:3', /there is no name/],
    ['no address', 'checks:\n  - dial: /ip4/127.0.0.1/tpc/1\n', '2:11', /unknown protocol "tpc"/, /tcp/],
    [
      'one of several that is no address',
      `checks:\n  - dial:\n      - ${ADDR}\n      - x\n`,
      '4:9',
      /invalid multiaddr/
    ],
    ['a peer ID without a source', `checks:\n  - dial: ${PEER}\n`, '2:11', /no source is named/],
    ['an empty list of addresses', 'checks:\n  - dial: []\n', '2:11', /the list is empty/],
    ['no topic', 'checks:\n  - pubsub: ""\n    bootstrap: x\n', '2:13', /empty/],
    ['pubsub without peers', 'checks:\n  - pubsub: news\n', '2:5', /it needs bootstrap/],
    ['a duration without sense', `checks:\n  - dial: ${ADDR}\n    timeout: soon\n`, '3:14', /a duration is/],
    ['a count of none', `checks:\n  - ping: ${ADDR}\n    count: 0\n`, '3:12', /1 at least/],
    ['a switch in words', `checks:\n  - dial: ${ADDR}\n    each: "yes"\n`, '3:11', /true or false/],
    ['a transport that there is not', `checks:\n  - dial: ${ADDR}\n    transport: [tpc]\n`, '3:17', /no tpc/, /tcp/],
    ['a peer that is none', `checks:\n  - relay: ${ADDR}\n    through: abc\n`, '3:14', /"abc" is no peer ID/],
    ['pings too close', `checks:\n  - ping: ${ADDR}\n    interval: 10ms\n`, '3:5', /100ms at least/],
    ['every without for', `checks:\n  - dial: ${ADDR}\n    every: 1s\n`, '3:5', /needs for/],
    ['protocols of many', `checks:\n  - dial: ${ADDR}\n    each: true\n    protocol: /x\n`, '4:5', /one connection/],
    [
      'a name twice',
      `checks:\n  - {name: a, dial: ${ADDR}}\n  - {name: a, ping: ${ADDR}}\n`,
      '3:5',
      /two checks are called a, the first in line 2/
    ],
    ['an empty expect', `checks:\n  - dial: ${ADDR}\n    expect: {}\n`, '3:13', /it expects nothing/],
    ['an expect of nothing', `checks:\n  - dial: ${ADDR}\n    expect:\n`, '3:12', /list of fields/],
    [
      'a field that there is not',
      expecting('totl_ms: 1'),
      '4:7',
      /dial has no field totl_ms/,
      /did you mean total_ms\?/
    ],
    ['a field of another kind', expecting('loss_pct: 0'), '4:7', /dial has no field loss_pct/, /the fields are/],
    ['a word for a number', expecting('total_ms: fast'), '4:17', /is a number, and "fast" is none/],
    ['a unit', expecting('total_ms: "<= 500ms"'), '4:17', /is none/, /the unit stands in the name/],
    ['a part of a whole', expecting('number: 1.5', `dial: ${ADDR}`), '4:15', /a whole number/],
    ['a range from the wrong end', expecting('total_ms: 5..2'), '4:17', /nothing lies between/, /2\.\.5/],
    ['a number for a text', expecting('agent: 5'), '4:14', /it is a text, and never 5/],
    ['a comparison of a text', expecting('agent: ">= 5"'), '4:14', /compares numbers/],
    ['a text for a list', expecting('protocols: /x'), '4:18', /it is a list/, /has/],
    ['a list of numbers', expecting('protocols: { has: [1] }'), '4:26', /a list of texts/],
    ['has of a text', expecting('agent: { has: [x] }'), '4:16', /"has" is for lists, and it is a text/],
    ['has of nothing', expecting('protocols: { has: [] }'), '4:25', /names nothing/],
    ['a form that there is not', expecting('protocols: { hass: [x] }'), '4:20', /no "hass"/, /did you mean has\?/],
    ['an empty form', expecting('agent: {}'), '4:14', /expects nothing/],
    ['one of nothing', expecting('agent: []'), '4:14', /never hold/],
    ['null of what is always known', expecting('loss_pct: null', `ping: ${ADDR}`), '4:17', /never hold/],
    ['true of a number', expecting('total_ms: true'), '4:17', /is a number/],
    ['a word for a switch', expecting('limited: maybe'), '4:16', /true or false/],
    ['a pattern that is none', expecting('agent: "/(/"'), '4:14', /no regular expression/],
    [
      'an error that there is not',
      expecting('error: conection_refused'),
      '4:14',
      /never "conection_refused"/,
      /connection_refused\?/
    ],
    ['an error of wrong use', expecting('error: invalid_option'), '4:14', /never "invalid_option"/],
    ['an error that nothing can be', expecting('error: /kubo/'), '4:7', /it can never hold/],
    ['a phase that there is not', expecting('error_phase: conect'), '4:20', /never "conect"/, /connect/],
    ['a transport of no address', expecting('transport: tpc'), '4:18', /never "tpc"/, /tcp/],
    [
      'what secures nothing',
      expecting('security: { not: plaintxt }'),
      '4:24',
      /never "plaintxt"/,
      /noise, tls, native/
    ],
    ['a muxer of no connection', expecting('muxer: [yamx]'), '4:15', /never "yamx"/, /yamux/],
    ['a range of addresses that is none', expecting('observed_addr: 203.0.113.0/33'), '4:22', /is no address/],
    [
      'the agent of who was not reached',
      expecting('{ error: connection_refused, agent: kubo }'),
      '4:36',
      /can never be evaluated/
    ],
    [
      'the agent where a phase went wrong',
      expecting('{ error_phase: connect, agent: kubo }'),
      '4:31',
      /can never be evaluated/
    ],
    [
      'no error in a phase',
      expecting('{ error: null, error_phase: connect }'),
      '4:22',
      /there is none where error is null/
    ],
    [
      'the round trip of who was not reached',
      expecting('{ error: io_timeout, rtt_p95_ms: 1 }', `ping: ${ADDR}`),
      '4:28',
      /never be evaluated/
    ],
    ['what is not measured', expecting('measured_s: 1', `relay: ${ADDR}`), '4:7', /without measure_limits/],
    [
      'what was not sent',
      expecting('delivery_ms: 1', 'pubsub: x\n    bootstrap: /ip4/127.0.0.1/tcp/1').replace('4:7', ''),
      '5:7',
      /without text/
    ],
    [
      'a variable that nobody gave',
      'checks:\n  - dial: "${HOST}"\n',
      '2:11',
      /nobody says what \$\{HOST\} is/,
      /--var HOST=VALUE/
    ],
    ['a variable that cannot be', 'checks:\n  - dial: "${MY-HOST}"\n', '2:11', /is no variable/],
    ['a variable without an end', 'checks:\n  - dial: "${HOST"\n', '2:11', /is no variable/]
  ]
  for (const [name, text, at, message, hint] of table) {
    test(name, () => {
      const found = wrong(text)
      assert.equal(found.failure.code, 'invalid_check_file')
      assert.match(found.message, message)
      assert.equal(found.at, at, found.failure.message)
      if (hint != null) assert.match(found.failure.hint, hint)
    })
  }
})

describe('files that are made to do harm', () => {
  test('aliases that grow', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `l${i + 1}: &l${i + 1} [${`*l${i}, `.repeat(10)}]`)
    assert.match(wrong(`l0: &l0 x\n${levels.join('\n')}\nchecks: *l12\n`).message, /aliases make more than/)
  })

  test('an alias of itself', () => {
    assert.match(wrong('checks: &a [*a]\n').message, /nested too deeply|more than/)
  })

  test('depth without end', () => {
    assert.match(wrong(`checks: ${'['.repeat(200_000)}`).message, /nested too deeply|flow/i)
  })

  test('a key a hundred thousand times', () => {
    const text = Array.from({ length: 40_000 }, (_, i) => `k${i}: 1`).join('\n')
    assert.match(wrong(text).message, /there is no k0/)
  })

  test('more than a mebibyte', () => {
    assert.match(wrong(`# ${'x'.repeat(2 ** 20)}`).message, /1 MiB/)
  })

  test('what its texts would do to a terminal is shown and not done', () => {
    const { failure } = wrong('checks:\n  - "d\\x1b[2J\\u202ei": x\n')
    assert.doesNotMatch(failure.message + failure.hint, /[\x1b\u202e]/)
  })
})

describe('what a file may say', () => {
  test('aliases share what stands once', () => {
    const text = `checks:\n  - dial: ${ADDR}\n    expect: &same { agent: kubo }\n  - dial: ${ADDR}\n    expect: *same\n`
    assert.deepEqual(
      read(text).checks.map(({ name, expectations }) => [name, expectations.length]),
      [
        [`dial ${ADDR}`, 2],
        [`dial ${ADDR} (2)`, 2]
      ]
    )
  })

  test('defaults hold where a check does not say it otherwise, and several addresses are several checks', () => {
    const { checks } = read(`
defaults: { timeout: 5s, transport: tcp }
checks:
  - dial: [${ADDR}, /dns/example.org/tcp/30334/ws/ipfs/${PEER}]
    name: nodes
    timeout: 250ms
  - ping: ${ADDR}
`)
    assert.deepEqual(
      checks.map(({ name, settings }) => [name, settings.timeout, settings.transport]),
      [
        [`nodes ${ADDR}`, 250, ['tcp']],
        [`nodes /dns/example.org/tcp/30334/ws/ipfs/${PEER}`, 250, ['tcp']],
        [`ping ${ADDR}`, 5000, ['tcp']]
      ]
    )
    assert.equal(checks[1]!.target!.peerId, PEER)
  })

  test('that it ends well goes without saying, unless an error is expected', () => {
    const fields = (expect: string): string[] => only(read(expecting(expect))).expectations.map(({ field }) => field)
    assert.deepEqual(fields('agent: kubo'), ['error', 'agent'])
    assert.deepEqual(fields('error: connection_refused'), ['error'])
    assert.deepEqual(fields('error_phase: connect'), ['error_phase'])
    assert.deepEqual(fields('{ error: [null, io_timeout], agent: kubo }'), ['error', 'agent'])
    assert.deepEqual(
      only(read(`checks:\n  - dial: ${ADDR}\n`)).expectations.map(({ expected }) => expected),
      ['none']
    )
  })

  test('with errors after which all is known, the rest can be expected', () => {
    assert.ok(read(expecting('{ error: relay_check_failed, limit_s: 120 }', `relay: ${ADDR}`)))
    assert.ok(read(expecting('{ error: [relay_check_failed, io_timeout], limit_s: 120 }', `relay: ${ADDR}`)))
    assert.match(
      wrong(expecting('{ error: relay_refused, limit_s: 120 }', `relay: ${ADDR}`)).message,
      /never be evaluated/
    )
  })

  const forms: [expect: string, field: string, yes: unknown[], no: unknown[]][] = [
    ['total_ms: 500', 'total_ms', [500, 500.0001], [499, 501, null, '500']],
    ['total_ms: "500"', 'total_ms', [500], [501]],
    ['total_ms: "<= 500"', 'total_ms', [500, 1], [500.001, null]],
    ['total_ms: "< 500"', 'total_ms', [499.9], [500]],
    ['total_ms: ">= 2"', 'total_ms', [2, 3], [1.9, null]],
    ['total_ms: ">2"', 'total_ms', [3], [2]],
    ['total_ms: 2..5', 'total_ms', [2, 3.5, 5], [1.9, 5.1]],
    ['total_ms: [1, ">= 10"]', 'total_ms', [1, 10], [2]],
    ['total_ms: { not: 5 }', 'total_ms', [4, null], [5]],
    ['muxer_ms: null', 'muxer_ms', [null], [0]],
    ['agent: kubo/0.1', 'agent', ['kubo/0.1'], ['kubo/0.1.2', null]],
    ['agent: "/^KUBO\\\\//i"', 'agent', ['kubo/1'], ['rust', null]],
    ['agent: [kubo, "/^rust/"]', 'agent', ['kubo', 'rust-libp2p'], ['go']],
    ['agent: { not: "/kubo/" }', 'agent', ['rust', null], ['kubo']],
    ['agent: { is: "/kubo/" }', 'agent', ['/kubo/'], ['kubo']],
    ['agent: null', 'agent', [null], ['']],
    ['limited: false', 'limited', [false], [true, null]],
    ['protocols: { has: /x }', 'protocols', [['/x', '/y']], [['/xy'], [], null]],
    ['protocols: { has: [/x, "/y/*"] }', 'protocols', [['/x', '/y/1']], [['/x'], ['/y/1']]],
    ['protocols: { has: "/kad/i" }', 'protocols', [['/ipfs/KAD/1']], [['/x']]],
    ['protocols: { not: { has: /x } }', 'protocols', [['/y'], []], [['/x']]],
    ['protocols: { count: ">= 2" }', 'protocols', [['a', 'b']], [['a'], null]],
    ['protocols: { has: /x, count: 1 }', 'protocols', [['/x']], [['/x', '/y']]],
    ['protocols: [/x, /y]', 'protocols', [['/y', '/x']], [['/x'], ['/x', '/y', '/z']]],
    ['protocols: []', 'protocols', [[]], [['/x']]],
    ['observed_addr: 203.0.113.0/24', 'observed_addr', ['/ip4/203.0.113.9/tcp/1'], ['/ip4/203.0.114.9/tcp/1', null]],
    ['observed_addr: /ip4/203.0.113.7', 'observed_addr', ['/ip4/203.0.113.7/tcp/1'], ['/ip4/203.0.113.77/tcp/1']],
    ['error: [connection_refused, io_timeout]', 'error', ['io_timeout'], [null, 'no_route']],
    ['error: { not: connection_refused }', 'error', [null, 'io_timeout'], ['connection_refused']],
    ['error: "/^connection_/"', 'error', ['connection_reset'], [null]]
  ]
  for (const [expect, field, yes, no] of forms) {
    test(expect, () => {
      for (const value of yes) assert.equal(holds(expect, field, value as never), true, JSON.stringify(value))
      for (const value of no) assert.equal(holds(expect, field, value as never), false, JSON.stringify(value))
    })
  }

  test('a pattern that takes too long neither holds nor does its opposite', () => {
    const text = `${'a'.repeat(500)}!` as never
    assert.equal(holds('agent: "/^(a+)+$/"', 'agent', text), null)
    assert.equal(holds('agent: { not: "/^(a+)+$/" }', 'agent', text), null)
    assert.equal(holds('protocols: { not: { has: "/^(a+)+$/" } }', 'protocols', [text] as never), null)
  })
})

describe('variables', () => {
  test('are put in as data, wherever there is a value', () => {
    const text = `checks:\n  - dial: /ip4/\${HOST}/tcp/4001\n    timeout: "\${T}"\n    name: "\${HOST} $\${T}"\n`
    const check = only(read(text, { vars: ['HOST=127.0.0.1'], fromEnv: ['T'], env: { T: '2s' } }))
    assert.deepEqual([check.text, check.name, check.settings.timeout], [ADDR, '127.0.0.1 ${T}', 2000])
  })

  test('are no YAML, no pattern and no comparison', () => {
    const vars = (value: string): Given => ({ vars: [`V=${value}`] })
    assert.equal(holds('agent: "${V}"', 'agent', 'x: [y' as never, vars('x: [y')), true)
    assert.equal(holds('agent: "${V}"', 'agent', 'anything' as never, vars('/.*/')), false)
    assert.equal(holds('agent: "/^${V}$/"', 'agent', 'a.c' as never, vars('a.c')), true)
    assert.equal(holds('agent: "/^${V}$/"', 'agent', 'abc' as never, vars('a.c')), false)
    assert.equal(holds('total_ms: "<= ${V}"', 'total_ms', 5 as never, vars('5')), true)
    assert.match(wrong(expecting('total_ms: "<= ${V}"'), vars('5 or so')).message, /is none/)
    assert.match(wrong(expecting('total_ms: "${V}"'), vars('>= 0')).message, /is none/)
  })

  test('one that the file does not use, or that has no value, is wrong use', () => {
    const text = `checks:\n  - dial: ${ADDR}\n`
    const faults: [Given, RegExp][] = [
      [{ vars: ['X=1'] }, /X is given, and f\.yaml does not use it/],
      [{ vars: ['X'] }, /has no value/],
      [{ vars: ['X=1', 'X=2'] }, /given twice/],
      [{ vars: ['X-Y=1'] }, /no name of a variable/],
      [{ fromEnv: ['X'] }, /no such variable/]
    ]
    for (const [given, message] of faults) {
      const { failure } = wrong(text, given)
      assert.equal(failure.code, 'invalid_option')
      assert.match(failure.message, message)
    }
  })
})

describe('the schema of check files', () => {
  const ajv = new Ajv2020({ strict: true, strictTypes: false, allErrors: true })
  const validate = ajv.compile(checkFileSchema())
  const isTaken = (text: string): boolean => {
    try {
      return read(text) != null
    } catch (error) {
      assert.ok(error instanceof Failure, String(error))
      return false
    }
  }

  /** Values that fit some field or none. */
  const values = [
    ...[
      '1',
      '1.5',
      '0',
      '-1',
      '"1"',
      '"<= 5"',
      '"<=5"',
      '"> 1.5"',
      '1..5',
      '"a..b"',
      '"<= x"',
      'true',
      '"false"',
      'null'
    ],
    ...['kubo', '"/kubo/i"', '""', '"<="', 'connection_refused', 'tcp', 'connect', '127.0.0.1', '"/ip4/127.0.0.1"'],
    ...['[]', '[1]', '[kubo]', '[kubo, 1]', '["/x"]', '[null]', '[[1]]', '[true]', '{}', '{ not: 1 }', '{ not: kubo }'],
    ...['{ not: { not: 1 } }', '{ not: {} }', '{ is: kubo }', '{ is: 1 }', '{ has: kubo }', '{ has: [a, b] }'],
    ...[
      '{ has: [] }',
      '{ has: 1 }',
      '{ count: 1 }',
      '{ count: "<= 3" }',
      '{ count: x }',
      '{ hass: 1 }',
      '{ count: 1.5 }'
    ],
    ...[
      '{ not: { has: [a] } }',
      '{ not: null }',
      '{ count: { not: 1 } }',
      '{ has: a, not: [] }',
      '{ is: tcp, not: ws }'
    ]
  ]

  /** Where the reader knows more than a schema can say: it looks into texts, and from one field to the others. */
  const beyond =
    /is no address|is no multiaddr|can never be evaluated|can never hold|regular expression|there is none where|whole number, and never/

  for (const [kind, { fields, settings }] of Object.entries(kindTable)) {
    test(`of ${kind}: for every field it takes what the reader takes`, () => {
      const needs = { text: 'x', count: 2, measure_limits: true, fresh: true }
      const own = Object.entries(needs).filter(([key]) => key in settings)
      const peers = kind === 'pubsub' ? { bootstrap: ADDR } : {}
      const base = { [kind]: kind === 'pubsub' ? 'news' : ADDR, ...peers, ...Object.fromEntries(own) }
      let [taken, refused] = [0, 0]
      for (const field of Object.keys(fields)) {
        for (const value of values) {
          const flow = JSON.stringify(base).replace(/\}$/, `, "expect": { ${field}: ${value} } }`)
          const text = `checks: [${flow}]`
          const byReader = isTaken(text)
          if (byReader) taken++
          else refused++
          const bySchema = validate(parse(text))
          if (byReader === bySchema) continue
          assert.ok(bySchema, `only the reader takes ${text}: ${ajv.errorsText(validate.errors)}`)
          assert.match(wrong(text).message, beyond, text)
        }
      }
      assert.ok(taken > 20 && refused > 20)
    })
  }

  test('it takes and refuses the settings that the reader takes and refuses', () => {
    const settings = [
      ...[
        'timeout: 5',
        'timeout: 5s',
        'timeout: "5"',
        'timeout: x',
        'timeout: 0',
        'timeout: -1',
        'timeout: [1]',
        'timeout: true'
      ],
      ...[
        'for: 1m',
        'name: x',
        'name: 5',
        'name: ""',
        'each: true',
        'each: 1',
        'transport: tcp',
        'transport: [tcp, ws]'
      ],
      ...[
        'transport: [tpc]',
        'transport: []',
        'security: noise',
        'muxer: [yamux]',
        'muxer: x',
        'ipv4: true',
        'direct_only: 1'
      ],
      ...[
        'protocol: /x',
        'protocol: [/x, /y]',
        'protocol: 1',
        'nope: 1',
        'count: 3',
        'expect: {}',
        'expect: []',
        'expect: 1'
      ],
      ...['expect: { agent: x }', 'announced: true', 'relayed_only: false']
    ]
    let taken = 0
    for (const setting of settings) {
      const text = `checks:\n  - dial: ${ADDR}\n    ${setting}\n`
      assert.equal(validate(parse(text)), isTaken(text), `${setting}: ${ajv.errorsText(validate.errors)}`)
      if (isTaken(text)) taken++
    }
    assert.ok(taken > 10 && taken < settings.length - 10)
    for (const text of [
      'checks: []',
      'x: 1',
      '[]',
      `checks: [{}]`,
      `defaults: { name: x }\nchecks: [{ dial: ${ADDR} }]`
    ]) {
      assert.equal(validate(parse(text)), false, text)
      assert.equal(isTaken(text), false, text)
    }
    const whole = `defaults: { timeout: 1s, for: 5 }\nchecks: [{ dial: [${ADDR}] }, { ping: ${ADDR}, count: 1, interval: 1s }]`
    assert.equal(validate(parse(whole)), true, ajv.errorsText(validate.errors))
    assert.ok(isTaken(whole))
  })
})

test('addresses alone have to be reachable, at everything that they stand for', () => {
  const [check] = planOf([`/dns4/example.org/tcp/30334/ws/ipfs/${PEER}`], {})
  assert.deepEqual([check!.kind, check!.settings, check!.target!.peerId], ['dial', { each: true }, PEER])
  assert.deepEqual(
    check!.expectations.map(({ field, expected }) => [field, expected]),
    [['error', 'none']]
  )
})
