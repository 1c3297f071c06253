import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { type Command, InvalidArgumentError, type Option } from 'commander'
import { Failure } from '../errors.ts'
import { wordsFor } from '../files.ts'
import { safe } from '../safe.ts'
import { everyCommand } from './lazy.ts'

type Values = Record<string, unknown>

/**
 * The options of a command after all that may set them: flag > P2PCTL_* environment > --config file > user config >
 * default. No file in the current folder is read unasked.
 */
export function settle(command: Command, env: NodeJS.ProcessEnv): Values {
  const options = command.options.filter(option => option.long !== '--config' && option.long !== '--help')
  const files = configFiles(command, env)
  for (const option of options) {
    const attribute = option.attributeName()
    if (command.getOptionValueSource(attribute) === 'cli') continue
    const name = envName(option)
    if (env[name] !== undefined) {
      command.setOptionValueWithSource(attribute, read(option, env[name], `${name}=${safe(env[name])}`), 'env')
      continue
    }
    for (const file of files) {
      const value = lookUp(file.values, command, option)
      if (value === undefined) continue
      command.setOptionValueWithSource(attribute, read(option, value, `${file.path}: ${option.name()}`), 'config')
      break
    }
  }
  return command.opts()
}

/** `--max-message` -> `P2PCTL_MAX_MESSAGE` */
export function envName(option: Option): string {
  return `P2PCTL_${option.name().toUpperCase().replaceAll('-', '_')}`
}

interface ConfigFile {
  path: string
  values: Values
}

/** The config files that count, the stronger one first. */
function configFiles(command: Command, env: NodeJS.ProcessEnv): ConfigFile[] {
  const named = (command.opts().config as string | undefined) ?? (env.P2PCTL_CONFIG || undefined)
  if (named === 'none') return []
  const home =
    env.XDG_CONFIG_HOME || (process.platform === 'win32' ? env.APPDATA : undefined) || join(homedir(), '.config')
  const own = readConfig(join(home, 'p2pctl', 'config.json'), false)
  const given = named == null ? null : readConfig(named, true)
  const files = [given, own].filter(file => file != null)
  for (const file of files) checkKeys(file, command)
  return files
}

function readConfig(path: string, required: boolean): ConfigFile | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (cause) {
    if (!required) return null
    throw new Failure('file_unreadable', `cannot read the config ${safe(path)}: ${wordsFor(cause)}`, {
      exitCode: 2,
      cause
    })
  }
  try {
    const values: unknown = JSON.parse(text)
    if (typeof values === 'object' && values !== null && !Array.isArray(values))
      return { path: safe(path), values: { ...values } }
  } catch (cause) {
    throw wrong(`${safe(path)} is not JSON: ${safe((cause as Error).message)}`)
  }
  throw wrong(`${safe(path)} is not an object of options`)
}

/** A misspelt key must not pass silently. At the top stands what any command knows, in a section what that one knows. */
function checkKeys({ path, values }: ConfigFile, command: Command): void {
  const commands = allCommands(command)
  for (const [key, value] of Object.entries(values)) {
    const section = commands.find(one => sectionOf(one) === key)
    if (section != null && typeof value === 'object' && value !== null) {
      const unknown = Object.keys(value).find(name => !knows(section, name))
      if (unknown != null) throw wrong(`${path}: ${key} has no option "${safe(unknown)}"`)
    } else if (!commands.some(one => knows(one, key))) {
      throw wrong(`${path}: no option or command "${safe(key)}"`)
    }
  }
}

function lookUp(values: Values, command: Command, option: Option): unknown {
  const section = values[sectionOf(command)] as Values | undefined
  const own = typeof section === 'object' ? section?.[option.name()] : undefined
  return own ?? values[option.name()]
}

/** `ping`, `key gen` */
export function sectionOf(command: Command): string {
  const parent = command.parent
  return parent?.parent == null ? command.name() : `${parent.name()} ${command.name()}`
}

function allCommands(command: Command): Command[] {
  let root = command
  while (root.parent != null) root = root.parent
  return everyCommand(root).flatMap(one => [one, ...one.commands])
}

function knows(command: Command, name: string): boolean {
  return name !== 'config' && command.options.some(option => option.name() === name)
}

/** A value from outside the command line, through the same parser as the flag's. */
function read(option: Option, value: unknown, where: string): unknown {
  if (option.optional && (value === false || value === 'false')) return undefined
  // --no-limits sets `limits` to false
  if (option.negate) return !readBoolean(value, where)
  if (option.isBoolean() || (option.optional && (value === true || value === 'true'))) return readBoolean(value, where)
  if (option.variadic) {
    const list = Array.isArray(value) ? value : readText(value, where).split(/[\s,]+/)
    return list.map(one => readText(one, where))
  }
  const text = readText(value, where)
  try {
    if (option.argChoices != null && !option.argChoices.includes(text)) {
      throw new InvalidArgumentError(`choose from ${option.argChoices.join(', ')}.`)
    }
    return option.parseArg == null ? text : option.parseArg(text, undefined)
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error
    throw wrong(`${where}: ${safe(error.message.replace(/\.$/, ''), 1024)}`)
  }
}

function readText(value: unknown, where: string): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value)
  throw wrong(`${where}: give a text or a number`)
}

function readBoolean(value: unknown, where: string): boolean {
  const word = typeof value === 'boolean' ? String(value) : readText(value, where).toLowerCase()
  if (['true', '1', 'yes', 'on'].includes(word)) return true
  if (['false', '0', 'no', 'off', ''].includes(word)) return false
  throw wrong(`${where}: say true or false`)
}

function wrong(message: string): Failure {
  return new Failure('invalid_option', message, { hint: 'p2pctl help environment' })
}
