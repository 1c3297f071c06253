import assert from 'node:assert/strict'
import { test } from 'node:test'
import { jsonLine, safe } from '../src/safe.ts'

// what no terminal may get: controls, bidi and zero-width, separators, private use, lone surrogates, blank fillers
const forbidden = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Co}\p{Cs}\u115f\u1160\u3164\uffa0\ufdd0\uffff]|\u034f|\ufe0f/u

const seed = Number(process.env.SEED ?? Date.now() % 2 ** 31)
console.error(`# seed ${seed} (SEED=${seed} repeats this run)`)

// mulberry32
function random(): number {
  state = (state + 0x6d2b79f5) | 0
  let t = Math.imul(state ^ (state >>> 15), 1 | state)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
}
let state = seed

const pieces = [
  ...['\\', '\\\\', '\\x', '\\x1b', '\\u{202e}', '\\n', 'n', 'r', 't', 'x', 'u', '{', '}', '1b', '…', ' ', '"', '/'],
  ...['\x1b]0;X\x07', '\x1b[2J', ...'\x00\x07\b\t\n\r\x1b\x7f\x80\x9b\x9f\xad'],
  ...'\u200b\u200d\u202e\u2066\u2028\u2029\ue000\ufeff\ufe0f\u3164\ufdd0\uffff',
  ...['\ud800', '\udfff', '\u{e0041}', '\u{f0000}', '\u{10ffff}', 'é', '漢', '😀', 'e\u0301', '\u00a0']
]

function randomText(): string {
  let text = ''
  for (let n = Math.floor(random() * 12); n > 0; n--) {
    const kind = random()
    if (kind < 0.6) text += pieces[Math.floor(random() * pieces.length)]
    else if (kind < 0.8) text += String.fromCharCode(Math.floor(random() * 0x10000))
    else text += String.fromCodePoint(Math.floor(random() * 0x110000))
  }
  return text
}

/** Reads an escaped text back; the proof that no two texts look the same. */
function readBack(shown: string): string {
  return shown.replace(/\\(?:([\\nrt])|x([0-9a-f]{2})|u\{([0-9a-f]+)\})/g, (_, name, byte, code) =>
    name === undefined
      ? String.fromCodePoint(Number.parseInt(byte ?? code, 16))
      : { '\\': '\\', n: '\n', r: '\r', t: '\t' }[name as string]!
  )
}

test('plain text is shown as it is', () => {
  for (const text of ['', 'kubo/0.43.1/', '/ip4/127.0.0.1/tcp/4001', 'é 漢字 😀', 'C:\\Keys\\id.key', '100 % \\ "q"']) {
    assert.equal(safe(text), text)
  }
})

test('what a terminal would obey is shown escaped', () => {
  for (const [text, shown] of [
    ['\x1b]0;X\x07', '\\x1b]0;X\\x07'],
    ['\x1b[2J', '\\x1b[2J'],
    ['a\r\n\tb', 'a\\r\\n\\tb'],
    ['\x00\x7f\x9b', '\\x00\\x7f\\x9b'],
    ['\u202eevil\u200b', '\\u{202e}evil\\u{200b}'],
    ['\u2028\u2029', '\\u{2028}\\u{2029}'],
    ['\ue000\u{f0000}', '\\u{e000}\\u{f0000}'],
    ['\ud800x', '\\u{d800}x'],
    ['x\udc00', 'x\\u{dc00}'],
    ['\u{e0041}\u3164\ufe0f', '\\u{e0041}\\u{3164}\\u{fe0f}']
  ] as const) {
    assert.equal(safe(text), shown)
  }
})

test('a backslash is doubled only where it could be taken for an escape', () => {
  assert.equal(safe('\\x1b'), '\\\\x1b')
  assert.equal(safe('\\\x1b'), '\\\\\\x1b')
  assert.equal(safe('\\\\'), '\\\\\\')
  assert.equal(safe('\\d'), '\\d')
  assert.equal(safe('\\'), '\\')
})

test('a long text is cut by code points, and says how much is missing', () => {
  assert.equal(safe('a'.repeat(256)), 'a'.repeat(256))
  assert.equal(safe('a'.repeat(300)), `${'a'.repeat(256)}… (44 more)`)
  assert.equal(safe('😀😀😀', 3), '😀😀😀')
  assert.equal(safe('😀😀😀', 2), '😀😀… (1 more)')
  assert.equal(safe('\x1b\x1b\x1b', 1), '\\x1b… (2 more)')
  assert.equal(safe('abc', 0), '… (3 more)')
})

test('any text: nothing forbidden is left, and it reads back as it was', () => {
  for (let i = 0; i < 20_000; i++) {
    const text = randomText()
    const shown = safe(text, Number.POSITIVE_INFINITY)
    assert.doesNotMatch(shown, forbidden, JSON.stringify(text))
    assert.equal(readBack(shown), text, JSON.stringify(text))
  }
})

test('any text, cut: what is left is the beginning, and no character is cut in two', () => {
  for (let i = 0; i < 20_000; i++) {
    const text = randomText()
    const max = Math.floor(random() * 8)
    const points = Array.from(text)
    const head = safe(points.slice(0, max).join(''), Number.POSITIVE_INFINITY)
    const rest = points.length - max
    assert.equal(safe(text, max), rest > 0 ? `${head}… (${rest} more)` : head, JSON.stringify(text))
  }
})

test('any value as a JSON line: nothing forbidden is left, and it parses to the same value', () => {
  for (let i = 0; i < 20_000; i++) {
    const value = { [randomText()]: randomText(), list: [randomText(), 1.5, null, true] }
    const line = jsonLine(value)
    assert.doesNotMatch(line, forbidden)
    assert.deepEqual(JSON.parse(line), JSON.parse(JSON.stringify(value)))
  }
})

test('a JSON line escapes what JSON.stringify leaves', () => {
  assert.equal(jsonLine('\x7f\x9b\u2028\u202e\u{e0041}\ud800'), '"\\u007f\\u009b\\u2028\\u202e\\udb40\\udc41\\ud800"')
  assert.equal(jsonLine({ a: 1, b: 'é😀' }), '{"a":1,"b":"é😀"}')
})
