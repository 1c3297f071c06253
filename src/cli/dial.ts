import { type Command, InvalidArgumentError, Option } from 'commander'
import { runs } from './calls.ts'
import { transportNames } from '../transports.ts'
import { choosing, common, dialing, examples, OWN, seeking, TARGET } from './options.ts'
import { count, duration, port, words } from './parse.ts'

/** The row of `dial` in the command table. */
export function declareDial(command: Command): Command {
  command
    .argument('[target...]', TARGET)
    .description('Connect to a peer by the address given and no other; show the time of each phase, then who answered.')
    .optionsGroup(OWN)
    .option('--protocol <id...>', 'negotiate these protocols too, and say which are spoken')
    .addOption(
      new Option('--hold <dur>', 'keep the connection this long, and say who ended it and why').argParser(duration)
    )
    .addOption(
      new Option('--write-out <format>', 'print these fields instead, as %{total_ms}; the list is below').argParser(
        format
      )
    )
    .addOption(
      new Option('--emit-check', 'print a check file made of what was seen instead, for p2pctl check').conflicts(
        'writeOut'
      )
    )
    .optionsGroup('Every address on its own, in a table:')
    .option('--each', 'those of the target, each from a fresh node')
    .option('--announced', 'those that the peer announces: which are stale, which of another peer')
    .option('--any', 'one that works is enough; else all that can be dialed from here must work')
    .option('--concurrency <n>', 'dial so many at once; 1 for exact times', count, 8)
    .optionsGroup('As a page in a browser, every address on its own:')
    .option('--from-browser', 'dial from pages on http and on https, in the Chromium or Chrome of this machine')
    .option('--browser-verdict', 'say by rule what such pages may dial; nobody is asked, nothing is sent')
    .addOption(
      new Option(
        '--page-from <where>',
        'pages of the internet, or local ones, of this machine (default: local for private addresses, else public)'
      ).choices(['public', 'local'])
    )
    .option('--browser-path <file>', 'dial from this browser, of the Chromium family; none is ever downloaded')
    .optionsGroup('Expecting, else exit code 1:')
    .option('--expect-peer <id>', 'this peer answers, else exit code 5')
    .option('--expect-agent <text>', 'its agent version has this in it, or matches this /regex/')
    .option('--expect-protocol <id...>', 'it speaks these; /ipfs/kad/* for all that begin so')
    .addOption(
      new Option('--expect-transport <list>', 'the connection is over one of these').argParser(words(...transportNames))
    )
    .option('--expect-observed <addr>', 'it sees us from this address or range: 203.0.113.0/24')
    .addOption(new Option('--max-total <dur>', 'all phases together take no longer').argParser(duration))
  choosing(dialing(command))
    .option('--upgrade', 'make the connection a direct one, over WebRTC, and compare the two')
    .option('--punch', 'make it a direct one by a hole punch (DCUtR), and show each step')
    .option('--punch-port <n>', 'with --punch: be dialed back at this TCP port, as one that the router forwards', port)
    .option('--punch-private', 'with --punch: dial private addresses that the peer names too, and name ours')
  return common(seeking(command))
    .addHelpText('after', `${FIELDS}${PUNCH}${BROWSER}${examples(...EXAMPLES)}`)
    .action(
      runs(
        () => import('../commands/dial.ts'),
        async ({ writeOut, emitCheck }) => {
          if (emitCheck === true) return await import('../views/emit-check.ts')
          if (typeof writeOut !== 'string') return await import('../views/dial.ts')
          return { default: (await import('../views/write-out.ts')).writeOutView(writeOut) }
        }
      )
    )
}

/** What --write-out can print, in the lines of the help. */
const fieldLines = [
  'target addr transport scope from page ok skipped stale number of peer_id',
  'resolve_ms relay_ms signal_ms connect_ms security_ms muxer_ms identify_ms',
  'total_ms security muxer limited limit_s limit_bytes',
  'error_code error_phase error_message',
  'agent_version protocol_version observed_addr listen_addrs protocols',
  'signed_record_valid exit_code reason'
]
export const writeOutFields = fieldLines.join(' ').split(' ')

const FIELDS = `
Fields of --write-out, once for each address that was dialed, - where there is
none; \\n and \\t are a new line and a tab:
${fieldLines.map(line => `  ${line}`).join('\n')}
`

const PUNCH = `
What comes of --punch: direct_dial, reversed (the peer dialed back) or success
(both dialed at once), where one side can be dialed; else timeout, failed,
no_stream (the peer never began) or protocol_error. Node cannot dial from the
port that it listens on: across two NATs there is WebRTC alone, by --upgrade or
a target RELAY/p2p-circuit/webrtc/p2p/PEER-ID.
`

const BROWSER = `
--from-browser ends with 0 if some page reaches each address, with --any one of
each target; what no page can dial, as /tcp, counts. --browser-verdict ends
with 0 if by rule some page may dial each target, with --any one of them: that
is no promise that anybody answers. Else with 1, or for one address alone with
the code of its failure; with 3 if there is no browser that could dial.
`

/** A format of --write-out, which names no field that there is not. */
function format(text: string): string {
  const unknown = [...text.matchAll(/%%|%\{([^}]*)\}/g)].find(
    ([, name]) => name != null && !writeOutFields.includes(name)
  )
  if (unknown == null) return text
  throw new InvalidArgumentError(`there is no field "${unknown[1]}".`)
}

const EXAMPLES = [
  'dial /ip4/127.0.0.1/tcp/4001',
  'dial /dnsaddr/bootstrap.libp2p.io -v',
  'dial /ip4/127.0.0.1/tcp/4001 --protocol /ipfs/ping/1.0.0',
  'dial --each --any /dnsaddr/bootstrap.libp2p.io',
  'dial --announced /ip4/127.0.0.1/tcp/4001',
  'dial --from-browser /ip4/127.0.0.1/tcp/4002/ws/p2p/12D3KooW...',
  'dial --browser-verdict /dns4/example.org/tcp/443/wss',
  'dial /ip4/127.0.0.1/tcp/4001 --expect-transport tcp --max-total 5s',
  "dial /ip4/127.0.0.1/tcp/4001 --write-out '%{addr}\\t%{total_ms}\\n'"
]
