import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bareAddr, duration, pad, plural, shortId } from './format.ts'
import { viewOf } from './screen.ts'

type Peer = Omit<Event<'peer.add'>, 'type'>

/** A peer a line, as soon as it is seen. */
export default viewOf(({ out, err, status, quiet, verbose, options = {} }) => {
  const { chalk, live } = out
  // a peer that all of them know still fits
  const sources = ['mdns', 'bootstrap', 'relay', 'dht', 'pubsub'].filter(name => options[name] != null)
  const widths = [live ? 15 : 52, Math.max(10, sources.join().length), 9, 34]
  let count = 0
  let timed = false
  const row = (peer: string, source: string, rtt: string, agent: string, addr: string): string =>
    [peer, source, rtt, agent, addr]
      .map((cell, column) => pad(cell, widths[column] ?? 0))
      .filter((_, column) => timed || column !== 2)
      .join('  ')
      .trimEnd()
  const show = ({ peer_id, sources, rtt_ms, agent_version, addrs, protocols = [] }: Peer, note = ''): void => {
    const more = addrs.length > 1 ? ` +${addrs.length - 1}` : ''
    const addr = addrs[0] == null ? '-' : `${bareAddr(addrs[0])}${more}`
    const rtt = rtt_ms == null ? '-' : duration(rtt_ms)
    const text = row(shortId(peer_id, live), safe(sources.join(',')), rtt, safe(agent_version ?? '-', 34), addr)
    out.line(note === '' ? text : chalk.dim(`${text}  ${note}`))
    if (!verbose) return
    for (const one of addrs) out.line(chalk.dim(`  at       ${safe(one)}`))
    for (const one of protocols) out.line(chalk.dim(`  speaks   ${safe(one)}`))
  }
  return {
    'run.start': () => status('looking'),
    'peer.add': event => {
      if (count === 0) timed = event.rtt_ms !== undefined
      if (count++ === 0 && !quiet) out.line(chalk.dim(row('PEER', 'SOURCE', 'RTT', 'AGENT', 'ADDRESS')))
      show(event)
      status(`looking, ${plural(count, 'peer')} so far`)
    },
    'peer.change': event => show(event, 'changed'),
    'peer.remove': event => show(event, 'gone'),
    'source.end': ({ source, peers, message }) => {
      if (message != null) err.line(err.chalk.yellow(`${safe(source)}: ${message}`))
      else if (verbose) err.line(err.chalk.dim(`${safe(source)}: ${plural(peers, 'peer')}`))
    },
    'run.summary': event => {
      status(null)
      if (!quiet && event.peers != null) err.line(plural(event.peers, 'peer'))
    }
  }
})
