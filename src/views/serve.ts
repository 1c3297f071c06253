import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { bytes, clock, duration, plural, shortId } from './format.ts'
import type { Handlers, Pen, Screen } from './screen.ts'
import { bestAddr, contentWords, fileWords, isLoopback, madeOf, pingLine } from './words.ts'

/** What every command that listens shows: its addresses, then who comes and goes. */
export function serveView(screen: Screen, verb: 'listening' | 'relaying'): Handlers {
  const { out, err, quiet, verbose } = screen
  const { chalk, live } = out
  /** By address, those that this side dialed. */
  const dialed = new Set<string>()
  /** Connections that are shown once the peer has said what it is. */
  const arriving = new Map<string, Event<'connection.open'>[]>()
  const note = (at: Date, text: string): void => {
    if (!quiet) out.line(`${chalk.dim(clock(at))} ${text}`)
  }
  const log = (at: Date, mark: string, peerId: string, rest: string): void =>
    note(at, `${mark}${shortId(peerId, live)}  ${rest}`)
  const arrived = (peerId: string, agent: string | null, at: Date): void => {
    for (const event of arriving.get(peerId) ?? []) {
      const mark = event.direction === 'inbound' ? chalk.green('+in  ') : chalk.green('+out ')
      const where = safe(withoutId(event.remote_addr))
      log(at, mark, peerId, `${where}  ${madeOf(event)}  ${safe(agent ?? '-', 64)}`)
    }
    arriving.delete(peerId)
  }
  return {
    'listen.ready': ({ peer_id, addrs, psk_fingerprint: key, metrics_url, health_url }) => {
      out.line(`${verb} as ${chalk.bold(shortId(peer_id, live))}${key == null ? '' : `   private network ${key}`}`)
      for (const addr of addrs) out.line(`  ${safe(addr)}`)
      watchedAt(out, metrics_url, health_url)
      if (quiet) return
      const best = bestAddr(addrs)
      const where = best == null || isLoopback(best) ? 'in another terminal' : 'on another machine'
      if (best != null) err.line(`${where}:  ${pingLine(best)}`)
      err.line(chalk.dim(`ready in ${(performance.now() / 1000).toFixed(2)} s, press ^C to stop`))
    },
    'listen.addrs': ({ addrs }, at) => {
      if (quiet) return
      out.line(`${chalk.dim(clock(at))} now reachable ${addrs.length === 0 ? 'nowhere' : 'at'}`)
      for (const addr of addrs) out.line(`  ${safe(addr)}`)
    },
    'connection.open': (event, at) => {
      arriving.set(event.peer_id, [...(arriving.get(event.peer_id) ?? []), event])
      if (event.direction === 'inbound') return
      dialed.add(event.remote_addr)
      arrived(event.peer_id, null, at)
    },
    'peer.identify': (event, at) => arrived(event.peer_id, event.agent_version, at),
    'connection.close': ({ peer_id, remote_addr, duration_ms, limit }, at) => {
      arrived(peer_id, null, at)
      const mark = chalk.dim(dialed.delete(remote_addr) ? '-out ' : '-in  ')
      const why = limit == null ? '' : `, ${chalk.yellow(`over the limit ${limit}`)}`
      log(at, mark, peer_id, `${safe(withoutId(remote_addr))}  after ${duration(duration_ms)}${why}`)
    },
    'connection.refused': ({ remote_addr, reason, count }, at) => {
      if (!verbose) return
      const who = remote_addr == null ? 'several hosts' : safe(remote_addr)
      note(at, `${chalk.yellow('refused')} ${who}  ${reason}${count === 1 ? '' : `, ${count} times`}`)
    },
    'stream.refused': ({ peer_id, limit, streams }, at) =>
      note(at, `${chalk.yellow('refused')} ${plural(streams, 'stream')} of ${shortId(peer_id, live)}: limit ${limit}`),
    'peer.add': ({ peer_id, sources, addrs: [addr, ...others] }, at) => {
      if (!verbose) return
      const where = addr == null ? '-' : `${safe(withoutId(addr))}${others.length === 0 ? '' : ` +${others.length}`}`
      log(at, chalk.cyan('found '), peer_id, `${safe(sources.join(','))}  ${where}`)
    },
    'message.received': (event, at) => {
      const from = shortId(event.peer_id ?? '?', live)
      out.line(`${chalk.dim(clock(at))} ${chalk.cyan('message')} from ${from}: ${contentWords(event)}`)
    },
    'file.received': (event, at) => {
      const what = `${safe(event.path, 1024)}  ${fileWords(event)}`
      out.line(`${chalk.dim(clock(at))} ${chalk.cyan('file')} from ${shortId(event.peer_id, live)}: ${what}`)
    },
    'file.refused': ({ peer_id, name, reason }, at) =>
      note(at, `${chalk.yellow('refused')} ${safe(name)} from ${shortId(peer_id, live)}: ${safe(reason)}`),
    'stream.open': ({ peer_id, protocol }, at) =>
      note(at, `${chalk.cyan('stream')} ${safe(protocol)} from ${shortId(peer_id, live)}`),
    'stream.close': ({ peer_id, protocol, in_bytes, out_bytes, exit_code, tcp_addr, error }, at) => {
      const code = exit_code == null ? '' : `, exit code ${exit_code}`
      const where = tcp_addr == null ? '' : `, at ${safe(tcp_addr)}`
      const how = `${bytes(in_bytes)} in, ${bytes(out_bytes)} out${code}${where}${error == null ? '' : `, ${safe(error)}`}`
      note(at, `${chalk.dim('ended')}  ${safe(protocol)} from ${shortId(peer_id, live)}: ${how}`)
    },
    'autonat.dial': ({ peer_id, addr, status, dial_status, data_bytes }, at) => {
      const what = addr == null ? refusals[status] : `${safe(withoutId(addr))} ${outcomes[dial_status ?? 'UNUSED']}`
      const paid = data_bytes === 0 ? '' : `, for ${bytes(data_bytes)}`
      note(at, `${chalk.cyan('autonat')} for ${shortId(peer_id, live)}: ${what}${paid}`)
    }
  }
}

/** Where --metrics and --health are. */
export function watchedAt(out: Pen, metrics?: string, health?: string): void {
  if (metrics != null) out.line(`metrics at ${safe(metrics)}`)
  if (health != null) out.line(`health at  ${safe(health)}`)
}

type Dial = Event<'autonat.dial'>

const refusals: Record<Dial['status'], string> = {
  OK: 'nothing to dial',
  E_REQUEST_REJECTED: 'too many requests, not served',
  E_DIAL_REFUSED: 'no address that we dial',
  E_INTERNAL_ERROR: 'failed'
}

const outcomes: Record<NonNullable<Dial['dial_status']>, string> = {
  OK: 'is reachable',
  E_DIAL_ERROR: 'is not reachable',
  E_DIAL_BACK_ERROR: 'was reached, and did not take the nonce',
  UNUSED: 'was not dialed'
}

function withoutId(addr: string): string {
  return addr.replace(/\/p2p\/[^/]+$/, '')
}
