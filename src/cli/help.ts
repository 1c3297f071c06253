import type { Command } from 'commander'
import { type Code, codes } from '../errors.ts'
import { print } from '../stdout.ts'
import { everyCommand } from './lazy.ts'
import { type Block, termOf, topics } from './topics.ts'

/** `p2pctl` alone: the commands, and where to read on. */
export function shortHelp(program: Command): string {
  return `p2pctl: ${program.description()}\n\n${commandList(program)}\ntry it: p2pctl demo   read on: p2pctl help <command>, p2pctl --help\n`
}

/** `p2pctl help [command | topic | error code]` on stdout. */
export function printHelp(program: Command, words: string[]): void {
  const [name, sub] = words
  if (name == null) {
    program.outputHelp()
    return
  }
  const topic = Object.hasOwn(topics, name) ? topics[name] : undefined
  if (topic != null || isCode(name)) {
    const blocks = topic?.blocks(program) ?? [{ terms: [termOf(name as Code)], width: 0 }]
    print(plain(blocks))
    return
  }
  const command = everyCommand(program).find(one => one.name() === name)
  const inner = sub == null ? command : command?.commands.find(one => one.name() === sub)
  if (inner == null) {
    program.error(`error: no help on "${words.join(' ')}"\n(p2pctl help, or one of: ${Object.keys(topics).join(', ')})`)
  }
  inner.outputHelp()
}

/** Blocks in lines of 80 characters, an empty line between two. */
function plain(blocks: Block[]): string {
  return `${blocks.map(plainBlock).join('\n\n')}\n`
}

function plainBlock(block: Block): string {
  if (typeof block === 'string') return wrapped(block, 0)
  const { terms, width } = block
  // of errors, which stand apart from each other
  if (width === 0) return terms.map(([term, means]) => `${term}\n${indented(means, 4)}`).join('\n\n')
  return terms.map(([term, means]) => plainTerm(term, means, width)).join('\n')
}

/** What a term means stands beside it where there is room, else below. */
function plainTerm(term: string, means: string, width: number): string {
  if (term.length < width) return wrapped(`${term.padEnd(width)}${means}`, width + 2, 2)
  return `  ${term}\n${wrapped(means, width + 2)}`
}

function indented(text: string, indent: number): string {
  return text
    .split('\n')
    .map(line => wrapped(line, indent))
    .join('\n')
}

/** Lines of 80 characters at most, `indent` deep from the second one on. */
function wrapped(text: string, indent: number, first = indent): string {
  const lines: string[] = []
  let line = ' '.repeat(first)
  for (const [part] of text.matchAll(/\S+\s*/g)) {
    if (line.length + part.trimEnd().length > 80) {
      lines.push(line.trimEnd())
      line = ' '.repeat(indent)
    }
    line += part
  }
  return [...lines, line.trimEnd()].join('\n')
}

function commandList(program: Command): string {
  const rows = program.commands.filter(one => one.name() !== 'help')
  const width = Math.max(...rows.map(one => one.name().length)) + 2
  return rows.map(one => `  ${one.name().padEnd(width)}${one.summary()}\n`).join('')
}

function isCode(name: string): name is Code {
  return Object.hasOwn(codes, name)
}
