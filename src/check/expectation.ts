/** One expectation of a check: read from the file, held against what was seen. */
import { addressTest } from '../expect.ts'
import { Failure } from '../errors.ts'
import { compilePattern, patternParts } from '../pattern.ts'
import { safe } from '../safe.ts'
import { meantBy } from '../spelling.ts'
import type { Field } from './table.ts'
import type { Variables } from './variables.ts'
import { type Entry, type Place, type Scalar, type Tree, wrongAt } from './yaml.ts'

/** What was seen of a field. */
export type Value = Scalar | string[]

/** Null where a pattern took too long to say. */
export type Test = (value: Value) => boolean | null

export interface Expectation {
  field: string
  /** As a person would say it. */
  expected: string
  /** Where it stands; null where it goes without saying. */
  place: Place | null
  test: Test
}

/** What an expectation is read with. */
export interface Reading {
  file: string
  name: string
  field: Field
  variables: Variables
}

interface Matcher {
  says: string
  test: Test
}

const COMPARISON = /^(<=|>=|<|>)\s*(\S+)$/
const RANGE = /^(\S+?)\.\.(\S+)$/
const FORMS = ['has', 'count', 'not', 'is'] as const

/** That a check ends well goes without saying. */
export const endsWell: Expectation = { field: 'error', expected: 'none', place: null, test: value => value === null }

/** Throws Failure `invalid_check_file`. */
export function readExpectation(reading: Reading, tree: Tree): Expectation {
  const { says, test } = readMatcher(reading, tree)
  return { field: reading.name, expected: says, place: tree.place, test }
}

function readMatcher(reading: Reading, tree: Tree): Matcher {
  if (tree.kind === 'map') return readForms(reading, tree.entries, tree.place)
  if (tree.kind === 'list') return readList(reading, tree.items, tree.place)
  return readScalar(reading, tree.value, tree.place)
}

/** Of a text or a number one of these, of a list exactly these. */
function readList(reading: Reading, items: Tree[], place: Place): Matcher {
  if (reading.field.type === 'string[]') {
    const all = items.map(item => readItem(reading, item))
    return {
      says: all.length === 0 ? 'none' : `exactly ${all.map(({ says }) => says).join(', ')}`,
      test: value =>
        Array.isArray(value) &&
        every([...all.map(one => one.test(value)), value.every(text => all.some(one => one.test([text]) === true))])
    }
  }
  if (items.length === 0) throw wrong(reading, place, 'one of nothing can never hold')
  const any = items.map(item => readMatcher(reading, item))
  return { says: any.map(({ says }) => says).join(' or '), test: value => some(any.map(one => one.test(value))) }
}

function readForms(reading: Reading, entries: Entry[], place: Place): Matcher {
  if (entries.length === 0) throw wrong(reading, place, 'it expects nothing')
  const all = entries.map(({ key, place: at, value }): Matcher => {
    if (key === 'not') {
      const inner = readMatcher(reading, value)
      return { says: `not ${inner.says}`, test: found => negated(inner.test(found)) }
    }
    if (key === 'is') {
      const isText = reading.field.type === 'string' || reading.field.type === 'addr'
      if (!isText || value.kind !== 'scalar' || typeof value.value !== 'string') {
        throw wrong(
          reading,
          value.place,
          '"is" takes a text, as it is',
          'it is for texts that would be read as a pattern'
        )
      }
      return exactly(reading, value.value, value.place)
    }
    if (key === 'has' && reading.field.type === 'string[]') return readHas(reading, value)
    if (key === 'count' && reading.field.type === 'string[]') return readCount(reading, value)
    if (key === 'has' || key === 'count')
      throw wrong(reading, at, `"${key}" is for lists, and it is ${kindOf(reading)}`)
    const meant = meantBy(key, FORMS)
    throw wrong(reading, at, `there is no "${safe(key)}"`, meant == null ? undefined : `did you mean ${meant}?`)
  })
  return { says: all.map(({ says }) => says).join(' and '), test: value => every(all.map(one => one.test(value))) }
}

function readHas(reading: Reading, tree: Tree): Matcher {
  const items = tree.kind === 'list' ? tree.items : [tree]
  if (items.length === 0) throw wrong(reading, tree.place, '"has" names nothing')
  const all = items.map(item => readItem(reading, item))
  return {
    says: `has ${all.map(({ says }) => says).join(', ')}`,
    test: value => every(all.map(one => one.test(value)))
  }
}

function readCount(reading: Reading, tree: Tree): Matcher {
  const number = readMatcher({ ...reading, field: { type: 'integer', says: '' } }, tree)
  return { says: `${number.says} of them`, test: value => Array.isArray(value) && number.test(value.length) }
}

/** Of a list, whether something in it is this: a text, its beginning before a `*`, or a pattern. */
function readItem(reading: Reading, tree: Tree): Matcher {
  if (tree.kind !== 'scalar' || typeof tree.value !== 'string') {
    throw wrong(reading, tree.place, 'it is a list of texts', 'put it in quotes')
  }
  const { value: text, place } = tree
  const pattern = patternParts(text)
  if (pattern != null) {
    const { firstOf, says } = readPattern(reading, pattern, place)
    return { says, test: value => (Array.isArray(value) ? found(firstOf(value)) : false) }
  }
  const filled = reading.variables.fill(text, place)
  const start = text.endsWith('*') ? filled.slice(0, -1) : null
  return {
    says: filled,
    test: value => Array.isArray(value) && value.some(one => (start == null ? one === filled : one.startsWith(start)))
  }
}

