/** The settings of a check, from the tree of the file to the values that a dial or a ping takes. */
import { canonicalPeerId } from '../addr.ts'
import { Failure } from '../errors.ts'
import { LONGEST_MS, msOf } from '../durations.ts'
import { safe } from '../safe.ts'
import { meantBy } from '../spelling.ts'
import type { Setting } from './table.ts'
import type { Variables } from './variables.ts'
import { type Tree, wrongAt } from './yaml.ts'

export type SettingValue = string | number | boolean | string[]

export interface SettingReading {
  file: string
  variables: Variables
  /** Throws Failure for what is no address of a peer. */
  checkAddr(text: string): void
}

/** Throws Failure `invalid_check_file`. */
export function readSetting(reading: SettingReading, name: string, { type }: Setting, tree: Tree): SettingValue {
  const { file, variables } = reading
  const wrong = (message: string, hint?: string): Failure =>
    wrongAt(file, tree.place, `${safe(name)}: ${message}`, hint)
  /** A text, with its variables put in; a number counts as one where `loose`. */
  const textOf = (one: Tree, loose = false): string => {
    const scalar = one.kind === 'scalar' ? one.value : null
    if (loose && typeof scalar === 'number') return String(scalar)
    if (typeof scalar === 'string') return variables.fill(scalar, one.place)
    const hint = scalar == null ? undefined : `put it in quotes: "${String(scalar)}"`
    throw wrongAt(file, one.place, `${safe(name)}: it is a text`, hint)
  }
  const textsOf = (): [text: string, from: Tree][] => {
    const all = tree.kind === 'list' ? tree.items : [tree]
    if (all.length === 0) throw wrong('the list is empty')
    return all.map(one => [textOf(one), one])
  }
  if (type === 'boolean') {
    if (tree.kind === 'scalar' && typeof tree.value === 'boolean') return tree.value
    throw wrong('say true or false')
  }
  if (type === 'duration') {
    const ms = msOf(textOf(tree, true))
    if (ms > 0 && ms <= LONGEST_MS) return ms
    throw wrong('a duration is 250ms, 2s, 1m, 1h or a number of seconds, more than 0 and at most 24 days')
  }
  if (type === 'count') {
    const text = textOf(tree, true)
    if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
    throw wrong('give a whole number, 1 at least')
  }
  if (type === 'text' || type === 'peer') {
    const text = textOf(tree)
    if (text === '') throw wrong('it is empty')
    if (type === 'text') return text
    const peerId = canonicalPeerId(text)
    if (peerId != null) return peerId
    throw wrong(`"${safe(text)}" is no peer ID`, 'a peer ID looks like 12D3KooW... or Qm...')
  }
  const texts = textsOf()
  if (type === 'addrs') for (const [text, one] of texts) checkAddr(reading, name, text, one)
  if (typeof type !== 'string') {
    for (const [text, { place }] of texts) {
      if (type.includes(text)) continue
      const meant = meantBy(text, type)
      const hint = meant == null ? `choose from ${type.join(', ')}` : `did you mean ${meant}?`
      throw wrongAt(file, place, `${safe(name)}: there is no ${safe(text)}`, hint)
    }
  }
  return texts.map(([text]) => text)
}

function checkAddr({ file, checkAddr: check }: SettingReading, name: string, text: string, { place }: Tree): void {
  try {
    check(text)
  } catch (cause) {
    if (!(cause instanceof Failure)) throw cause
    throw wrongAt(file, place, `${safe(name)}: ${cause.message}`, cause.hint)
  }
}
