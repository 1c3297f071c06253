import { safe } from '../safe.ts'
import { bareAddr, bytes, clock, duration, shortId, shortIds } from './format.ts'
import { viewOf } from './screen.ts'

/** Where to connect to, then who does. */
export default viewOf(({ out, err, quiet, status }) => {
  const { chalk, live } = out
  let ready = false
  const note = (at: Date, text: string): void => {
    if (!quiet) out.line(`${chalk.dim(clock(at))} ${text}`)
  }
  const who = (id: number | undefined, addr: string | null | undefined): string =>
    `${String(id ?? '-').padEnd(4)} ${safe(addr ?? 'local')}`
  return {
    'run.start': () => status('dialing'),
    'forward.ready': ({ peer_id, addr, protocol, local_addr }) => {
      status(null)
      ready = true
      out.line(`forwarding ${chalk.bold(safe(local_addr))} to ${shortId(peer_id, live)} ${safe(protocol)}`)
      if (quiet) return
      err.line(`through ${shortIds(bareAddr(addr), live)}`)
      err.line(chalk.dim(`ready in ${(performance.now() / 1000).toFixed(2)} s, press ^C to stop`))
    },
    'connection.open': ({ remote_addr }, at) => {
      if (ready) note(at, `${chalk.green('connected')} again through ${shortIds(bareAddr(remote_addr), live)}`)
    },
    'connection.close': ({ peer_id }, at) =>
      note(at, `${chalk.yellow('lost')} the connection to ${shortId(peer_id, live)}`),
    'forward.retry': ({ message }, at) => note(at, `${chalk.yellow('not yet')} ${safe(shortIds(message, live), 400)}`),
    'forward.refused': ({ tcp_addr, message }, at) =>
      note(at, `${chalk.red('reset')} ${safe(tcp_addr ?? 'local')}: ${safe(shortIds(message, live), 400)}`),
    'stream.open': ({ stream_id, tcp_addr }, at) => note(at, `${chalk.green('+')}${who(stream_id, tcp_addr)}`),
    'stream.close': ({ stream_id, tcp_addr, in_bytes, out_bytes, duration_ms, error }, at) => {
      const moved = `${bytes(out_bytes)} there, ${bytes(in_bytes)} back in ${duration(duration_ms)}`
      const end = error == null ? '' : `  ${chalk.yellow(safe(error))}`
      note(at, `${chalk.dim('-')}${who(stream_id, tcp_addr)}  ${moved}${end}`)
    },
    'run.summary': () => status(null)
  }
})