function readScalar(reading: Reading, value: Scalar, place: Place): Matcher {
  const { type, nullable } = reading.field
  if (value === null) {
    if (nullable !== true) throw wrong(reading, place, 'it is always known, so that null can never hold')
    return { says: 'none', test: found => found === null }
  }
  if (type === 'string[]') {
    throw wrong(reading, place, 'it is a list', `write { has: [${safe(String(value))}] }, or the whole list`)
  }
  if (type === 'boolean') return readBoolean(reading, value, place)
  if (type === 'integer' || type === 'number') return readNumber(reading, value, place)
  if (typeof value !== 'string') throw wrong(reading, place, `it is a text, and never ${value}`, 'put it in quotes')
  const pattern = patternParts(value)
  if (pattern != null) {
    const { firstOf, says } = readPattern(reading, pattern, place)
    return { says, test: text => (typeof text === 'string' ? found(firstOf([text])) : false) }
  }
  if (COMPARISON.test(value)) {
    const hint = 'expect the text itself, or a /pattern/; { is: ... } takes it as it stands'
    throw wrong(reading, place, `"${safe(value)}" compares numbers, and it is a text`, hint)
  }
  return type === 'addr' ? address(reading, value, place) : exactly(reading, value, place)
}

function readBoolean(reading: Reading, value: Scalar, place: Place): Matcher {
  const text = typeof value === 'string' ? reading.variables.fill(value, place) : String(value)
  if (text !== 'true' && text !== 'false') throw wrong(reading, place, `it is true or false, and never "${safe(text)}"`)
  return { says: text, test: found => found === (text === 'true') }
}

function readNumber(reading: Reading, value: Scalar, place: Place): Matcher {
  const text = String(value)
  const numberOf = (part: string): number => {
    const filled = reading.variables.fill(part, place)
    const number = /^-?(\d+(\.\d*)?|\.\d+)$/.test(filled) ? Number(filled) : Number.NaN
    if (!Number.isFinite(number)) {
      const unit = /^[\d.]+\s*[a-z%]+$/i.test(filled) ? 'the unit stands in the name: give the number alone' : undefined
      const hint = unit ?? 'give a number, "<= 500", "> 2", or a range as "2..5"'
      throw wrong(reading, place, `it is a number, and "${safe(filled)}" is none`, hint)
    }
    return number
  }
  const [, sign, limit] = COMPARISON.exec(text) ?? []
  if (sign != null) {
    const number = numberOf(limit!)
    const holds = { '<=': 1, '>=': 1, '<': 0, '>': 0 }[sign] === 1
    const test = (found: number): boolean => (sign.startsWith('<') ? found < number : found > number)
    const says = `${sign} ${number}`
    return { says, test: found => typeof found === 'number' && (test(found) || (holds && found === number)) }
  }
  const [, from, to] = RANGE.exec(text) ?? []
  if (from != null) {
    const [least, most] = [numberOf(from), numberOf(to!)]
    if (least > most) throw wrong(reading, place, `nothing lies between ${least} and ${most}`, `"${most}..${least}"`)
    return { says: `${least}..${most}`, test: found => typeof found === 'number' && found >= least && found <= most }
  }
  const number = numberOf(text)
  if (reading.field.type === 'integer' && !Number.isInteger(number)) {
    throw wrong(reading, place, `it is a whole number, and never ${number}`)
  }
  // what is measured is told to a thousandth
  return { says: String(number), test: found => typeof found === 'number' && Math.abs(found - number) < 0.0005 }
}

function exactly(reading: Reading, text: string, place: Place): Matcher {
  const filled = reading.variables.fill(text, place)
  const { words } = reading.field
  if (words != null && !words.includes(filled)) {
    const meant = meantBy(filled, words)
    const hint = meant == null ? `it is one of: ${words.join(', ')}` : `did you mean ${meant}?`
    throw wrong(reading, place, `it is never "${safe(filled)}"`, hint)
  }
  return { says: filled, test: found => found === filled }
}

function address(reading: Reading, text: string, place: Place): Matcher {
  const filled = reading.variables.fill(text, place)
  try {
    const test = addressTest(filled)
    return { says: filled, test: value => typeof value === 'string' && test(value) }
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    throw wrong(reading, place, cause.message, cause.hint)
  }
}

function readPattern(reading: Reading, { source, flags }: { source: string; flags: string }, place: Place) {
  const filled = reading.variables.fill(source, place, value => value.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'))
  try {
    return { ...compilePattern(filled, flags), says: `/${filled}/${flags}` }
  } catch (cause) {
    throw wrong(reading, place, `it is no regular expression: ${safe((cause as Error).message)}`)
  }
}

function found(index: number | null): boolean | null {
  return index == null ? null : index >= 0
}

function negated(held: boolean | null): boolean | null {
  return held == null ? null : !held
}

function every(held: (boolean | null)[]): boolean | null {
  return held.includes(false) ? false : held.includes(null) ? null : true
}

function some(held: (boolean | null)[]): boolean | null {
  return held.includes(true) ? true : held.includes(null) ? null : false
}

function kindOf({ field: { type } }: Reading): string {
  const texts = {
    string: 'a text',
    addr: 'an address',
    integer: 'a number',
    number: 'a number',
    boolean: 'true or false'
  }
  return type === 'string[]' ? 'a list' : texts[type]
}

function wrong({ file, name }: Reading, place: Place, message: string, hint?: string): Failure {
  return wrongAt(file, place, `${safe(name)}: ${message}`, hint)
}
