import { type Command, CommanderError } from 'commander'
import { Failure } from '../errors.ts'
import type { Command as Core } from '../events.ts'
import { type CommonOptions, run } from '../run.ts'
import { safe } from '../safe.ts'
import type { View } from '../views/screen.ts'
import { settle } from './settings.ts'

type Load<T> = () => Promise<{ default: T }>
type Options = CommonOptions & Record<string, unknown>

/** What a command does when it is called: its modules are loaded only then. */
export function runs<O>(
  command: Load<Core<O>>,
  view: Load<View>,
  untilStopped: (options: Options) => boolean = () => false
) {
  return async (...called: unknown[]): Promise<void> => {
    const self = called.at(-1) as Command
    const args = Object.fromEntries(self.registeredArguments.map((argument, index) => [argument.name(), called[index]]))
    const options = { ...settle(self, process.env), ...args } as Options
    await run({
      cmd: nameOf(self),
      command,
      view,
      options: options as O & CommonOptions,
      untilStopped: untilStopped(options)
    })
  }
}

function nameOf(command: Command): string {
  return command.parent?.parent == null ? command.name() : `${nameOf(command.parent)} ${command.name()}`
}

/** `p2pctl --json ping X` means `p2pctl ping --json X`, and --debug takes its value only behind a `=`. */
export function commandFirst(given: string[], program: Command): string[] {
  const end = given.includes('--') ? given.indexOf('--') : given.length
  const argv = given.map((arg, index) => (arg === '--debug' && index < end ? '--debug=libp2p:*' : arg))
  const valued = new Set(
    program.commands.flatMap(({ options }) =>
      options.filter(option => option.required).flatMap(({ short, long }) => [short, long])
    )
  )
  let at = 0
  while (argv[at]?.startsWith('-') && !['-h', '--help', '-V', '--version', '-', '--'].includes(argv[at]!)) {
    at += valued.has(argv[at]!) ? 2 : 1
  }
  return at === 0 || argv[at] == null ? argv : [argv[at]!, ...argv.slice(0, at), ...argv.slice(at + 1)]
}

/** Wrong use, said the same way as any other failure: an event with --json, a sentence on stderr, exit 2. */
export async function refuse(args: string[], program: Command, error: unknown): Promise<void> {
  const named = program.commands.find(command => command.name() === args[0])
  const usage = error instanceof CommanderError
  const [message = '', suggestion] = usage ? sentenceOf(error).split('\n') : []
  const hint = suggestion?.replace(/^\((.*)\)$/, '$1') ?? `p2pctl help${named == null ? '' : ` ${named.name()}`}`
  const failure = usage ? new Failure('invalid_option', safe(message), { hint: safe(hint), cause: error }) : error
  await run({
    cmd: named?.name() ?? 'p2pctl',
    command: async () => {
      throw failure
    },
    view: async () => ({ default: () => () => {} }),
    options: {
      json: args.includes('--json') || /^(1|true|yes|on)$/i.test(process.env.P2PCTL_JSON ?? ''),
      color: 'auto'
    },
    untilStopped: false
  })
}

/** commander's sentence in our form: lower case, no full stop. */
function sentenceOf(error: CommanderError): string {
  return error.message
    .replace(/^error: /, '')
    .replace('(outputHelp)', 'missing command')
    .replace(' is invalid. ', ' is invalid: ')
    .replace(/\.$/, '')
}
