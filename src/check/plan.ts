/** What is to be checked, read as a whole before anything is sent. */
import { checkTopic } from '../topic.ts'
import { type Target, type TargetOptions, targetOf } from '../targets.ts'
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'
import { meantBy } from '../spelling.ts'
import { endsWell, type Expectation, readExpectation } from './expectation.ts'
import { readSetting, type SettingReading, type SettingValue } from './settings.ts'
import { common, type Field, type Kind, type KindName, kindTable, ofEvery, outcomes, type Setting } from './table.ts'
import type { Variables } from './variables.ts'
import { type Entry, type Place, readYaml, type Tree, wrongAt } from './yaml.ts'

export type Settings = Record<string, SettingValue>

export interface Check {
  kind: KindName
  /** No two have the same. */
  name: string
  /** The address, or the topic, as it was given. */
  text: string
  /** Null for a topic. */
  target: Target | null
  settings: Settings
  expectations: Expectation[]
  /** Where it stands; null for an address of the command line. */
  place: Place | null
}

export interface Plan {
  /** Null for addresses of the command line. */
  file: string | null
  checks: Check[]
}

const TOP = ['defaults', 'checks'] as const
const MIN_INTERVAL_MS = 100

/** Reads a check file. Throws Failure `invalid_check_file` with the place of what is wrong. */
export function readCheckFile(file: string, text: string, variables: Variables, options: TargetOptions): Plan {
  const tree = readYaml(file, text)
  const top = entriesOf(file, tree, 'a check file has defaults and checks at its top')
  const reading = { file, variables, checkAddr: (addr: string) => void targetOf(addr, options) }
  for (const { key, place } of top) if (!isIn(TOP, key)) throw unknown(file, key, place, TOP)
  const defaults = top.find(({ key }) => key === 'defaults')
  const given = defaults == null ? {} : readDefaults(reading, defaults.value)
  const list = top.find(({ key }) => key === 'checks')?.value
  if (list == null) throw wrongAt(file, tree.place, 'there are no checks in it', 'write a list under checks:')
  if (list.kind !== 'list') throw wrongAt(file, list.place, 'checks: it is a list of checks')
  if (list.items.length === 0) throw wrongAt(file, list.place, 'checks: the list is empty')
  const checks = list.items.flatMap(item => readCheck(reading, item, given, options))
  variables.checkUsed()
  return { file, checks: named(file, checks) }
}

/** Addresses without a file: each has to be reachable, with the peer that it names, at everything that it stands for. */
export function planOf(texts: string[], options: TargetOptions): Check[] {
  const checks = texts.map((text): Check => {
    const settings = { each: true }
    const target = targetOf(text, options)
    return { kind: 'dial', name: `dial ${text}`, text, target, settings, expectations: [endsWell], place: null }
  })
  return named('', checks)
}

function readDefaults(reading: SettingReading, tree: Tree): Settings {
  const entries = entriesOf(reading.file, tree, 'defaults: it is a list of settings with their values')
  return settingsOf(reading, entries, common, Object.keys(common))
}

function readCheck(reading: SettingReading, tree: Tree, defaults: Settings, options: TargetOptions): Check[] {
  const { file } = reading
  const entries = entriesOf(file, tree, 'a check says what to look at, as dial: ADDRESS')
  const names = Object.keys(kindTable) as KindName[]
  const said = entries.filter(({ key }) => isIn(names, key))
  // `relay` names a kind; a check of another kind that has it has two
  if (said.length !== 1) {
    const place = said[1]?.place ?? tree.place
    const keys = [...names, ...Object.keys(ofEvery)]
    const stray = entries.find(({ key }) => !isIn(keys, key) && meantBy(key, names) != null)
    if (said.length === 0 && stray != null) throw unknown(file, stray.key, stray.place, names)
    const message = said.length === 0 ? 'it does not say what to look at' : 'it looks at two things'
    throw wrongAt(file, place, message, `write one of ${names.join(', ')} in a check`)
  }
  const kindName = said[0]!.key as KindName
  const kind = kindTable[kindName]
  const known = { ...ofEvery, ...kind.settings }
  const expect = entries.find(({ key }) => key === 'expect')
  const own = settingsOf(
    reading,
    entries.filter(entry => entry !== expect),
    known,
    [...Object.keys(known), 'expect'],
    kind
  )
  const settings: Settings = { ...defaults, ...own }
  const placeOf = (key: string): Place => entries.find(entry => entry.key === key)?.place ?? tree.place
  const refuse = (key: string, message: string): Failure => wrongAt(file, placeOf(key), `${key}: ${message}`)
  for (const [key, { required }] of Object.entries(kind.settings)) {
    if (required === true && settings[key] == null) throw wrongAt(file, tree.place, `${kindName}: it needs ${key}`)
  }
  if (own.every != null && settings.for == null) throw refuse('every', 'it says how often to try again, and needs for')
  if (Number(settings.interval) < MIN_INTERVAL_MS) throw refuse('interval', 'it is 100ms at least')
  if (settings.protocol != null && (settings.each === true || settings.announced === true)) {
    throw refuse('protocol', 'it is for one connection, and each and announced make many')
  }
  const expectations = expect == null ? [endsWell] : readExpectations(reading, kindName, kind, settings, expect.value)
  const given = settings[kindName] as string | string[]
  const texts = typeof given === 'string' ? [given] : given
  const { name } = settings
  return texts.map(text => {
    const label = name == null ? `${kindName} ${text}` : texts.length === 1 ? String(name) : `${name} ${text}`
    const target = kindName === 'pubsub' ? null : targetOf(text, options)
    if (target == null) checkedTopic(file, text, placeOf(kindName))
    return { kind: kindName, name: label, text, target, settings, expectations, place: tree.place }
  })
}

