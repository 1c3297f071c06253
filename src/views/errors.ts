import type { Event } from '../events.ts'
import { duration, pad, shortIds } from './format.ts'
import type { Pen } from './screen.ts'
import { safe } from '../safe.ts'

/**
 * An error as a person reads it, on stderr. The first line can be grepped; then the facts, what to try, and the code.
 * `message` and `hint` are our own words: what they quote of others went through `safe()` where they were made.
 */
export function errorLines(event: Event<'error'>, tried: Event<'dial.attempt'>[], pen: Pen): string[] {
  const { chalk, live } = pen
  const label = (name: string): string => chalk.dim(`  ${name.padEnd(7)}`)
  const lines = [`${chalk.red('p2pctl:')} ${shortIds(event.message, live)}`]
  if (event.expected != null) lines.push(`${label('wanted')}${safe(event.expected)}`)
  if (event.actual != null) lines.push(`${label('got')}${safe(event.actual)}`)
  if (tried.some(({ error }) => error != null && error.code !== 'peer_id_mismatch') || tried.length > 1) {
    const width = Math.max(...tried.map(({ addr }) => safe(addr).length))
    for (const [index, { addr, error, total_ms }] of tried.entries()) {
      const outcome = error == null ? 'connected' : `${shortIds(error.message, live)} after ${duration(total_ms)}`
      lines.push(`${index === 0 ? label('tried') : label('')}${pad(safe(addr), width)}   ${outcome}`)
    }
  }
  if (event.hint != null) lines.push(`${label('try')}${event.hint}`)
  lines.push(`${label('code')}${event.code}   ${chalk.dim('(p2pctl help errors)')}`)
  return lines
}
