import { safe } from '../safe.ts'
import { viewOf } from './screen.ts'

export default viewOf(({ out, err }) => ({
  'key.show': ({ path, peer_id, key_type, created }) => {
    if (created === true) err.line(err.chalk.dim(`wrote ${safe(path)} (${key_type}), readable by you alone`))
    out.line(peer_id)
  }
}))
