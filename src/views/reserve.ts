import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { clock, roundDuration, shortIds } from './format.ts'
import type { Screen } from './screen.ts'

/** The reservations of a peer that is reachable through relays: each step of keeping them, on stderr. */
export function heldView({ err, quiet, verbose }: Screen) {
  const { chalk, live } = err
  const known = new Set<string | null>()
  const line = (at: Date, text: string): void => {
    if (!quiet) err.line(`${chalk.dim(clock(at))} ${text}`)
  }
  const until = (expires: string | null): string => (expires == null ? '' : ` until ${clock(new Date(expires))}`)
  const relay = (addr: string | null): string =>
    shortIds(safe((addr ?? '').replace(/\/p2p-circuit\/p2p\/[^/]+$/, '')), live)
  return {
    'reservation.open': ({ addr, expires }: Event<'reservation.open'>, at: Date) => {
      if (quiet) return
      if (known.has(addr)) line(at, `${chalk.green('reserved again')} on ${relay(addr)}${until(expires)}`)
      else err.line(chalk.dim(`reserved ${safe(addr ?? '')}${until(expires)}`))
      known.add(addr)
    },
    'reservation.refresh': ({ addr, expires }: Event<'reservation.refresh'>, at: Date) => {
      if (verbose) line(at, `renewed  on ${relay(addr)}${until(expires)}`)
    },
    'reservation.close': ({ addr, status }: Event<'reservation.close'>, at: Date) => {
      if (status !== 'stopped') line(at, `${chalk.yellow('lost')} ${relay(addr)}  ${safe(status)}, asking again`)
    },
    'reservation.retry': ({ addr, status, wait_ms }: Event<'reservation.retry'>, at: Date) => {
      line(at, `not yet  on ${relay(addr)}  ${safe(status)}, again in ${roundDuration(wait_ms)}`)
    }
  }
}
