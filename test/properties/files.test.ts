import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import { stringify } from 'yaml'
import { anyText, asRefusal, property, resultOf, wordLike } from '../helpers/property.ts'
import { mutated } from '../helpers/mutated.ts'
import { readExpectation, type Value } from '../../src/check/expectation.ts'
import { readCheckFile } from '../../src/check/plan.ts'
import { type Field, type KindName, kindTable, ofEvery } from '../../src/check/table.ts'
import { readVariables } from '../../src/check/variables.ts'
import { readYaml, type Tree } from '../../src/check/yaml.ts'
import { addressTest } from '../../src/expect.ts'
import { Failure } from '../../src/errors.ts'
import { readModules } from '../../src/exporter/modules.ts'
import { lists } from '../../src/exporter/table.ts'
import { encodeKey, generateSecret, keyFormats } from '../../src/key-formats.ts'
import { decodeKeyFile, readKeyFile } from '../../src/keys.ts'
import { decodeSwarmKeyFile, encodeSwarmKey } from '../../src/psk.ts'

const PEER = '12D3KooWGC6TvWhfagifX6nvdEwhc2rZaB3CnYGyeNM6AYvTMDYR'
const ADDR = `/ip4/127.0.0.1/tcp/4001/p2p/${PEER}`
const kinds = Object.keys(kindTable) as KindName[]
const fieldNames = [...new Set(kinds.flatMap(kind => Object.keys(kindTable[kind].fields)))]
const settingNames = [
  ...new Set([...kinds.flatMap(kind => Object.keys(kindTable[kind].settings)), ...Object.keys(ofEvery)])
]

const scalar = fc.oneof(
  {
    weight: 4,
    arbitrary: wordLike(
      ADDR,
      '<= 500',
      '> 2',
      '2..5',
      '/^kubo/i',
      'tcp',
      'noise',
      '5s',
      'io_timeout',
      '10.0.0.0/8',
      '${X}',
      '$${X}'
    )
  },
  { weight: 2, arbitrary: fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null)) },
  { weight: 1, arbitrary: anyText }
)
const form = fc.letrec(again => ({
  value: fc.oneof(
    { maxDepth: 3, depthSize: 'small' },
    scalar,
    fc.array(again('value'), { maxLength: 3 }),
    fc.dictionary(wordLike('has', 'not', 'is', 'count'), again('value'), { minKeys: 1, maxKeys: 2 })
  )
})).value
const anyCheck = fc
  .tuple(
    fc.constantFrom(...kinds),
    fc.oneof(fc.constant<unknown>(ADDR), scalar, fc.array(scalar, { maxLength: 2 })),
    fc.dictionary(wordLike(...settingNames), fc.oneof(scalar, fc.array(scalar, { maxLength: 2 })), { maxKeys: 3 }),
    fc.option(fc.dictionary(wordLike(...fieldNames), form, { maxKeys: 3 }), { nil: undefined })
  )
  .map(([kind, target, settings, expect]) => ({ [kind]: target, ...settings, ...(expect && { expect }) }))
const anyFile = fc.record(
  {
    defaults: fc.dictionary(wordLike(...settingNames), scalar, { maxKeys: 2 }),
    checks: fc.array(anyCheck, { maxLength: 2 })
  },
  { requiredKeys: [] }
)

/** A file as somebody may write it: of our words, of any, damaged, and hostile. */
const textOf = (value: Arbitrary<unknown>): Arbitrary<string> => {
  const written = value.map(one => stringify(one))
  return fc.oneof(
    { weight: 6, arbitrary: written },
    { weight: 2, arbitrary: value.map(one => JSON.stringify(one) ?? '') },
    {
      weight: 2,
      arbitrary: fc
        .tuple(written, fc.nat(200), anyText)
        .map(([text, at, more]) => text.slice(0, at) + more + text.slice(at))
    },
    { weight: 1, arbitrary: anyText }
  )
}

