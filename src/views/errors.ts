import type { Event } from '../events.ts'
import { pad, shortIds } from './format.ts'
import type { Pen } from './screen.ts'
import { errorFacts } from './words.ts'

/**
 * An error as a person reads it, on stderr. The first line can be grepped; then the facts, what to try, and the code.
 * `message` and `hint` are our own words: what they quote of others went through `safe()` where they were made.
 */
export function errorLines(event: Event<'error'>, tried: Event<'dial.attempt'>[], pen: Pen): string[] {
  const { chalk, live } = pen
  const label = (name: string): string => chalk.dim(`  ${name.padEnd(7)}`)
  const lines = [`${chalk.red('p2pctl:')} ${shortIds(event.message, live)}`]
  for (const [name, texts] of errorFacts(event, tried, live)) {
    const width = Math.max(...texts.map(([first = '']) => first.length))
    for (const [index, [first = '', second]] of texts.entries()) {
      const text = second == null ? first : `${pad(first, width)}   ${second}`
      lines.push(`${label(index === 0 ? name : '')}${text}`)
    }
  }
  // where all of them are told
  lines.push(`${lines.pop()}   ${chalk.dim('(p2pctl help errors)')}`)
  return lines
}
