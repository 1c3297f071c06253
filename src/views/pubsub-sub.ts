import { safe } from '../safe.ts'
import { clock, shortId } from './format.ts'
import { heldView } from './reserve.ts'
import { viewOf } from './screen.ts'
import { serveView } from './serve.ts'
import { topicNotes } from './topics.ts'
import { bestAddr, contentWords } from './words.ts'

/** Messages are the result, on stdout; who comes and goes are notes, on stderr. */
export default viewOf(screen => {
  const { out, err, quiet, verbose, status, options } = screen
  const topics = (options?.topic ?? []) as string[]
  const connections = serveView({ ...screen, out: err, quiet: quiet || !verbose }, 'listening')
  return {
    ...heldView(screen),
    ...topicNotes(err, screen),
    'run.start': () => status('looking for peers'),
    'connection.open': connections['connection.open']!,
    'connection.close': connections['connection.close']!,
    'peer.identify': connections['peer.identify']!,
    'peer.add': connections['peer.add']!,
    'listen.ready': ({ peer_id, addrs }) => {
      status(null)
      if (quiet) return
      err.line(`subscribed to ${topics.map(topic => safe(topic, 64)).join(', ')} as ${err.chalk.bold(peer_id)}`)
      for (const addr of addrs) err.line(`  ${safe(addr)}`)
      const [topic = '', addr] = [topics[0], bestAddr(addrs)]
      if (addr != null) err.line(`to publish:  p2pctl pubsub pub ${shown(topic)} hello --bootstrap ${safe(addr)}`)
      err.line(err.chalk.dim('press ^C to stop'))
    },
    'message.received': (event, at) => {
      if (options?.raw === true) return
      const { peer_id, topic = '', seq, received_from: via } = event
      const who = peer_id == null ? 'unsigned' : shortId(peer_id, out.live)
      const on = topics.length > 1 ? `${out.chalk.cyan(safe(topic, 64))}  ` : ''
      out.line(`${out.chalk.dim(clock(at))} ${on}${who}: ${contentWords(event)}`)
      if (!verbose) return
      const passed = via == null || via === peer_id ? '' : `, passed on by ${shortId(via, out.live)}`
      out.line(out.chalk.dim(`  ${event.bytes} bytes${seq == null ? '' : `, sequence ${seq}`}${passed}`))
    }
  }
})

/** As a shell takes it. */
function shown(topic: string): string {
  return /^[\w./-]+$/.test(topic) ? topic : `'${safe(topic, 64).replaceAll("'", "'\\''")}'`
}