property('any check file is refused with the place of what is wrong, or taken', [textOf(anyFile)], text => {
  const result = resultOf(() => readCheckFile('f.yaml', text, readVariables('f.yaml', [], [], {}), {}))
  if ('failure' in result) {
    assert.equal(result.failure.exitCode, 2)
    assert.match(result.failure.message, /^f\.yaml:\d+:\d+: /)
    return
  }
  for (const { expectations } of result.value.checks) for (const { test } of expectations) test('x')
})

const anyModules = fc.record(
  {
    allow: fc.oneof(fc.constant(['/*/**']), fc.array(scalar, { maxLength: 2 })),
    ...Object.fromEntries(
      Object.keys(lists)
        .filter(name => name !== 'allow')
        .map(name => [name, fc.array(scalar, { maxLength: 2 })])
    ),
    modules: fc.dictionary(
      wordLike('quick', 'a.b'),
      fc.record(
        {
          prober: wordLike('ping', 'dial', 'relay'),
          timeout: scalar,
          expect: fc.dictionary(wordLike(...fieldNames), form, { maxKeys: 2 })
        },
        { requiredKeys: [] }
      ),
      { maxKeys: 2 }
    )
  },
  { requiredKeys: [] }
)
property('any modules file is refused with the place of what is wrong, or taken', [textOf(anyModules)], text => {
  const result = resultOf(() => readModules('m.yaml', text))
  if ('value' in result) return
  assert.equal(result.failure.exitCode, 2)
  assert.match(result.failure.message, /^m\.yaml:\d+:\d+: /)
})

const polluted = Object.prototype as Record<string, unknown>
const anyTree = fc.letrec(again => ({
  value: fc.oneof(
    { maxDepth: 4 },
    fc.oneof(anyText, fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(again('value'), { maxLength: 3 }),
    fc.dictionary(anyText, again('value'), { maxKeys: 3 })
  )
})).value

property(
  'JSON is read as the same tree, with the keys that every object has among it',
  [anyTree],
  value => {
    const result = resultOf(() => readYaml('f', JSON.stringify(value)))
    const hasMerge = JSON.stringify(value)?.includes('"<<":')
    if ('failure' in result) return assert.ok(hasMerge, result.failure.message)
    assert.deepEqual(plainOf(result.value), JSON.parse(JSON.stringify(value)))
    assert.equal(polluted.polluted, undefined)
  },
  { examples: [[JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}')]] }
)

function plainOf(tree: Tree): unknown {
  if (tree.kind === 'scalar') return tree.value
  if (tree.kind === 'list') return tree.items.map(plainOf)
  return Object.fromEntries(tree.entries.map(({ key, value }) => [key, plainOf(value)]))
}

property(
  'any text as YAML: a tree of some nodes, or a sentence',
  [
    fc.oneof(
      anyText,
      fc
        .array(
          fc.constantFrom(
            '[',
            '{',
            '- ',
            '? ',
            '&a ',
            '*a',
            '!!x ',
            '|\n',
            '  ',
            '\n',
            ':',
            ',',
            '"',
            '}',
            ']',
            '%Y',
            '---\n',
            '<<: '
          ),
          { maxLength: 40 }
        )
        .map(parts => parts.join(''))
    )
  ],
  text => {
    resultOf(() => readYaml('f', text))
  }
)

const seenValue: Arbitrary<Value> = fc.oneof(
  anyText,
  fc.constantFrom(ADDR, '/ip4/10.0.0.1/tcp/1', 'kubo/1'),
  fc.double(),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.array(anyText, { maxLength: 3 })
)
const fields = kinds.flatMap(kind => Object.entries(kindTable[kind].fields))

property(
  'an expectation that is taken says of every value whether it holds',
  [fc.constantFrom(...fields), form, seenValue],
  ([name, field], expected, value) => {
    const tree = treeOf(expected)
    const result = resultOf(() =>
      readExpectation({ file: 'f', name, field: field as Field, variables: noVariables }, tree)
    )
    if ('failure' in result) return
    const { test } = result.value
    const held = test(value)
    assert.ok(held === null || typeof held === 'boolean')
    const negated = readExpectation(
      { file: 'f', name, field: field as Field, variables: noVariables },
      treeOf({ not: expected })
    )
    assert.equal(negated.test(value), held === null ? null : !held)
  }
)

const noVariables = readVariables('f', [], [], {})
const place = { line: 1, column: 1 }
function treeOf(value: unknown): Tree {
  if (Array.isArray(value)) return { kind: 'list', items: value.map(treeOf), place }
  if (typeof value !== 'object' || value === null) return { kind: 'scalar', value: value as string, place }
  return {
    kind: 'map',
    entries: Object.entries(value).map(([key, one]) => ({ key, place, value: treeOf(one) })),
    place
  }
}

property(
  'a range of addresses says of every text whether it is in it',
  [
    wordLike('10.0.0.0/8', '::/0', '/ip4/1.2.3.4', '127.0.0.1', 'fe80::/10'),
    fc.oneof(anyText, wordLike(ADDR, '/ip6/::1/tcp/1', '/dns4/a.b/tcp/1'))
  ],
  (range, addr) => {
    const test = resultOf(() => addressTest(range))
    if ('value' in test) assert.equal(typeof test.value(addr), 'boolean')
  },
  { examples: [['10.0.0.0/8', 'no address']] }
)

const secrets = await Promise.all((['ed25519', 'rsa', 'secp256k1', 'ecdsa'] as const).map(generateSecret))
const keyBytes = secrets.flatMap(secret => keyFormats.map(format => Buffer.from(encodeKey(secret, format))))
const anyKey = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...keyBytes).chain(mutated) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 80 }).map(bytes => Buffer.from(bytes)) },
  { weight: 1, arbitrary: anyText.map(text => Buffer.from(`{"Identity":${text}`)) }
)

