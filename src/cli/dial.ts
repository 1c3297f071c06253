import { type Command, InvalidArgumentError, Option } from 'commander'
import { runs } from './calls.ts'
import { transportNames } from '../transports.ts'
import { choosing, common, dialing, examples, seeking, TARGET } from './options.ts'
import { count, duration, port, words } from './parse.ts'

/** The row of `dial` in the command table. */
export function declareDial(command: Command): Command {
  return common(seeking(choosing(dialing(command))))
    .argument('[target...]', TARGET)
    .description('Connect to a peer by the address given and no other; show the time of each phase, then who answered.')
    .option('--upgrade', 'make a connection through a relay a direct one, over WebRTC, and compare the two')
    .option('--protocol <id...>', 'negotiate these protocols too, and say which are spoken')
    .option('--each', 'dial every address of a target on its own, each from a fresh node, and show a table')
    .option('--announced', 'the same for every address that the peer announces: which are stale, which of another peer')
    .option('--any', 'with these: one address that works is enough; else all that can be dialed from here must work')
    .addOption(
      new Option('--concurrency <n>', 'with these: dial so many at once; 1 for exact times').default(8).argParser(count)
    )
    .addOption(
      new Option('--hold <dur>', 'keep the connection this long, and say who ended it and why').argParser(duration)
    )
    .addOption(
      new Option('--write-out <format>', 'print these fields instead, as %{total_ms}; the list is below').argParser(
        format
      )
    )
    .optionsGroup('Hole punching, for a target behind a relay:')
    .option('--punch', 'go for a direct connection, show each step and say what came of it')
    .option(
      '--punch-port <n>',
      'be dialed back at this TCP port, as one that the router forwards; any by default',
      port
    )
    .option('--punch-private', 'dial private addresses that the peer names too, and name ours')
    .optionsGroup('Expecting, else exit code 1:')
    .option('--expect-peer <id>', 'this peer answers, else exit code 5')
    .option('--expect-agent <text>', 'its agent version has this in it, or matches this /regex/')
    .option('--expect-protocol <id...>', 'it speaks these; /ipfs/kad/* for all that begin so')
    .addOption(
      new Option('--expect-transport <list>', 'the connection is over one of these').argParser(words(...transportNames))
    )
    .option('--expect-observed <addr>', 'it sees us from this address or range: 203.0.113.0/24')
    .addOption(new Option('--max-total <dur>', 'all phases together take no longer').argParser(duration))
    .addHelpText('after', `${FIELDS}${PUNCH}${examples(...EXAMPLES)}`)
    .action(
      runs(
        () => import('../commands/dial.ts'),
        async ({ writeOut }) =>
          typeof writeOut === 'string'
            ? { default: (await import('../views/write-out.ts')).writeOutView(writeOut) }
            : await import('../views/dial.ts')
      )
    )
}

/** What --write-out can print, in the lines of the help. */
const fieldLines = [
  'target addr transport scope ok skipped stale number of peer_id',
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
What dial --punch RELAY/p2p-circuit/p2p/PEER-ID can do: the peer dials back, or
opens /libp2p/dcutr (DCUtR) and both dial at the same moment. Node cannot dial
from the port that it listens on, neither with TCP nor with QUIC. So it works
where one side can be dialed: direct_dial, reversed, or success through a port
that a router forwards. A NAT on both sides it cannot cross, and says timeout or
failed; WebRTC can: dial RELAY/p2p-circuit/webrtc/p2p/PEER-ID. The other words
are no_stream, where the peer never began, and protocol_error. Public addresses
that the peer names are dialed, private ones only with --punch-private.
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
  'dial /ip4/127.0.0.1/tcp/4001 --expect-transport tcp --max-total 5s',
  "dial /ip4/127.0.0.1/tcp/4001 --write-out '%{addr}\\t%{total_ms}\\n'"
]
