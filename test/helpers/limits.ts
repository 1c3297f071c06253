/** The defaults that the command table gives to options. */
import { table } from '../../src/cli.ts'
import { declare } from '../../src/cli/lazy.ts'

/** `--max-circuits` of `relay` -> 64, as the command gets it. */
export function defaultOf(command: string, long: string): number {
  const found = table().commands.find(one => one.name() === command)
  const option = found == null ? undefined : declare(found).options.find(one => one.long === long)
  if (typeof option?.defaultValue !== 'number') throw new Error(`${command} ${long} has no number as its default`)
  return option.defaultValue
}
