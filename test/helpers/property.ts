/**
 * What holds for any input, held against many that fast-check makes up:
 *
 *     SEED=7    the inputs of an earlier run, which said its seed
 *     RUNS=1e6  so many for each property; 10,000 unless told
 *     FOR_MS=…  no longer than this for a file, shared out among its properties: how many there were is said
 *
 * What was found once stays in `examples`, and is tried first.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc, { type Arbitrary } from 'fast-check'
import { Failure } from '../../src/errors.ts'

export const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
const runs = Number(process.env.RUNS ?? 10_000)
const endsAt = process.env.FOR_MS == null ? null : performance.now() + Number(process.env.FOR_MS)
let left = 0
console.error(`# seed ${seed} (SEED=${seed} repeats this run)`)

interface Options<T> {
  /** Cases that were found once, or that must not be left to chance. */
  examples?: T[]
  /** Of the runs: one that takes a thousand times as long as others cannot have as many. */
  share?: number
}

type Arbitraries<T extends unknown[]> = { [K in keyof T]: Arbitrary<T[K]> }

/** A test: `holds` throws where it does not. */
export function property<T extends [unknown, ...unknown[]]>(
  says: string,
  inputs: Arbitraries<T>,
  holds: (...input: T) => void | Promise<void>,
  { examples = [], share = 1 }: Options<T> = {}
): void {
  left++
  test(says, async t => {
    const limit = endsAt == null ? {} : { interruptAfterTimeLimit: Math.max(100, (endsAt - performance.now()) / left) }
    left--
    const asked = fc.asyncProperty(...inputs, async (...input: T) => await holds(...input))
    const startedAt = performance.now()
    const numRuns = Math.max(1, Math.round(runs * share))
    const found = await fc.check(asked, { seed, numRuns, examples, ...limit, markInterruptAsFailure: false })
    const seconds = (performance.now() - startedAt) / 1000
    t.diagnostic(`${found.numRuns} cases in ${seconds.toFixed(1)} s`)
    if (!found.failed) return
    throw new Error(await fc.asyncDefaultReportMessage(found), { cause: found.errorInstance })
  })
}

/** What no terminal and no report may get: what is obeyed, hidden, or no Unicode at all. */
export const forbidden =
  /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\p{Default_Ignorable_Code_Point}\p{Noncharacter_Code_Point}]/u

/** What the sanitiser wrote, read back: the proof that no two texts look the same. */
export function readBack(shown: string): string {
  return shown.replace(/\\(?:([\\nrt])|x([0-9a-f]{2})|u\{([0-9a-f]+)\})/g, (_, name, byte, code) =>
    name === undefined
      ? String.fromCodePoint(Number.parseInt(byte ?? code, 16))
      : { '\\': '\\', n: '\n', r: '\r', t: '\t' }[name as string]!
  )
}

const pieces = [
  ...[
    '\\',
    '\\\\',
    '\\x',
    '\\x1b',
    '\\u{202e}',
    '\\n',
    'n',
    'r',
    't',
    'x',
    'u',
    '{',
    '}',
    '1b',
    '…',
    ' ',
    '"',
    '/',
    "'"
  ],
  ...['\x1b]0;X\x07', '\x1b[2J', ...'\x00\x07\b\t\n\r\x1b\x7f\x80\x85\x9b\x9f\xad'],
  ...'\u200b\u200d\u202e\u2066\u2028\u2029\ue000\ufeff\ufe0f\u3164\ufdd0\uffff',
  ...['\ud800', '\udfff', '\u{e0041}', '\u{f0000}', '\u{10ffff}', 'é', '漢', '😀', 'e\u0301', '\u00a0'],
  ...[
    '<',
    '&',
    '&amp;',
    ']]>',
    '|',
    '#',
    '# SKIP',
    '%',
    '%0A',
    ':',
    ',',
    '::',
    '\nok 1\n',
    '  ---',
    '\n# HELP',
    '${X}'
  ],
  ...['__proto__', 'constructor', 'toString', 'null', 'true', '0', '-1', '1e9', '*', '..', '~', '- ', '=', '--']
]

/** Any text, and more often than chance has it, one that some reader takes for something else. */
export const anyText = fc
  .array(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom(...pieces) },
      { weight: 1, arbitrary: fc.nat(0xffff).map(code => String.fromCharCode(code)) },
      { weight: 1, arbitrary: fc.nat(0x10ffff).map(code => String.fromCodePoint(code)) },
      { weight: 2, arbitrary: fc.string({ maxLength: 8 }) }
    ),
    { maxLength: 12 }
  )
  .map(parts => parts.join(''))

/** Any of some words, near misses of them, and any text. */
export function wordLike(...words: string[]): Arbitrary<string> {
  const cut = fc.tuple(fc.constantFrom(...words), fc.nat(40), anyText)
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...words) },
    { weight: 2, arbitrary: cut.map(([word, at, text]) => word.slice(0, at) + text + word.slice(at)) },
    { weight: 1, arbitrary: anyText }
  )
}

/** What comes of it: a value, or the Failure that says what is wrong with the input, fit to be shown. */
export function resultOf<T>(read: () => T): { value: T } | { failure: Failure } {
  try {
    return { value: read() }
  } catch (error) {
    return { failure: asRefusal(error) }
  }
}

/** Anything else than a Failure that blames the input is a bug, and is thrown. */
export function asRefusal(error: unknown): Failure {
  if (!(error instanceof Failure) || error.code === 'internal') throw error
  assert.doesNotMatch(error.message, forbidden)
  assert.doesNotMatch(error.hint ?? '', forbidden)
  assert.ok(error.message !== '' && error.exitCode > 0 && error.exitCode < 70, `${error.code} ${error.exitCode}`)
  return error
}
