import { scopeOf } from '../addr.ts'
import { multiaddr } from '@multiformats/multiaddr'
import type { Event } from '../events.ts'
import { safe } from '../safe.ts'
import { inOrder, tableOf, targetLine, verdictTable, withoutTwins } from './dial-table.ts'
import { bar, bareAddr, duration, fit, plural, shortId, shortIds } from './format.ts'
import { punchView } from './punch.ts'
import { type Screen, viewOf } from './screen.ts'
import { phaseTimes, totalNotes, upgradeWords } from './words.ts'

/** https://github.com/libp2p/specs/blob/master/webrtc/webrtc.md */
const SIGNALLING = '/webrtc-signaling/0.0.1'

/** What `curl -v` is to HTTP: the phases as a waterfall, then who answered. */
export default viewOf(screen => {
  const { out, err, status, verbose, quiet } = screen
  let attempts: Event<'dial.attempt'>[] = []
  const each: Event<'dial.attempt'>[] = []
  let table: ReturnType<typeof tableOf> | undefined
  const verdicts: Event<'dial.verdict'>[] = []
  const targets: Event<'dial.target'>[] = []
  let relayed = false
  let mayUpgrade = false
  let upgraded = false
  const rowsOf = (name: string | undefined) => withoutTwins(inOrder(each.filter(({ target }) => target === name)))
  const withHead = <T extends { head(): string[] }>(drawn: T): T => {
    if (!quiet && each.length + verdicts.length > 0) for (const line of drawn.head()) out.line(line)
    return drawn
  }
  return {
    'run.start': () => status('dialing'),
    'browser.start': ({ path, version, sandbox, webrtc_loopback }) => {
      status('dialing')
      if (quiet) return
      err.line(err.chalk.dim(`from the pages of ${safe(path.split(/[\\/]/).at(-1)!)} ${safe(version)}`))
      if (!verbose) return
      err.line(err.chalk.dim(`  ${safe(path)}, ${sandbox ? 'in its sandbox' : 'without its sandbox, as this is root'}`))
      if (webrtc_loopback) err.line(err.chalk.dim('  this machine has loopback alone: WebRTC is told to use that'))
    },
    'dial.verdict': event => {
      verdicts.push(event)
    },
    'dial.resolve': ({ addr, addrs, ms, source }) => {
      const what = source == null ? `resolved ${safe(addr)} to` : `found by ${safe(source)} at`
      if (!quiet) err.line(err.chalk.dim(`${what} ${plural(addrs.length, 'address')} in ${duration(ms)}`))
      if (verbose) for (const one of addrs) err.line(err.chalk.dim(`  ${safe(one)}`))
    },
    'dns.fault': ({ message }) => {
      if (!quiet) err.line(err.chalk.yellow(`left out: ${message} (--allow-private dials it)`))
    },
    'source.end': ({ source, message }) => {
      if (verbose) err.line(err.chalk.dim(`${safe(source)}: ${message}`))
    },
    'dial.attempt': event => {
      if (event.scope != null) {
        each.push(event)
        const dialed = each.filter(({ from }) => from !== 'https').length
        status(`${dialed} of ${plural(Math.max(dialed, event.of ?? 0), 'address')} dialed`)
        return
      }
      attempts.push(event)
      if (!event.ok) return
      relayed = event.transport === 'circuit'
      for (const line of connectedLines(event, screen)) out.line(line)
      for (const { addr, error } of attempts.slice(0, -1)) {
        if (!quiet) err.line(err.chalk.dim(`before it ${safe(addr)}: ${error?.message}`))
      }
      attempts = []
    },
    'dial.target': event => {
      status(null)
      targets.push(event)
      if (verdicts.length > 0) {
        // they are all there by the first of the targets
        const rows = targets.length > 1 ? [] : withoutTwins(verdicts)
        const judged = rows.length > 0 ? withHead(verdictTable(rows, out)) : null
        for (const row of rows) for (const line of judged!.lines(row)) out.line(line)
        return
      }
      const names = [...new Set(each.map(({ target }) => target))]
      table ??= withHead(tableOf(names.flatMap(rowsOf), out))
      for (const attempt of rowsOf(event.target)) for (const line of table.lines(attempt)) out.line(line)
      const { working, failed, skipped, left_out } = event
      if (!quiet && (working + failed + skipped > 1 || left_out != null)) out.line(targetLine(event))
    },
    'connection.upgrade': event => {
      upgraded = true
      // that of a punch is in its result
      if (!quiet && event.by === 'webrtc') out.line(upgradeWords(event).join('   '))
    },
    ...punchView(screen),
    'connection.close': ({ by, reason, duration_ms }) => {
      const who = { local: 'us', remote: 'the peer', network: 'the network' }[by ?? 'local']
      out.line(`held for ${duration(duration_ms)}, ended by ${who}   ${safe(reason ?? '')}`)
    },
    'peer.identify': event => {
      if (each.length > 0) return
      for (const line of identifyLines(event, screen)) out.line(line)
      mayUpgrade = event.protocols.includes(SIGNALLING)
    },
    'dial.protocol': ({ protocol, ok }) => {
      out.line(`${safe(protocol)}   ${ok ? out.chalk.green('spoken') : out.chalk.yellow('not spoken')}`)
    },
    'run.summary': ({ ok }) => {
      status(null)
      if (ok && !quiet && relayed && mayUpgrade && !upgraded) {
        err.line(err.chalk.dim('the peer takes WebRTC: --upgrade makes a direct connection of this one'))
      }
      if (!quiet && targets.length > 1)
        out.line(`${targets.filter(({ ok }) => ok).length} of ${targets.length} targets hold`)
    }
  }
})

