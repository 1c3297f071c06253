import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createContext, runInContext } from 'node:vm'
import { root } from '../helpers/cli.ts'

const LENGTH = 2 ** 16
/** A pattern whose steps grow with the square of the text takes two thousand million of them for this, one that does not 60,000. */
const MATCH_MS = 2000

/** The regular expressions of a source, where one may begin. */
function patternsIn(text: string): RegExp[] {
  const literal =
    /(?<=(?:[=(,:[!&|?{};]|\breturn|=>)\s*)\/(?![*/])((?:[^\\/[\n]|\\.|\[(?:[^\\\]\n]|\\.)*\])+)\/([dgimsuvy]*)/g
  const bare = text.replace(/^\s*(\/\/|\/?\*).*$/gm, '')
  return [...bare.matchAll(literal)].flatMap(([, source, flags]) => {
    try {
      return [new RegExp(source!, flags!.replace(/[gy]/g, ''))]
    } catch {
      return []
    }
  })
}

const files = readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' }).filter(name => name.endsWith('.ts'))
const patterns = new Map(
  files.flatMap(file =>
    patternsIn(readFileSync(join(root, 'src', file), 'utf8')).map(pattern => [String(pattern), { file, pattern }])
  )
)

const pumps = [
  ...' a0/.-:=\\"{[%#\n_é\x1b,;<&\'(+*'.split(''),
  ...['aA', 'a.', '0.', '/a', 'a/', '1:', ' #', '\r\n', '%2F', 'x=', '\x1b[', 'ab ', '\\x', '/p2p', '::', '0ms', '.5']
]

/** What a pattern may begin with before it comes to what it repeats. */
function beginningsOf({ source }: RegExp): string[] {
  const words = source.replace(/\\([^\w])/g, '$1').match(/[A-Za-z0-9/:=. -]{2,}/g) ?? []
  return [...new Set(['', ...words.slice(0, 3)])]
}

/** Those that meet a text of bounded length only, and how long it may be. */
const bounded: Record<string, [length: number, why: string]> = {
  '/\\.?0+$/': [400, 'views/format.ts: what toFixed() gives']
}

test('the patterns of the sources are found', () => {
  assert.ok(patterns.size > 150, String(patterns.size))
})

test('no pattern of ours takes more than a number of steps that grows with the text', () => {
  const context = createContext({})
  const slow: string[] = []
  for (const [text, { file, pattern }] of patterns) {
    const [length] = bounded[text] ?? [LENGTH]
    const texts = beginningsOf(pattern).flatMap(begin =>
      pumps.flatMap(pump => {
        const row = begin + pump.repeat(Math.ceil(length / pump.length))
        return [`${row}\0`, `${row}!`]
      })
    )
    Object.assign(context, { source: pattern.source, flags: pattern.flags, texts })
    try {
      runInContext('texts.forEach(text => new RegExp(source, flags).test(text))', context, { timeout: MATCH_MS })
    } catch {
      slow.push(`${file}: ${text}`)
    }
  }
  assert.deepEqual(slow, [])
})
