/** YAML 1.2 as a tree of plain values that know where they stand, with nothing in it that grows or is hidden. */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node as YamlNode, parseDocument, visit } from 'yaml'
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'

export interface Place {
  line: number
  column: number
}

export type Scalar = string | number | boolean | null
export type Tree =
  | { kind: 'scalar'; value: Scalar; place: Place }
  | { kind: 'list'; items: Tree[]; place: Place }
  | { kind: 'map'; entries: Entry[]; place: Place }

export interface Entry {
  key: string
  /** Of the key. */
  place: Place
  value: Tree
}

/** The largest file, and what aliases may make of it. */
export const MAX_BYTES = 2 ** 20
const MAX_NODES = 50_000
const MAX_DEPTH = 32

/** What is wrong with a file, and where. */
export function wrongAt(file: string, { line, column }: Place, message: string, hint?: string): Failure {
  return new Failure('invalid_check_file', `${safe(file)}:${line}:${column}: ${message}`, { hint })
}

export function tooLong(file: string, mostBytes: number): Failure {
  return wrongAt(file, { line: 1, column: 1 }, `the file is ${mostBytes / 2 ** 20} MiB at most`)
}

/** Throws Failure `invalid_check_file`. */
export function readYaml(file: string, text: string): Tree {
  if (text.length > MAX_BYTES) throw tooLong(file, MAX_BYTES)
  const lines = new LineCounter()
  const placeOf = (at: number): Place => {
    const { line, col } = lines.linePos(at)
    return { line: Math.max(1, line), column: Math.max(1, col) }
  }
  // twice the same key is found below, in less time than the parser takes for it
  const options = { version: '1.2', schema: 'core', merge: false, uniqueKeys: false, prettyErrors: false } as const
  const document = parseDocument(text, { ...options, lineCounter: lines, logLevel: 'error' })
  const [fault] = [...document.errors, ...document.warnings]
  if (fault != null) throw wrongAt(file, placeOf(fault.pos[0]), sentenceOf(fault.message))

  const anchors = new Map<string, YamlNode>()
  visit(document, {
    Node(_, node) {
      if (isAlias(node) || node.anchor == null) return
      if (anchors.has(node.anchor)) throw wrongAt(file, place(node), `&${safe(node.anchor)} stands there twice`)
      anchors.set(node.anchor, node)
    }
  })
  function place(node: YamlNode | null): Place {
    return placeOf(node?.range?.[0] ?? 0)
  }
  let nodes = 0
  const build = (node: YamlNode | null, depth: number, at: Place): Tree => {
    if (++nodes > MAX_NODES) throw wrongAt(file, at, `its aliases make more than ${MAX_NODES} values of it`)
    if (depth > MAX_DEPTH) throw wrongAt(file, at, 'it is nested too deeply')
    if (isAlias(node)) {
      const meant = anchors.get(node.source)
      if (meant == null) throw wrongAt(file, at, `there is no &${safe(node.source)}`)
      return build(meant, depth + 1, at)
    }
    if (isSeq(node)) {
      const items = node.items.map(item => build(item as YamlNode, depth + 1, place(item as YamlNode)))
      return { kind: 'list', items, place: at }
    }
    if (!isMap(node)) return { kind: 'scalar', value: scalarOf(node, at), place: at }
    const seen = new Map<string, Place>()
    const entries = node.items.map(({ key, value }): Entry => {
      const keyPlace = place(key as YamlNode)
      if (!isScalar(key) || typeof key.value !== 'string') throw wrongAt(file, keyPlace, 'a key is a text')
      if (key.value === '<<') {
        throw wrongAt(file, keyPlace, 'there are no merge keys in YAML 1.2', 'what all checks share goes into defaults')
      }
      const before = seen.get(key.value)
      if (before != null) {
        throw wrongAt(file, keyPlace, `${safe(key.value)} stands there twice, first in line ${before.line}`)
      }
      seen.set(key.value, keyPlace)
      // a key without a value ends where it stands
      const valuePlace = value == null || (value as YamlNode).range == null ? keyPlace : place(value as YamlNode)
      return { key: key.value, place: keyPlace, value: build(value as YamlNode, depth + 1, valuePlace) }
    })
    return { kind: 'map', entries, place: at }
  }
  const scalarOf = (node: YamlNode | null, at: Place): Scalar => {
    const value: unknown = isScalar(node) ? node.value : null
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    throw wrongAt(file, at, 'it is no text, no number and no list')
  }
  return build(document.contents, 0, place(document.contents))
}

/** The parser's sentence in our form. */
function sentenceOf(message: string): string {
  const [first = ''] = message.split('\n')
  if (/call stack/.test(first)) return 'it is nested too deeply'
  return safe(`${first.charAt(0).toLowerCase()}${first.slice(1)}`.replace(/[.:]$/, ''))
}