/** Where the bars of the waterfall begin. */
const BAR_AT = 22

export function connectedLines(event: Event<'dial.attempt'>, { out, quiet }: Screen): string[] {
  const { chalk, live, columns } = out
  const id = event.peer_id ?? '?'
  const unverified = event.addr.includes('/p2p/') ? '' : chalk.yellow('   unverified')
  const place = event.of == null || event.of === 1 ? '' : chalk.dim(`   (address ${event.number} of ${event.of})`)
  const lines = [
    `connected to ${chalk.bold(shortId(id, live))} via ${shortIds(bareAddr(event.addr), live)}${place}${unverified}`
  ]
  if (quiet) return lines
  const width = Math.min(columns - BAR_AT - 10, 60)
  const scale = width / event.total_ms
  for (const { name, ms, fromMs, note } of phaseTimes(event)) {
    const drawn = `${' '.repeat(Math.floor(fromMs * scale))}${chalk.cyan(bar(ms * scale))}`
    lines.push(`  ${name.padEnd(8)} ${duration(ms).padStart(9)}  ${drawn}${note == null ? '' : `   ${note}`}`)
  }
  lines.push([`  ${'total'.padEnd(8)} ${duration(event.total_ms).padStart(9)}`, ...totalNotes(event)].join('   '))
  return lines
}

export function identifyLines(event: Event<'peer.identify'>, { out, verbose, quiet }: Screen): string[] {
  if (quiet) return []
  const { chalk } = out
  const record = event.signed_record
  const signed =
    record == null ? 'no signed record' : record.valid ? 'signed record valid' : chalk.red('signed record NOT valid')
  const more = verbose ? '' : chalk.dim(' (-v lists them)')
  const facts = [
    `agent ${safe(event.agent_version ?? 'unknown', 64)}`,
    `observed ${event.observed_addr == null ? 'nothing' : bareAddr(event.observed_addr)}`,
    signed,
    `${plural(event.protocols_total ?? event.protocols.length, 'protocol')}${more}`
  ]
  const lines = fit(facts, out.columns)
  // go-libp2p gives an empty one (0.51)
  if (verbose) lines.push(`protocol version ${safe(event.protocol_version || 'unknown')}`)
  for (const addr of event.listen_addrs) lines.push(`  listens  ${scopeOf(multiaddr(addr)).padEnd(8)} ${safe(addr)}`)
  lines.push(...rest('listens', event.listen_addrs, event.listen_addrs_total))
  if (!verbose) return lines
  for (const protocol of event.protocols) lines.push(`  speaks   ${safe(protocol)}`)
  lines.push(...rest('speaks', event.protocols, event.protocols_total))
  return lines
}

/** How many more there were in a list than are kept of it. */
function rest(verb: string, kept: string[], total = 0): string[] {
  return total > kept.length ? [`  ${verb.padEnd(8)} (+${total - kept.length} more)`] : []
}
