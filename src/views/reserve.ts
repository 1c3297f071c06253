import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { clock } from './format.ts'
import type { Screen } from './screen.ts'
import { lostWords, relayWords, retryWords, untilWords } from './words.ts'

/** The reservations of a peer that is reachable through relays: each step of keeping them, on stderr. */
export function heldView({ err, quiet, verbose }: Screen) {
  const { chalk, live } = err
  const known = new Set<string | null>()
  const line = (at: Date, text: string): void => {
    if (!quiet) err.line(`${chalk.dim(clock(at))} ${text}`)
  }
  const relay = (addr: string | null): string => relayWords(addr, live)
  return {
    'reservation.open': ({ addr, expires }: Event<'reservation.open'>, at: Date) => {
      if (quiet) return
      if (known.has(addr)) line(at, `${chalk.green('reserved again')} on ${relay(addr)}${untilWords(expires)}`)
      else err.line(chalk.dim(`reserved ${safe(addr ?? '')}${untilWords(expires)}`))
      known.add(addr)
    },
    'reservation.refresh': ({ addr, expires }: Event<'reservation.refresh'>, at: Date) => {
      if (verbose) line(at, `renewed  on ${relay(addr)}${untilWords(expires)}`)
    },
    'reservation.close': (event: Event<'reservation.close'>, at: Date) => {
      if (event.status !== 'stopped') line(at, `${chalk.yellow('lost')} ${relay(event.addr)}  ${lostWords(event)}`)
    },
    'reservation.retry': (event: Event<'reservation.retry'>, at: Date) => {
      line(at, `not yet  on ${relay(event.addr)}  ${retryWords(event)}`)
    }
  }
}
