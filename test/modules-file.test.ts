/** What a modules file cannot do to the exporter; that of check is held to the same in check-file.test.ts. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failure } from '../src/errors.ts'
import { readModules } from '../src/exporter/modules.ts'

const bomb = [
  'l0: &l0 x',
  ...Array.from({ length: 12 }, (_, at) => `l${at + 1}: &l${at + 1} [${`*l${at}, `.repeat(9)}]`)
]

for (const [says, text, message] of [
  ['aliases that grow', `${bomb.join('\n')}\nallow: *l12\n`, /aliases make more than/],
  ['an alias of itself', 'allow: &a [*a]\n', /nested too deeply|more than/],
  ['a key of every object', '__proto__: { polluted: true }\nallow: [/*/**]\n', /__proto__/],
  [
    'a module that is called as one',
    'allow: [/*/**]\nmodules: { __proto__: { prober: ping, polluted: true } }\n',
    /polluted/
  ],
  ['a key twice', 'allow: [/*/**]\nallow: []\n', /stands there twice/],
  ['a merge key', 'allow: [/*/**]\nmodules: { a: { <<: { prober: ping } } }\n', /merge keys/],
  ['a tag that makes something', 'allow: !!js/function "x"\n', /./],
  ['more than 1 MiB', `# ${'x'.repeat(2 ** 20)}\nallow: []\n`, /1 MiB/]
] as const) {
  test(`${says} is refused, and changes nothing`, () => {
    assert.throws(
      () => readModules('m.yaml', text),
      (error: unknown) =>
        error instanceof Failure && error.code === 'invalid_modules_file' && message.test(error.message)
    )
    assert.equal(({} as Record<string, unknown>).polluted, undefined)
  })
}
