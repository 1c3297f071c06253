import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { duration, pad, plural, shortId, shortIds } from './format.ts'
import { type Screen, viewOf } from './screen.ts'
import { serveView } from './serve.ts'

// `reason` is in our own words, as `message` of an error is: what it quotes of others was made safe where it was made

/** Addresses of one peer that are shown, unless with -v. */
const SHOWN = 8

/** What was found in a DHT, and with -v each node that was asked. */
const table = (screen: Screen, { closestIsResult = false } = {}) => {
  const { out, err, quiet, verbose, status } = screen
  const { chalk, live } = out
  let asked = 0
  let keepers = 0
  const note = (text: string): void => {
    if (!quiet) err.line(err.chalk.dim(text))
  }
  const peer = (peerId: string): string => shortId(peerId, live)
  const atOf = (addrs: string[]): string => {
    const more = addrs.length > 1 ? ` +${addrs.length - 1}` : ''
    return addrs[0] == null ? '-' : `${safe(addrs[0].replace(/\/p2p\/[^/]+$/, ''))}${more}`
  }
  const addrLines = (addrs: string[]): void => {
    const shown = verbose || quiet ? addrs : addrs.slice(0, SHOWN)
    for (const addr of shown) out.line(quiet ? safe(addr) : `  ${safe(addr)}`)
    if (shown.length < addrs.length) out.line(chalk.dim(`  and ${addrs.length - shown.length} more (-v)`))
  }
  const kept = ({ peer_id, ok, ms, reason }: Event<'dht.put' | 'dht.provide'>): void => {
    keepers++
    if (quiet) return
    const how = ok ? duration(ms) : shortIds(reason ?? '', live)
    out.line(`${ok ? chalk.green('kept   ') : chalk.red('refused')}  ${peer(peer_id)}  ${how}`)
  }
  return {
    'run.start': () => status('asking'),
    'dht.query': (event: Event<'dht.query'>) => {
      if (event.step === 'sent') asked++
      status(`asking, ${plural(asked, 'node')} so far`)
      if (verbose && event.step !== 'sent') err.line(queryLine(event, err.live, err.chalk))
    },
    'dht.done': ({ asked: all, answered, hops, ms }: Event<'dht.done'>) => {
      status(null)
      if (all > 1) note(`${answered} of ${plural(all, 'node')} answered, ${plural(hops, 'hop')}, ${duration(ms)}`)
    },
    'dht.peer': ({ peer_id, addrs, from_peer_id }: Event<'dht.peer'>) => {
      if (!quiet) out.line(`${chalk.bold(peer(peer_id))}  ${chalk.dim(`as ${peer(from_peer_id)} says`)}`)
      addrLines(addrs)
    },
    'dht.closest': ({ peer_id, addrs, rank, common_bits }: Event<'dht.closest'>) => {
      if (quiet) {
        if (closestIsResult) out.line(safe(addrs[0] ?? `/p2p/${peer_id}`))
        return
      }
      // of the others, stdout holds what was looked for and nothing else
      const pen = closestIsResult ? out : err
      const width = pen.live ? 15 : 52
      const heading = closestIsResult ? 'PEER' : 'TELLS OF'
      if (rank === 1) pen.line(pen.chalk.dim(`RANK  BITS  ${pad(heading, width)}  ADDRESS`))
      const near = `${String(rank).padStart(4)}  ${String(common_bits).padStart(4)}`
      pen.line(`${near}  ${pad(shortId(peer_id, pen.live), width)}  ${atOf(addrs)}`)
      if (verbose) for (const addr of addrs) pen.line(pen.chalk.dim(`            ${safe(addr)}`))
    },
    'dht.provider': ({ peer_id, addrs }: Event<'dht.provider'>) => {
      if (quiet) return out.line(safe(addrs[0] ?? `/p2p/${peer_id}`))
      out.line(`${peer(peer_id)}  ${addrs.length === 0 ? chalk.dim('no address') : atOf(addrs)}`)
      if (verbose) addrLines(addrs)
    },
    'dht.record': ({ text, base64, bytes, peers, valid, problem, chosen }: Event<'dht.record'>) => {
      const judged = valid == null ? 'not validated' : valid ? 'valid' : `not valid: ${safe(problem ?? '')}`
      const facts = `${bytes} B from ${plural(peers, 'node')}, ${judged}${text == null ? ', as base64' : ''}`
      if (chosen) {
        out.line(text == null ? safe(base64 ?? '', 4096) : safe(text.replace(/\n$/, ''), 4096))
        note(facts)
      } else if (!quiet) err.line(err.chalk.yellow(`other value: ${safe(text ?? base64 ?? '', 120)}  ${facts}`))
    },
    'dht.put': kept,
    'dht.provide': kept,
    'run.summary': (event: Event<'run.summary'>) => {
      status(null)
      if (keepers > 0) note(`kept by ${event.peers ?? 0} of ${plural(keepers, 'node')}`)
    }
  }
}

function queryLine(event: Event<'dht.query'>, live: boolean, chalk: Screen['err']['chalk']): string {
  const { hop, peer_id, step, connect_ms, ms, closer, providers, record, error, reason } = event
  const who = `hop ${hop}  ${pad(peer_id == null ? '?' : shortId(peer_id, live), live ? 15 : 52)}`
  if (step === 'error') return `${who}  ${chalk.yellow(error ?? '')}  ${shortIds(reason ?? '', live)}`
  const told = [
    `${closer} closer`,
    ...(providers ? [plural(providers, 'provider')] : []),
    ...(record === true ? ['a record'] : [])
  ]
  return chalk.dim(`${who}  connected ${duration(connect_ms ?? 0)}, answered ${duration(ms ?? 0)}  ${told.join(', ')}`)
}

export default viewOf(screen => table(screen))

/** Where the nodes themselves are what was asked for. */
export const closestView = viewOf(screen => table(screen, { closestIsResult: true }))

/** Then it may stay, as `listen` does. */
export const provideView = viewOf(screen => {
  const { err, quiet, options = {} } = screen
  const own = table(screen)
  const served = serveView(screen, 'listening')
  let stays = false
  return {
    ...served,
    ...own,
    'listen.ready': (event, at) => {
      stays = true
      served['listen.ready']?.(event, at)
    },
    // until then it is this peer that goes to others, and -v tells of that
    'connection.open': (event, at) => {
      if (stays) served['connection.open']?.(event, at)
    },
    'connection.close': (event, at) => {
      if (stays) served['connection.close']?.(event, at)
    },
    'run.summary': event => {
      own['run.summary'](event)
      if (quiet || !event.ok || stays) return
      const lost = options.announce == null ? 'which ends now: --stay keeps it there' : 'at the announced addresses'
      err.line(err.chalk.yellow(`the record leads to this peer, ${lost}`))
    }
  }
})
