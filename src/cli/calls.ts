import { type Command, CommanderError } from 'commander'
import type { Command as Core } from '../events.ts'
import type { CommonOptions } from '../run.ts'
import type { View } from '../views/screen.ts'
import { declare } from './lazy.ts'

type Load<T> = () => Promise<{ default: T }>
type Options = CommonOptions & Record<string, unknown>

/** What a command does when it is called: its modules are loaded only then. */
export function runs<O>(
  command: Load<Core<O>>,
  view: (options: Options) => Promise<{ default: View }>,
  untilStopped: (options: Options) => boolean = () => false,
  hangup: 'ends' | 'reloads' = 'ends'
) {
  return async (...called: unknown[]): Promise<void> => {
    const [{ run }, { settle }] = await Promise.all([import('../run.ts'), import('./settings.ts')])
    const self = called.at(-1) as Command
    const args = Object.fromEntries(self.registeredArguments.map((argument, index) => [argument.name(), called[index]]))
    const options = { ...settle(self, process.env), ...args } as Options
    await run({
      cmd: nameOf(self),
      command,
      view: () => view(options),
      options: options as O & CommonOptions,
      untilStopped: untilStopped(options),
      hangup
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
  if (!isSetting(argv[0])) return argv
  const valued = new Set(
    program.commands
      .flatMap(command => declare(command).options)
      .flatMap(option => (option.required ? [option.short, option.long] : []))
  )
  let at = 0
  while (isSetting(argv[at])) at += valued.has(argv[at]) ? 2 : 1
  const named = program.commands.find(command => command.name() === argv[at])
  const words = named?.commands.some(command => command.name() === argv[at + 1]) ? 2 : 1
  return argv[at] == null ? argv : [...argv.slice(at, at + words), ...argv.slice(0, at), ...argv.slice(at + words)]
}

/** An option of some command stands where the command should be. */
export function lacksCommand([first]: string[], program: Command): boolean {
  const flag = first?.split('=')[0]
  if (!isSetting(flag)) return false
  return program.commands.some(command =>
    declare(command).options.some(({ short, long }) => flag === short || flag === long)
  )
}

function isSetting(arg: string | undefined): arg is string {
  return arg?.startsWith('-') === true && !['-h', '--help', '-V', '--version', '-', '--'].includes(arg)
}

/** Wrong use, said the same way as any other failure: an event with --json, a sentence on stderr, exit 2. */
export async function refuse(args: string[], program: Command, error: unknown): Promise<void> {
  const [{ run }, { Failure }, { safe }] = await Promise.all([
    import('../run.ts'),
    import('../errors.ts'),
    import('../safe.ts')
  ])
  const outer = program.commands.find(command => command.name() === args[0])
  const named = outer?.commands.find(command => command.name() === args[1]) ?? outer
  const usage = error instanceof CommanderError
  const [message = '', suggestion] = usage ? sentenceOf(error).split('\n') : []
  const help = `p2pctl help${named == null ? '' : ` ${nameOf(named)}`}`
  const hint = suggestion?.replace(/^\((.*)\)$/, '$1') ?? greedy(error, named) ?? help
  const failure = usage ? new Failure('invalid_option', safe(message, 1024), { hint: safe(hint), cause: error }) : error
  await run({
    cmd: named == null ? 'p2pctl' : nameOf(named),
    command: async () => {
      throw failure
    },
    view: async () => ({ default: () => () => {} }),
    options: {
      json: args.includes('--json') || /^(1|true|yes|on)$/i.test(process.env.P2PCTL_JSON ?? ''),
      color: colorOf(args)
    },
    untilStopped: false
  })
}

/** `send -f a.txt ADDR`: the address is the name of a file. */
function greedy(error: unknown, command?: Command): string | undefined {
  if (!(error instanceof CommanderError) || error.code !== 'commander.missingArgument') return undefined
  const taking = command?.options.find(option => option.variadic && command.getOptionValue(option.attributeName())?.[1])
  return taking && `${taking.short ?? taking.long} takes all that stands behind it: name the target before it`
}

/** What was asked for, as far as it can be told from arguments that are wrong. */
function colorOf(args: string[]): CommonOptions['color'] {
  const asked = /--color[= ](always|never)\b/.exec(args.join(' '))?.[1] ?? process.env.P2PCTL_COLOR
  return asked === 'always' || asked === 'never' ? asked : 'auto'
}

/** commander's sentence in our form: lower case, no full stop. */
function sentenceOf(error: CommanderError): string {
  return error.message
    .replace(/^error: /, '')
    .replace('(outputHelp)', 'missing command')
    .replace(' is invalid. ', ' is invalid: ')
    .replace('Allowed choices are', 'choose from')
    .replace(/\.$/, '')
}
