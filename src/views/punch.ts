import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bareAddr, clock, duration, plural, shortId } from './format.ts'
import type { Screen } from './screen.ts'

type Step = Event<'punch.step'>
type Result = Event<'punch.result'>

/** The way from a relayed to a direct connection, as who dialed sees it: a line a step, then what came of it. */
export function punchView({ out, quiet, status }: Screen) {
  const { chalk } = out
  return {
    'punch.step': (event: Step) => {
      status(event.attempt === 0 ? 'waiting for the peer to dial back' : `attempt ${event.attempt}`)
      if (!quiet) out.line(`  ${duration(event.ms).padStart(9)}  ${numbered(event)}`)
    },
    'punch.result': ({ outcome, attempts, relayed_ms, direct_ms, addr }: Result) => {
      status(null)
      if (addr == null || direct_ms == null) {
        const tried = attempts === 0 ? '' : ` after ${plural(attempts, 'attempt')}`
        out.line(`${chalk.yellow(outcome)}: still through the relay${tried}`)
        return
      }
      const times = [`${duration(direct_ms)} after the relayed connection`]
      if (relayed_ms != null) times.push(`which took ${duration(relayed_ms)}`)
      out.line(`${chalk.green(outcome)}: direct via ${bareAddr(addr)}, ${times.join(', ')}`)
    }
  }
}

/** The same as who listens sees it: what came of it for each peer, the steps only with -v. */
export function punchedView({ out, quiet, verbose }: Screen) {
  const { chalk, live } = out
  return {
    'punch.step': (event: Step, at: Date) => {
      if (verbose) out.line(`${chalk.dim(clock(at))} punch ${shortId(event.peer_id, live)}  ${numbered(event)}`)
    },
    'punch.result': ({ peer_id, outcome, attempts, direct_ms, addr, error }: Result, at: Date) => {
      if (quiet) return
      const tried = attempts === 0 ? '' : ` after ${plural(attempts, 'attempt')}`
      const way =
        addr == null || direct_ms == null
          ? `${chalk.yellow(outcome)}${tried}: ${safe(error ?? '', 120)}`
          : `${chalk.green(outcome)} via ${bareAddr(addr)} in ${duration(direct_ms)}`
      out.line(`${chalk.dim(clock(at))} punch ${shortId(peer_id, live)}  ${way}`)
    }
  }
}

function numbered(event: Step): string {
  return event.attempt === 0 ? `   ${wordsOf(event)}` : `${event.attempt}  ${wordsOf(event)}`
}

function wordsOf({ step, addrs = [], rtt_ms, ok, error }: Step): string {
  const list = addrs.length === 0 ? 'no address' : addrs.map(bareAddr).join('  ')
  const trip = rtt_ms == null ? '' : `, round trip ${duration(rtt_ms)}`
  switch (step) {
    case 'observed':
      return addrs.length === 0 ? 'the relay does not say where it sees us' : `the relay sees us at ${list}`
    case 'stream_opened':
      return '/libp2p/dcutr is open'
    case 'connect_sent':
      return `CONNECT sent: ${list}`
    case 'connect_received':
      return `CONNECT received${trip}: ${list}`
    case 'sync_sent':
      return 'SYNC sent'
    case 'sync_received':
      return `SYNC received${trip}`
    case 'inbound':
      return `the peer dialed us from ${list}`
    case 'dial':
      return `dialed ${list}: ${ok === true ? 'connected' : safe(error ?? 'failed', 120)}`
  }
}