property(
  'any bytes as a private key are refused without being repeated, or are a key that says whose it is',
  [anyKey],
  bytes => {
    const result = resultOf(() => decodeKeyFile(Buffer.from(bytes), 'x.key'))
    if ('value' in result) return assert.match(result.value.peerId, /^[1-9A-HJ-NP-Za-km-z]{46,53}$/)
    assert.equal(result.failure.code, 'key_invalid')
    assert.ok(result.failure.message.length < 100, result.failure.message)
  }
)

const folder = mkdtempSync(join(tmpdir(), 'p2pctl-files-'))
after(() => rmSync(folder, { recursive: true, force: true }))
const path = join(folder, 'x.key')

property(
  'any file as an identity is refused, or is one for js-libp2p too',
  [anyKey],
  async bytes => {
    writeFileSync(path, bytes)
    chmodSync(path, 0o600)
    try {
      const { key, peerId } = await readKeyFile(path)
      assert.ok(key.publicKey.toString().length > 0 && peerId.length > 0)
    } catch (error) {
      assert.ok(['key_invalid', 'file_unreadable'].includes(asRefusal(error).code))
    }
  },
  { share: 0.1 }
)

const swarmKey = Buffer.from(encodeSwarmKey(Buffer.alloc(32, 7)))
const base64 = Buffer.from(`/key/swarm/psk/1.0.0/\n/base64/\n${Buffer.alloc(32, 7).toString('base64')}\n`)
const binary = Buffer.concat([Buffer.from('/key/swarm/psk/1.0.0/\n/bin/\n'), Buffer.alloc(32, 7)])
property(
  'any bytes as a swarm key are refused, or are 32 bytes with a fingerprint',
  [fc.oneof(fc.constantFrom(swarmKey, base64, binary).chain(mutated), fc.uint8Array())],
  bytes => {
    const result = resultOf(() => decodeSwarmKeyFile(Buffer.from(bytes), 'swarm.key'))
    if ('failure' in result) return assert.equal(result.failure.code, 'key_invalid')
    assert.equal(result.value.key.length, 32)
    assert.match(result.value.fingerprint, /^[0-9a-f]{32}$/)
  }
)

property('variables are put in as data, whatever they are', [anyText, anyText], (value, text) => {
  const result = resultOf(() => readVariables('f', [`X=${value}`], [], {}).fill('a${X}b', place))
  assert.ok('value' in result && result.value === `a${value}b`)
  const filled = resultOf(() => readVariables('f', [`X=${value}`], [], {}).fill(text, place))
  assert.ok('value' in filled || filled.failure instanceof Failure)
})
