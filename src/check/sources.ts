/** What the arguments of check stand for: a check file, or addresses from the command line, a list, or a chain specification. */
import { Failure } from '../errors.ts'
import { readUpTo, wordsFor } from '../files.ts'
import { safe } from '../safe.ts'
import { readList, type TargetOptions } from '../targets.ts'
import { type Plan, planOf, readCheckFile } from './plan.ts'
import { readVariables, type Variables } from './variables.ts'
import { MAX_BYTES, tooLong } from './yaml.ts'

export interface SourceOptions extends TargetOptions {
  /** `NAME=VALUE` */
  var?: string[]
  /** Names of environment variables. */
  varEnv?: string[]
}

const YAML = /\.ya?ml$/i
const JSON_FILE = /\.json$/i
/** A chain specification holds the first state of its chain as well. */
const MAX_JSON_BYTES = 2 ** 28

/** Throws Failure. */
export async function readPlan(args: string[], options: SourceOptions, env: NodeJS.ProcessEnv): Promise<Plan> {
  const [first = ''] = args
  const isFile = (arg: string): boolean => YAML.test(arg) && !arg.startsWith('@')
  const file = args.find(isFile)
  if (file != null && args.length > 1) {
    throw new Failure('invalid_option', `${safe(file)} is a check file, and goes alone`, {
      hint: 'write the addresses into it, or run p2pctl check twice'
    })
  }
  if (file != null) return readCheckFile(file, await read(file, MAX_BYTES), variablesOf(file, options, env), options)
  if (args.length === 1 && JSON_FILE.test(first) && !first.startsWith('@')) {
    const text = await read(first, MAX_JSON_BYTES)
    // JSON is YAML, and a check file may be written in it
    if (bootNodesIn(first, text) == null) {
      return readCheckFile(first, text, variablesOf(first, options, env), options)
    }
  }
  variablesOf('an address', options, env).checkUsed()
  const texts = (await Promise.all(args.map(addressesOf))).flat()
  return { file: null, checks: planOf(texts, options) }
}

function variablesOf(file: string, options: SourceOptions, env: NodeJS.ProcessEnv): Variables {
  return readVariables(file, options.var ?? [], options.varEnv ?? [], env)
}

/** An address, or those in `@FILE`: one a line, or the bootNodes of a chain specification; `-` is stdin. */
async function addressesOf(arg: string): Promise<string[]> {
  const path = arg.startsWith('@') ? arg.slice(1) : JSON_FILE.test(arg) && !arg.startsWith('/ip') ? arg : null
  if (path == null) return await readList([arg], 'target')
  const text = await read(path, MAX_JSON_BYTES)
  if (!/^\s*[{[]/.test(text)) return await readList([arg], 'target')
  const nodes = bootNodesIn(path, text)
  if (nodes != null && nodes.length > 0) return nodes
  throw new Failure('invalid_option', `no bootNodes in ${safe(path)}`, {
    hint: 'a chain specification has a list of addresses under bootNodes'
  })
}

/** Of a chain specification, or of a list of addresses in JSON; null where it is neither. */
function bootNodesIn(path: string, text: string): string[] | null {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Failure('invalid_option', `${safe(path)} is not JSON: ${safe((cause as Error).message)}`, { cause })
  }
  const list = Array.isArray(value) ? value : (value as { bootNodes?: unknown } | null)?.bootNodes
  if (list === undefined) return null
  if (Array.isArray(list) && list.every(one => typeof one === 'string')) return list
  throw new Failure('invalid_option', `the bootNodes of ${safe(path)} are no list of addresses`)
}

async function read(path: string, mostBytes: number): Promise<string> {
  const text = await readUpTo(path, mostBytes).catch(cause => {
    const exitCode = 2
    throw new Failure('file_unreadable', `cannot read ${safe(path)}: ${wordsFor(cause)}`, { exitCode, cause })
  })
  if (text == null) throw tooLong(path, mostBytes)
  return text
}
