/** Reads the modules file: what can be asked of the exporter, and of whom. */
import { canonicalPeerId, parseAddr } from '../addr.ts'
import { endsWell, type Expectation } from '../check/expectation.ts'
import { entriesOf, readExpectations, type Settings, settingsOf, unknown } from '../check/plan.ts'
import { readSetting, type SettingReading } from '../check/settings.ts'
import { type Entry, MAX_BYTES, readYaml, tooLong, type Tree, wrongAt } from '../check/yaml.ts'
import { Failure } from '../errors.ts'
import { readUpTo, wordsFor } from '../files.ts'
import { safe } from '../safe.ts'
import type { Named, Policy } from './policy.ts'
import { type Block, blockOf } from './ranges.ts'
import { kindFor, type ListName, lists, type Prober, prober, probers, settingsFor } from './table.ts'

/** What `module=NAME` asks for. */
export interface Module {
  name: string
  prober: Prober
  settings: Settings
  expectations: Expectation[]
}

export interface Modules {
  policy: Policy
  /** Names in the Host header, in lower case. */
  hosts: string[]
  modules: Map<string, Module>
}

const NAME = /^[A-Za-z_][\w.-]{0,63}$/
const TOP = [...Object.keys(lists), 'modules']

/** Throws Failure: file_unreadable, or invalid_modules_file with the place of what is wrong. */
export async function readModulesFile(path: string): Promise<Modules> {
  const text = await readUpTo(path, MAX_BYTES).catch(cause => {
    const options = { exitCode: 2, cause }
    throw new Failure('file_unreadable', `cannot read the modules in ${safe(path)}: ${wordsFor(cause)}`, options)
  })
  return asModules(() => {
    if (text == null) throw tooLong(path, MAX_BYTES)
    return read(path, text)
  })
}

export function readModules(file: string, text: string): Modules {
  return asModules(() => read(file, text))
}

/** The reader of YAML calls every file a check file. */
function asModules(read: () => Modules): Modules {
  try {
    return read()
  } catch (cause) {
    if (!(cause instanceof Failure) || cause.code !== 'invalid_check_file') throw cause
    throw new Failure('invalid_modules_file', cause.message, { hint: cause.hint, cause })
  }
}

function read(file: string, text: string): Modules {
  const tree = readYaml(file, text)
  const top = entriesOf(file, tree, 'a modules file has allow, networks and modules at its top')
  for (const { key, place } of top) if (!TOP.includes(key)) throw unknown(file, key, place, TOP)
  const textsOf = (name: ListName): [text: string, from: Tree][] => {
    const found = top.find(({ key }) => key === name)?.value
    return found == null ? [] : textsIn(file, name, found)
  }
  if (!top.some(({ key }) => key === 'allow')) {
    throw wrongAt(file, tree.place, 'it allows nobody to be probed', 'write a list under allow:')
  }
  const given = top.find(({ key }) => key === 'modules')?.value
  const own = given == null ? [] : entriesOf(file, given, 'modules: it is a list of names with what they do')
  // the three that go without saying
  const modules = new Map(
    probers.map((name): [string, Module] => [name, { name, prober: name, settings: {}, expectations: [endsWell] }])
  )
  for (const entry of own) modules.set(entry.key, readModule(file, entry))
  return {
    policy: {
      allow: named(file, 'allow', textsOf('allow')),
      deny: named(file, 'deny', textsOf('deny')),
      networks: textsOf('networks').map(([one, from]) => blockAt(file, 'networks', one, from))
    },
    hosts: textsOf('hosts').map(([name, from]) => hostAt(file, name, from)),
    modules
  }
}

function readModule(file: string, { key: name, place, value }: Entry): Module {
  if (!NAME.test(name)) throw wrongAt(file, place, `${safe(name)} is no name of a module`, 'letters, digits and _ - .')
  const entries = entriesOf(file, value, `${name}: it says what it does, as prober: ping`)
  const reading: SettingReading = {
    file,
    // there are none here
    variables: { fill: text => text, checkUsed() {} },
    checkAddr: text => void parseAddr(text)
  }
  const said = entries.find(({ key }) => key === 'prober')
  if (said == null) throw wrongAt(file, place, `${name}: it does not say what it does`, 'write prober: ping')
  const chosen = readSetting(reading, 'prober', prober, said.value) as Prober[]
  const [kindName] = chosen
  if (kindName == null || chosen.length > 1) throw wrongAt(file, said.value.place, 'prober: it does one thing')
  const kind = kindFor(kindName)
  const known = settingsFor(kindName)
  const settings = settingsOf(
    reading,
    entries.filter(({ key }) => key !== 'prober' && key !== 'expect'),
    known,
    ['prober', ...Object.keys(known), 'expect'],
    kind
  )
  if (Number(settings.interval) < 100) {
    throw wrongAt(file, entries.find(({ key }) => key === 'interval')!.place, 'interval: it is 100ms at least')
  }
  const expect = entries.find(({ key }) => key === 'expect')?.value
  const expectations = expect == null ? [endsWell] : readExpectations(reading, kindName, kind, settings, expect)
  return { name, prober: kindName, settings, expectations }
}

function textsIn(file: string, name: string, tree: Tree): [text: string, from: Tree][] {
  const items = tree.kind === 'list' ? tree.items : [tree]
  return items.map(item => {
    if (item.kind === 'scalar' && typeof item.value === 'string' && item.value !== '') return [item.value, item]
    throw wrongAt(file, item.place, `${name}: it is a list of texts`, 'put it in quotes')
  })
}

function named(file: string, name: ListName, texts: [text: string, from: Tree][]): Named {
  const found: Named = { patterns: [], peers: new Set(), blocks: [] }
  for (const [text, from] of texts) {
    const peerId = canonicalPeerId(text)
    if (peerId != null) found.peers.add(peerId)
    else if (text.startsWith('/')) found.patterns.push(patternAt(file, name, text, from))
    else found.blocks.push(blockAt(file, name, text, from))
  }
  return found
}

function patternAt(file: string, name: ListName, text: string, { place }: Tree): string[] {
  if (!text.includes('*')) {
    try {
      return parseAddr(text).toString().split('/')
    } catch (cause) {
      if (cause instanceof Failure) throw wrongAt(file, place, `${name}: ${cause.message}`, cause.hint)
      throw cause
    }
  }
  const parts = text.split('/')
  const fixed = parts.at(-1) === '**' ? parts.slice(0, -1) : parts
  if (fixed.some(part => part.split('*').length > 2)) {
    throw wrongAt(file, place, `${name}: ${safe(text)} has more than one * in a part`, '/** is for the end alone')
  }
  if (parts.length < 3) throw wrongAt(file, place, `${name}: ${safe(text)} says nothing`, 'for all write /*/**')
  return parts
}

function blockAt(file: string, name: ListName, text: string, { place }: Tree): Block {
  const block = blockOf(text)
  if (block != null) return block
  const what = name === 'networks' ? '' : 'no multiaddr, no peer ID, '
  throw wrongAt(file, place, `${name}: "${safe(text)}" is ${what}no IP address and no block of them`, 'as 192.0.2.0/24')
}

function hostAt(file: string, name: string, { place }: Tree): string {
  if (/^[\w-]+(\.[\w-]+)*$/.test(name)) return name.toLowerCase()
  throw wrongAt(
    file,
    place,
    `hosts: "${safe(name)}" is no name of a host`,
    'write it without port: exporter.example.org'
  )
}
