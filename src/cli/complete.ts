import type { Argument, Command, Option } from 'commander'
import { commandFirst } from './calls.ts'
import { print } from '../stdout.ts'
import { declare } from './lazy.ts'
import type { Words } from './parse.ts'

/** What a shell can offer, and what it says beside it. */
type Word = [value: string, says: string]

/** What stands at the cursor may go on with one of these words, or with the name of a file or folder behind `lead`. */
interface Answer {
  /** After a word that is `open` more may follow, so that a shell puts no space there. */
  kind: 'words' | 'open' | 'files' | 'folders'
  /** What stands before the part that is completed: `--config=`, `@`, `tcp,`. */
  lead: string
  words: Word[]
}

/**
 * Answers the scripts in shells/: `p2pctl __complete WORD... +LAST` with the words before the cursor, and the one at it
 * behind a plus, since PowerShell leaves out an argument that is empty. The first line says what follows and the lead,
 * then comes a word a line, a tab, and what it says.
 */
export async function complete(program: Command, words: string[]): Promise<void> {
  const { kind, lead, words: offered } = await answer(program, words.slice(0, -1), words.at(-1)?.slice(1) ?? '')
  const lines = offered.map(([value, says]) => `${lead}${value}\t${says}\n`)
  print(`${kind} ${lead}\n${lines.join('')}`)
}

async function answer(program: Command, before: string[], word: string): Promise<Answer> {
  const place = placeOf(program, before)
  const { command, waiting, argumentsOnly } = place
  const isFlag = word.startsWith('-') && !argumentsOnly
  if (waiting != null && (waiting.must || !isFlag)) {
    const found = await valuesOf(waiting.option, word)
    if (waiting.must || found.kind !== 'words' || found.words.length > 0) return found
  }
  const [, flag, value] = isFlag ? (/^(--[^=]+)=(.*)$/s.exec(word) ?? []) : []
  if (flag != null) {
    const option = optionsOf(command).find(({ long }) => long === flag)
    if (option == null || !takesValue(option)) return wordsIn([], word)
    const found = await valuesOf(option, value!)
    return { ...found, lead: `${flag}=${found.lead}` }
  }
  if (isFlag) return wordsIn(flagsOf(place), word)
  const found = waiting == null ? await operandsOf(place, word) : wordsIn([], word)
  const unknown = command === program && place.operands.length > 0
  if (found.kind !== 'words' || found.words.length > 0 || word !== '' || argumentsOnly || unknown) return found
  return wordsIn(flagsOf(place), '--')
}

/** Where the cursor is. */
interface Place {
  command: Command
  /** The arguments before it. */
  operands: string[]
  given: Set<Option>
  /** An option that the word belongs to: it must, or may where it does not look like an option itself. */
  waiting: { option: Option; must: boolean } | null
  /** Behind `--`. */
  argumentsOnly: boolean
}

function placeOf(program: Command, before: string[]): Place {
  const place: Place = { command: program, operands: [], given: new Set(), waiting: null, argumentsOnly: false }
  for (const word of commandFirst(before, program)) {
    const { waiting, argumentsOnly } = place
    const isFlag = word.startsWith('-') && word !== '-'
    if (waiting != null && (waiting.must || !isFlag)) {
      place.waiting = waiting.option.variadic ? { ...waiting, must: false } : null
    } else if (argumentsOnly || !isFlag) {
      const inner = place.operands.length > 0 ? null : place.command.commands.find(one => one.name() === word)
      if (inner == null) place.operands.push(word)
      else place.command = declare(inner)
      place.waiting = null
    } else {
      place.argumentsOnly = word === '--'
      place.waiting = wanting(place, word)
    }
  }
  return place
}

/** Notes the options in a word like `--count`, `-c`, `-qc5` or `--count=5`: the last of them may want the next word. */
function wanting({ command, given }: Place, word: string): Place['waiting'] {
  const options = optionsOf(command)
  const long = word.startsWith('--')
  for (let at = long ? word.length : 2; at <= word.length; at++) {
    const name = long ? word.split('=')[0] : `-${word[at - 1]}`
    const option = options.find(one => (long ? one.long : one.short) === name)
    if (option == null) return null
    given.add(option)
    if (!takesValue(option)) continue
    const attached = long ? word.includes('=') : at < word.length
    return attached ? null : { option, must: option.required }
  }
  return null
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional
}

/** Before a command is named its options may stand already. */
function optionsOf(command: Command): Option[] {
  if (command.parent != null) return [...command.createHelp().visibleOptions(command)]
  return [...command.createHelp().visibleOptions(command), ...command.commands.flatMap(one => declare(one).options)]
}

