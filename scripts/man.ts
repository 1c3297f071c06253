// The pages of the manual, from the command table: man/p2pctl-ping.1 has what `p2pctl help ping` says, man/p2pctl-errors.7
// what `p2pctl help errors` says. The build writes them, npm run docs keeps their list in package.json.
import type { Command } from 'commander'
import { declare } from '../src/cli/lazy.ts'
import { OWN } from '../src/cli/options.ts'
import { type Block, topics } from '../src/cli/topics.ts'
import { version } from '../src/version.ts'

/** Every page by its file's name. */
export function manPages(program: Command, day: Date): Record<string, string> {
  const date = day.toISOString().slice(0, 10)
  const pages: Record<string, string> = { 'p2pctl.1': mainPage(program, date) }
  const commands = program.commands.map(declare).flatMap(one => [one, ...one.commands])
  for (const command of commands) pages[`${pageOf(command)}.1`] = commandPage(command, date)
  for (const [name, { says, blocks }] of Object.entries(topics)) {
    pages[`p2pctl-${name}.7`] = [
      title(`p2pctl-${name}`, 7, says, date),
      section('DESCRIPTION', blocksIn(blocks(program))),
      section('SEE ALSO', references(['p2pctl(1)', ...Object.keys(topics).map(topicPage)], `p2pctl-${name}(7)`))
    ].join('')
  }
  return pages
}

function mainPage(program: Command, date: string): string {
  const rows = program.commands.map((one): [string, string] => [one.name(), one.summary()])
  return [
    title('p2pctl', 1, program.description(), date),
    section('SYNOPSIS', `.B p2pctl\n${synopsis(program.usage())}`),
    section('COMMANDS', terms(rows, 12)),
    section('OPTIONS', optionsOf(program)),
    section('EXIT STATUS', blocksIn(topics['exit-codes']!.blocks(program))),
    section('SEE ALSO', references([...program.commands.map(reference), ...Object.keys(topics).map(topicPage)]))
  ].join('')
}

function commandPage(command: Command, date: string): string {
  const help = command.createHelp()
  const name = pageOf(command)
  const inner = command.commands.map((one): [string, string] => [one.name(), one.summary()])
  const args = help
    .visibleArguments(command)
    .map((one): [string, string] => [one.name(), help.argumentDescription(one)])
  const near = [
    command.parent?.parent == null ? 'p2pctl(1)' : reference(command.parent),
    ...command.commands.map(reference)
  ]
  return [
    title(name, 1, command.summary(), date),
    section('SYNOPSIS', `.B ${escaped(name.replaceAll('-', ' '))}\n${synopsis(command.usage())}`),
    section('DESCRIPTION', command.description() === '' ? '' : paragraph(command.description())),
    section('ARGUMENTS', terms(args, 12)),
    section('COMMANDS', terms(inner, 12)),
    section('OPTIONS', optionsOf(command)),
    ...afterOf(command),
    section('SEE ALSO', references([...near, ...Object.keys(topics).map(topicPage)]))
  ].join('')
}

function title(name: string, chapter: number, says: string, date: string): string {
  return `.\\" Written by npm run build from the command table.
.TH ${quoted(name.toUpperCase())} ${chapter} "${date}" ${quoted(`p2pctl ${version}`)} "p2pctl"
.nh
.ad l
.SH NAME
${escaped(name)} \\-
${lines(says)}
`
}

function section(name: string, text: string): string {
  return text === '' ? '' : `.SH ${quoted(name)}\n${text.replace(/^\.PP\n/, '')}`
}

/** `[options] <target...>`: what is for the reader to fill in is set apart. */
function synopsis(usage: string): string {
  return `${usage
    .split(' ')
    .map(word => escaped(word).replace(/([A-Za-z][\w-]*)/g, '\\fI$1\\fR'))
    .join(' ')}\n`
}

/** The options in the groups of the help, the command's own first. */
function optionsOf(command: Command): string {
  const help = command.createHelp()
  const options = help.visibleOptions(command)
  const groups = help.groupItems([...command.options], [...options], option => option.helpGroupHeading ?? OWN)
  return [...groups]
    .map(([heading, those]) => {
      const rows = those.map((option): [string, string] => [option.flags, help.optionDescription(option)])
      return `${heading === OWN ? '' : `.SS ${quoted(heading.replace(/:$/, ''))}\n`}${terms(rows, 24)}`
    })
    .join('')
}

/** What stands below the options: a heading that ends in a colon, or a paragraph, with lines that stand as they are. */
function afterOf(command: Command): string[] {
  const help = command.helpInformation()
  let whole = ''
  command.configureOutput({ ...command.configureOutput(), writeOut: text => (whole += text) }).outputHelp()
  const parts = whole.slice(help.length).trim().split('\n\n')
  let noted = false
  return parts.map(part => {
    if (part === '') return ''
    const all = part.split('\n')
    const at = all.findIndex(line => line.startsWith('  '))
    const [words, literal] = at < 0 ? [all, []] : [all.slice(0, at), all.slice(at).map(line => line.slice(2))]
    const text = words.join(' ')
    if (text === 'Examples:') return section('EXAMPLES', verbatim(literal))
    const note = `${paragraph(text)}${verbatim(literal)}`
    const first = !noted
    noted = true
    return first ? section('NOTES', note) : note
  })
}

function blocksIn(blocks: Block[]): string {
  return blocks.map(block => (typeof block === 'string' ? paragraph(block) : terms(block.terms, block.width))).join('')
}

function paragraph(text: string): string {
  return text === '' ? '' : `.PP\n${lines(text)}\n`
}

function terms(rows: [term: string, means: string][], width: number): string {
  return rows
    .map(([term, means]) => {
      const parts = means.split('\n').map(lines)
      return `.TP ${Math.max(width, 4)}\n\\fB${escaped(term)}\\fR\n${parts.join('\n.br\n')}\n`
    })
    .join('')
}

function verbatim(lines: string[]): string {
  return lines.length === 0 ? '' : `.PP\n.nf\n.RS 4\n${lines.map(escaped).join('\n')}\n.RE\n.fi\n`
}

function references(pages: string[], self?: string): string {
  const names = [...new Set(pages)].filter(page => page !== self)
  return `${names
    .map((page, at) => {
      const [, name = '', chapter = ''] = /^(.*)\((\d)\)$/.exec(page) ?? []
      return `.BR ${escaped(name)} (${chapter})${at < names.length - 1 ? ',' : ''}`
    })
    .join('\n')}\n`
}

const topicPage = (name: string): string => `p2pctl-${name}(7)`
const reference = (command: Command): string => `${pageOf(command)}(1)`

/** `p2pctl-relay-check` */
function pageOf(command: Command): string {
  return command.parent == null ? command.name() : `${pageOf(command.parent)}-${command.name()}`
}

/** Lines of the source, which mean nothing in the page. */
function lines(text: string): string {
  return text
    .replace(/(.{1,60})(?: |$)/g, '$1\n')
    .trimEnd()
    .split('\n')
    .map(escaped)
    .join('\n')
}

/** roff takes a dash for a hyphen, and a dot or a quote at the start of a line for a request. */
function escaped(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replaceAll("'", '\\(aq')
    .replaceAll('^', '\\(ha')
    .replaceAll('~', '\\(ti')
    .replaceAll('`', '\\(ga')
    .replace(/^\./gm, '\\&.')
}

function quoted(text: string): string {
  return `"${escaped(text).replaceAll('"', '\\(dq')}"`
}
