import { safe } from '../safe.ts'
import { bytes, plural, shortId } from './format.ts'
import { viewOf } from './screen.ts'
import { whereNotes } from './topics.ts'

export default viewOf(({ out, err, status, quiet, verbose, options }) => ({
  ...whereNotes(err, { quiet, verbose, options }),
  'run.start': () => status('waiting for subscribers'),
  'pubsub.sent': ({ bytes: count, peers, peer_ids, topic, duplicate }) => {
    status(null)
    if (quiet) return
    if (duplicate === true) return out.line(`${bytes(count)} were sent to ${safe(topic, 64)} before, and not again`)
    out.line(`sent ${bytes(count)} to ${plural(peers, 'peer')} of ${safe(topic, 64)}`)
    if (verbose) for (const peerId of peer_ids) out.line(out.chalk.dim(`  ${shortId(peerId, out.live)}`))
  },
  'run.summary': () => status(null)
}))