/** The options that may be given now: none twice that takes one value, and none beside one that it conflicts with. */
function flagsOf({ command, given }: Place): Word[] {
  const conflicting = (one: Conflicting, other: Conflicting): boolean =>
    one.conflictsWith?.includes(other.attributeName()) === true
  return command
    .createHelp()
    .visibleOptions(command)
    .filter(option => option.variadic || !given.has(option))
    .filter(option => ![...given].some(one => conflicting(one, option) || conflicting(option, one)))
    .flatMap(({ short, long, description }) =>
      [short, long].flatMap((name): Word[] => (name == null ? [] : [[name, description]]))
    )
}

/** Commander keeps the attributes that an option conflicts with, and its types do not say so (15.1). */
type Conflicting = Option & { conflictsWith?: string[] }

/** What may stand where no option does: a command, or an argument. */
async function operandsOf({ command, operands }: Place, word: string): Promise<Answer> {
  if (command.name() === 'help') return wordsIn(await topicsOf(command.parent!, operands), word)
  if (command.commands.length > 0 && operands.length === 0) {
    return wordsIn(
      command.commands.map(one => [one.name(), one.summary()]),
      word
    )
  }
  const all = command.registeredArguments
  const argument = all[operands.length] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined)
  return argument == null ? wordsIn([], word) : await valuesOf(argument, word)
}

/** What `help` explains. */
async function topicsOf(program: Command, [first]: string[]): Promise<Word[]> {
  const named = program.commands.find(one => one.name() === first)
  if (first != null) return named == null ? [] : declare(named).commands.map(one => [one.name(), one.summary()])
  const [{ codes }, { topics }] = await Promise.all([import('../errors.ts'), import('./topics.ts')])
  const commands = program.commands.filter(one => one.name() !== 'help')
  return [
    ...commands.map((one): Word => [one.name(), one.summary()]),
    ...Object.entries(topics).map(([name, { says }]): Word => [name, says]),
    ...Object.entries(codes).map(([code, { says }]): Word => [code, says])
  ]
}

const addresses: Word[] = [
  ['/ip4/', 'an IPv4 address'],
  ['/ip6/', 'an IPv6 address'],
  ['/dns4/', 'a name that has IPv4 addresses'],
  ['/dns6/', 'a name that has IPv6 addresses'],
  ['/dns/', 'a name that has either'],
  ['/dnsaddr/', 'a name with multiaddrs in its TXT records'],
  ['/unix/', 'a socket of this machine']
]

/** The values of an option or an argument: those that it names, or what the word in its brackets says. */
async function valuesOf(owner: Option | Argument, word: string): Promise<Answer> {
  if (owner.argChoices != null) {
    return wordsIn(
      owner.argChoices.map(choice => [choice, '']),
      word
    )
  }
  const { known, notes } = (owner.parseArg ?? {}) as Partial<Words<unknown>>
  if (known != null) return listIn(known, notes ?? {}, word)
  const kind = 'flags' in owner ? /[<[]([\w-]+)/.exec(owner.flags)?.[1] : owner.name()
  switch (kind) {
    case 'file':
    case 'path':
    case 'out':
      return { kind: 'files', lead: '', words: [] }
    case 'dir':
      return { kind: 'folders', lead: '', words: [] }
    case 'target':
    case 'addr':
    case 'relay': {
      if (word.startsWith('@')) return { kind: 'files', lead: '@', words: [] }
      const lists: Word[] = owner.description.includes('@file') ? [['@', 'a file with one a line']] : []
      const found = wordsIn([...addresses, ...lists], word)
      // check takes a file by its name too
      if (found.words.length === 0 && owner.description.includes('check file')) return { ...found, kind: 'files' }
      return { ...found, kind: 'open' }
    }
    case 'type':
      return wordsIn(await schemaTypes(), word)
    default:
      return wordsIn([], word)
  }
}

async function schemaTypes(): Promise<Word[]> {
  const [{ events }, { files }] = await Promise.all([import('../events.ts'), import('../schema.ts')])
  return [...Object.entries(events), ...Object.entries(files)].map(([type, [says]]) => [type, says])
}

/** One of a comma list: `tcp,` goes on with what is not there yet. */
function listIn(known: string[], notes: Record<string, string>, word: string): Answer {
  const lead = word.slice(0, word.lastIndexOf(',') + 1)
  const there = lead.split(',')
  const isThere = (one: string): boolean =>
    there.some(part => part === one || (one.endsWith('=') && part.startsWith(one)))
  const last = word.slice(lead.length)
  // behind the = stands a value
  const isWhole = (one: string): boolean => one.endsWith('=') && one === last
  const rest = known.filter(one => !isThere(one) && !isWhole(one) && one.startsWith(last))
  return { kind: 'open', lead, words: rest.map(one => [one, notes[one] ?? '']) }
}

function wordsIn(words: Word[], word: string): Answer {
  return { kind: 'words', lead: '', words: words.filter(([value]) => value.startsWith(word)) }
}