export function settingsOf(
  reading: SettingReading,
  entries: Entry[],
  known: Record<string, Setting>,
  words: string[],
  kind?: Kind
): Settings {
  return Object.fromEntries(
    entries.map(({ key, place, value }) => {
      const setting = Object.hasOwn(known, key) ? known[key] : undefined
      if (setting == null) throw unknown(reading.file, key, place, words, kind)
      return [key, readSetting(reading, key, setting, value)]
    })
  )
}

export function readExpectations(
  { file, variables }: SettingReading,
  kindName: KindName,
  { fields, partial }: Kind,
  settings: Settings,
  tree: Tree
): Expectation[] {
  const entries = entriesOf(file, tree, 'expect: it is a list of fields with what they have to be')
  if (entries.length === 0)
    throw wrongAt(file, tree.place, 'expect: it expects nothing', 'leave it out, or name a field')
  const fieldOf = ({ key, place }: Entry): Field => {
    if (Object.hasOwn(fields, key)) return fields[key]!
    const hint = key in ofEvery ? `${key} is a setting: it stands beside expect` : undefined
    const meant = meantBy(key, Object.keys(fields))
    throw wrongAt(
      file,
      place,
      `expect: ${kindName} has no field ${safe(key)}`,
      hint ?? (meant == null ? `the fields are: ${Object.keys(fields).join(', ')}` : `did you mean ${meant}?`)
    )
  }
  const read = entries.map(entry => {
    const field = fieldOf(entry)
    if (field.needs != null && settings[field.needs] == null) {
      throw wrongAt(file, entry.place, `${entry.key}: without ${field.needs} it can never be evaluated`)
    }
    const { test, ...rest } = readExpectation({ file, name: entry.key, field, variables }, entry.value)
    return { key: entry.key, at: entry.place, field, test, expectation: { ...rest, test } }
  })
  const of = (name: string) => read.find(({ key }) => key === name)
  const error = of('error')
  const phase = of('error_phase')
  const failing = [phase, of('error_message')].find(one => one?.test(null) === false)
  const ends = [null, ...outcomes].filter(code => error?.test(code) !== false)
  if (ends.length === 0) throw wrongAt(file, error!.at, 'error: it can never hold')
  const codes = ends.filter(code => code !== null || failing == null)
  if (codes.length === 0) throw wrongAt(file, failing!.at, `${failing!.key}: there is none where error is null`)
  const lost = read.find(({ field }) => field.always !== true)
  const isKnown = (code: string): boolean => Object.hasOwn(partial, code) && phase?.test(partial[code]!) !== false
  if (lost != null && !codes.some(code => code === null || isKnown(code))) {
    const why = 'nobody knows it where an error is expected, so that it can never be evaluated'
    throw wrongAt(file, lost.at, `${lost.key}: ${why}`)
  }
  const expectations = read.map(({ expectation }) => expectation)
  return error == null && failing == null ? [endsWell, ...expectations] : expectations
}

function named(file: string, checks: Check[]): Check[] {
  const seen = new Map<string, Check>()
  return checks.map(check => {
    const before = seen.get(check.name)
    if (before != null && check.settings.name != null) {
      throw wrongAt(
        file,
        check.place!,
        `two checks are called ${safe(check.name)}, the first in line ${before.place!.line}`
      )
    }
    let { name } = check
    for (let number = 2; seen.has(name); number++) name = `${check.name} (${number})`
    const one = { ...check, name }
    seen.set(name, one)
    return one
  })
}

function checkedTopic(file: string, topic: string, place: Place): void {
  try {
    checkTopic(topic)
  } catch (cause) {
    if (cause instanceof Failure) throw wrongAt(file, place, cause.message, cause.hint)
    throw cause
  }
}

export function entriesOf(file: string, tree: Tree, what: string): Entry[] {
  if (tree.kind === 'map') return tree.entries
  throw wrongAt(file, tree.place, what, 'p2pctl schema check-file says what can stand there')
}

export function unknown(file: string, key: string, place: Place, words: readonly string[], kind?: Kind): Failure {
  const meant = meantBy(key, words)
  const owners = Object.entries(kindTable).filter(([, { settings }]) => Object.hasOwn(settings, key))
  const hint =
    kind != null && Object.hasOwn(kind.fields, key)
      ? `${key} can be expected: put it under expect`
      : meant != null
        ? `did you mean ${meant}?`
        : owners.length > 0
          ? `it is for ${owners.map(([name]) => name).join(', ')}`
          : `there is: ${words.join(', ')}`
  return wrongAt(file, place, `there is no ${safe(key)}`, hint)
}

function isIn(words: readonly string[], word: string): boolean {
  return words.includes(word)
}
