/** Variables of a check file: named on the command line and nowhere else, and put in as data when all else was read. */
import { Failure } from '../errors.ts'
import { safe } from '../safe.ts'
import { type Place, wrongAt } from './yaml.ts'

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/
// $${NAME} is ${NAME} itself
const USE = /\$(\$\{)|\$\{([^}]*)\}?/g

export interface Variables {
  /** A text with its variables put in, each through `encode`. Throws Failure for one that there is not. */
  fill(text: string, place: Place, encode?: (value: string) => string): string
  /** Throws Failure for one that was given and not used. */
  checkUsed(): void
}

/** Reads `NAME=VALUE`, and the names of environment variables. Throws Failure `invalid_option`. */
export function readVariables(file: string, given: string[], fromEnv: string[], env: NodeJS.ProcessEnv): Variables {
  const values = new Map<string, string>()
  const add = (option: string, name: string, value: string): void => {
    if (!NAME.test(name)) throw wrong(`${option}: "${safe(name)}" is no name of a variable`, 'letters, digits and _')
    if (values.has(name)) throw wrong(`${option}: ${name} is given twice`)
    values.set(name, value)
  }
  for (const text of given) {
    const at = text.indexOf('=')
    if (at < 0) throw wrong(`--var ${safe(text)} has no value`, 'write --var NAME=VALUE, or --var-env NAME')
    add('--var', text.slice(0, at), text.slice(at + 1))
  }
  for (const name of fromEnv) {
    const value = env[name]
    if (value == null) throw wrong(`--var-env ${safe(name)}: there is no such variable in the environment`)
    add('--var-env', name, value)
  }
  const used = new Set<string>()
  return {
    fill: (text, place, encode = value => value) =>
      text.replace(USE, (whole: string, literal: string | undefined, name: string = '') => {
        if (literal != null) return literal
        if (!NAME.test(name) || !whole.endsWith('}')) {
          throw wrongAt(file, place, `${safe(whole)} is no variable`, 'write $${ where ${ itself is meant')
        }
        const value = values.get(name)
        if (value == null) {
          throw wrongAt(
            file,
            place,
            `nobody says what \${${name}} is`,
            `give --var ${name}=VALUE, or --var-env ${name}`
          )
        }
        used.add(name)
        return encode(value)
      }),
    checkUsed() {
      const unused = [...values.keys()].find(name => !used.has(name))
      if (unused != null) throw wrong(`the variable ${unused} is given, and ${safe(file)} does not use it`)
    }
  }
}

function wrong(message: string, hint?: string): Failure {
  return new Failure('invalid_option', message, { hint })
}
