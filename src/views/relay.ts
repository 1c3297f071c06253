import { safe } from '../safe.ts'
import { bytes, clock, duration, shortId } from './format.ts'
import { serveView } from './serve.ts'
import { viewOf } from './screen.ts'

export default viewOf(screen => {
  const { out, quiet } = screen
  const { chalk, live } = out
  const line = (at: Date, text: string): void => {
    if (!quiet) out.line(`${chalk.dim(clock(at))} ${text}`)
  }
  const until = (expires: string | null): string => (expires == null ? '' : ` until ${clock(new Date(expires))}`)
  const pair = (event: { src_peer_id: string; dst_peer_id: string }): string =>
    `${shortId(event.src_peer_id, live)} to ${shortId(event.dst_peer_id, live)}`
  let reservations = 0
  let circuits = 0
  const counts = (): string => chalk.dim(`(${reservations} reserved, ${circuits} open)`)
  return {
    ...serveView(screen, 'relaying'),
    'reservation.open': ({ peer_id, expires }, at) => {
      reservations++
      line(at, `${chalk.green('reserved')}  ${shortId(peer_id, live)}${until(expires)}  ${counts()}`)
    },
    'reservation.refresh': ({ peer_id, expires }, at) => {
      line(at, `refreshed ${shortId(peer_id, live)}${until(expires)}`)
    },
    'reservation.close': ({ peer_id, status }, at) => {
      reservations--
      line(at, `freed     ${shortId(peer_id, live)}  ${safe(status)}  ${counts()}`)
    },
    'reservation.refused': ({ peer_id, status }, at) => {
      line(at, `${chalk.yellow('refused')}   ${shortId(peer_id, live)}  ${safe(status)}`)
    },
    'circuit.open': (event, at) => {
      circuits++
      line(at, `${chalk.green('circuit')}   ${pair(event)}  ${counts()}`)
    },
    'circuit.close': (event, at) => {
      circuits--
      const traffic = `${bytes(event.in_bytes)} there, ${bytes(event.out_bytes)} back, ${duration(event.duration_ms)}`
      line(at, `ended     ${pair(event)}  ${traffic}  ${safe(event.status)}  ${counts()}`)
    },
    'circuit.refused': (event, at) => line(at, `${chalk.yellow('refused')}   ${pair(event)}  ${safe(event.status)}`)
  }
})
