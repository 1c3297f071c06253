import { safe } from '../safe.ts'
import { serveView } from './serve.ts'
import { viewOf } from './screen.ts'

export default viewOf(screen => ({
  ...serveView(screen, 'listening'),
  'reservation.open': ({ addr }) => {
    if (!screen.quiet) screen.err.line(screen.err.chalk.dim(`reserved ${safe(addr ?? '')}`))
  }
}))
