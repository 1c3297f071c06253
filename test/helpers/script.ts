import { join } from 'node:path'

/** The path of a helper that is run in a process of its own, also when the tests were compiled. */
export function script(name: string): string {
  return join(import.meta.dirname, `${name}${import.meta.filename.endsWith('.ts') ? '.ts' : '.js'}`)
}
